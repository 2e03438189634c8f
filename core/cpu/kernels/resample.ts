/** upsampleNearest and avgPool2d of x [N, C, H, W]; factor 2 in vectors. */
import { options, type Routine, ref } from '../routine.ts';
import { copyFloats } from './copy.ts';
import { add, bytes, f32, floatAt, i32, kernel, mul, sub, v } from './dsl.ts';

/** Stretches each row of x into one row of y, then repeats that. Items: rows of x. */
const upsampleNearest = kernel('upsampleNearest', { x: i32, y: i32, width: i32, scale: i32 }, (f, a) => {
  const { item, from, to, i, j, first, row } = f.ints('item from to i j first row');
  const [four, value] = [f.vector('four'), f.float('value')];
  const doubleFours = () =>
    f.while(i32.ge(i, 4), () => {
      four.set(v.load(from));
      f.do(v.store(to, v.shuffle(four, four, [0, 0, 1, 1])), v.store(to, v.shuffle(four, four, [2, 2, 3, 3]), 16));
      from.set(add(from, 16));
      to.set(add(to, 32));
      i.set(sub(i, 4));
    });
  row.set(bytes(mul(a.width, a.scale)));
  f.for(item, a.begin, a.end, 1, () => {
    from.set(floatAt(a.x, mul(item, a.width)));
    first.set(add(a.y, mul(mul(item, a.scale), row)));
    to.set(first);
    i.set(a.width);
    f.if(i32.eq(a.scale, 2), doubleFours);
    f.while(i, () => {
      value.set(f32.load(from));
      f.for(j, 0, a.scale, 1, () => {
        f.do(f32.store(to, value));
        to.set(add(to, 4));
      });
      from.set(add(from, 4));
      i.set(sub(i, 1));
    });
    f.for(j, 1, a.scale, 1, () => copyFloats(f, add(first, mul(j, row)), first, mul(a.width, a.scale)));
  });
});

/** share = 1 / size². Items: rows of y. */
const avgPool2d = kernel('avgPool2d', { x: i32, y: i32, width: i32, size: i32, share: f32 }, (f, a) => {
  const { item, from, to, i, j, n, source, row } = f.ints('item from to i j n source row');
  const [low, high, sum] = [f.vector('low'), f.vector('high'), f.float('sum')];
  const halveFours = () =>
    f.while(i32.ge(n, 4), () => {
      source.set(add(from, row));
      low.set(v.add(v.load(from), v.load(source)));
      high.set(v.add(v.load(from, 16), v.load(source, 16)));
      low.set(v.add(v.shuffle(low, high, [0, 2, 4, 6]), v.shuffle(low, high, [1, 3, 5, 7])));
      f.do(v.store(to, v.mul(low, f.constant(0.25))));
      from.set(add(from, 32));
      to.set(add(to, 16));
      n.set(sub(n, 4));
    });
  row.set(bytes(mul(a.width, a.size)));
  f.for(item, a.begin, a.end, 1, () => {
    from.set(add(a.x, mul(mul(item, a.size), row)));
    to.set(floatAt(a.y, mul(item, a.width)));
    n.set(a.width);
    f.if(i32.eq(a.size, 2), halveFours);
    f.while(n, () => {
      sum.set(0);
      f.for(i, 0, a.size, 1, () => {
        source.set(add(from, mul(i, row)));
        f.for(j, 0, a.size, 1, () => {
          sum.set(f32.add(sum, f32.load(source)));
          source.set(add(source, 4));
        });
      });
      f.do(f32.store(to, f32.mul(sum, a.share)));
      from.set(floatAt(from, a.size));
      to.set(add(to, 4));
      n.set(sub(n, 1));
    });
  });
});

export const kernels = [upsampleNearest, avgPool2d];

export const routines: Readonly<Record<string, Routine>> = {
  upsampleNearest(cpu, y, x, opts) {
    const { scale } = options<{ scale: number }>(opts);
    const [N, C, H, W] = ref(x).shape as [number, number, number, number];
    const launch = { items: N * C * H, work: N * C * H * W * scale * scale };
    cpu.parallel(upsampleNearest, launch, { x: ref(x).at, y: y.at, width: W, scale });
  },
  avgPool2d(cpu, y, x, opts) {
    const { size } = options<{ size: number }>(opts);
    const [N, C, H, W] = y.shape as [number, number, number, number];
    const launch = { items: N * C * H, work: N * C * H * W * size * size };
    cpu.parallel(avgPool2d, launch, { x: ref(x).at, y: y.at, width: W, size, share: 1 / (size * size) });
  },
};
