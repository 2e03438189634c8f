/**
 * argsort: a value's place in its sorted row is the number of values that come before it. O(n²) comparisons, four at a
 * time, shared by all threads. NaN counts as the largest value.
 */
import { numel } from '../../shape.ts';
import { options, type Routine, ref } from '../routine.ts';
import { add, bytes, f32, floatAt, i32, kernel, sub, sum4, type V128, v } from './dsl.ts';
import { eachFour } from './rows.ts';

/** Items: values of all rows. */
const argsortOf = (descending: boolean) =>
  kernel(descending ? 'argsortDescending' : 'argsort', { x: i32, y: i32, n: i32 }, (f, a) => {
    const { item, i, j, row } = f.ints('item i j row');
    const { own, here, x, now, earlier, count } = f.vectors('own here x now earlier count');
    /** Counts the values whose mask is set. */
    const countBefore = (before: () => V128) => {
      count.set(v.const(0));
      now.set(v.lanes([0, 1, 2, 3]));
      eachFour(f, j, a.n, ({ load, live }) => {
        x.set(load(row));
        earlier.set(v.lt(now, here));
        count.set(v.intSub(count, live(before(), v.const(0)))); // a mask is −1 as an integer
        now.set(v.add(now, v.const(4)));
      });
    };
    const equalAndEarlier = () => v.and(v.eq(x, own), earlier);
    const ofNumber = descending
      ? () => v.or(v.not(v.le(x, own)), equalAndEarlier()) // larger, or NaN
      : () => v.or(v.lt(x, own), equalAndEarlier());
    const ofNaN = descending ? () => v.and(v.ne(x, x), earlier) : () => v.or(v.eq(x, x), earlier);
    f.for(item, a.begin, a.end, 1, () => {
      i.set(i32.remu(item, a.n));
      row.set(floatAt(a.x, sub(item, i)));
      own.set(v.loadSplat(floatAt(row, i)));
      here.set(v.splat(f32.fromInt(i)));
      f.if(
        f32.eq(v.lane(own, 0), v.lane(own, 0)),
        () => countBefore(ofNumber),
        () => countBefore(ofNaN),
      );
      count.set(v.fromInt(count));
      row.set(floatAt(a.y, sub(item, i)));
      f.do(f32.store(add(row, bytes(i32.fromFloat(sum4(count)))), f32.fromInt(i)));
    });
  });
const [ascending, descending] = [argsortOf(false), argsortOf(true)];

export const kernels = [ascending, descending];

export const routines: Readonly<Record<string, Routine>> = {
  /** x [..., n] → indices [..., n] */
  argsort(cpu, y, x, opts) {
    const { descending: falling } = options<{ descending: boolean }>(opts);
    const [items, n] = [numel(y.shape), y.shape.at(-1)!];
    cpu.parallel(falling ? descending : ascending, { items, work: 3 * items * n }, { x: ref(x).at, y: y.at, n });
  },
};
