/** sum, max and argmax along one range of axes: x is seen as [outer, n, inner], and n is taken together. */
import { numel } from '../../shape.ts';
import { type F32, type Fn, f32, type I32, i32, type V128, v } from '../emitter.ts';
import { type KernelBuilder, type Locals, max4, sum4 } from '../kernel-builder.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { storeFirst } from './copy.ts';
import { floats, ints } from './locals.ts';

/**
 * Longer n is reduced in chunks, and then the chunks' results: rounding errors stay those of one chunk, and threads share
 * one long sum. (A row is summed in 16 lanes, a column in one.) The chunks depend on the shape alone, so results do not depend on the number of threads.
 */
const CHUNK = { rows: 512, columns: 64 };
/** Columns that one item of a column kernel reduces: two cache lines of each row, in as many accumulators. */
const COLUMNS = 32;

type Reduction = 'sum' | 'max' | 'squares';
const plus = { neutral: 0, four: v.add, one: f32.add, across: sum4 };
/** How two results become one (`four`, `one`, `across` lanes), and what a value adds to it where that is something else. */
const REDUCTIONS = {
  sum: { ...plus, takeFour: () => v.add, takeOne: f32.add },
  squares: {
    ...plus,
    takeFour: (k: KernelBuilder) => (s: V128, x: V128) => k.madd(x, x, s),
    takeOne: (s: F32, x: F32) => f32.add(s, f32.mul(x, x)),
  },
  max: { neutral: -Infinity, four: v.max, one: f32.max, across: max4, takeFour: () => v.max, takeOne: f32.max },
} as const;

/** y [outer, inner] = Σ, Σ of squares (where inner is 1) or max of x [outer, n, inner] over n */
function reduce(cpu: Cpu, op: Reduction, y: number, x: number, outer: number, n: number, inner: number): void {
  if (n === 0) [outer, inner] = [outer * inner, 1]; // y = 0 or −∞ everywhere
  const longest = inner === 1 ? CHUNK.rows : CHUNK.columns;
  const chunks = n > 2 * longest ? Math.ceil(n / longest) : 1;
  const chunk = chunks > 1 ? longest : n;
  const to = chunks > 1 ? cpu.alloc(outer * chunks * inner) : y;
  const columns = Math.ceil(inner / COLUMNS);
  const items = outer * chunks * (inner === 1 ? 1 : columns);
  const kernel = `${op}${inner === 1 ? 'Rows' : 'Columns'}`;
  cpu.parallel(kernel, items, outer * n * inner + 8 * items, [x, to, n, chunks, chunk, inner, columns]);
  if (chunks === 1) return;
  reduce(cpu, op === 'squares' ? 'sum' : op, y, to, outer, chunks, inner);
  cpu.free(to, outer * chunks * inner);
}

/** [outer, n, inner] around the axes from..to−1. */
function around({ shape }: CpuRef, from: number, to: number): [number, number, number] {
  return [numel(shape.slice(0, from)), numel(shape.slice(from, to)), numel(shape.slice(to))];
}

export const routines: Readonly<Record<string, Routine>> = {
  sum(cpu, y, x, opts) {
    const { from, to } = options<{ from: number; to: number }>(opts);
    reduce(cpu, 'sum', y.at, ref(x).at, ...around(ref(x), from, to));
  },
  sumOfSquares(cpu, y, ...xs) {
    const parts = cpu.alloc(xs.length);
    for (const [i, x] of xs.entries()) reduce(cpu, 'squares', parts + 4 * i, ref(x).at, 1, numel(ref(x).shape), 1);
    reduce(cpu, 'sum', y.at, parts, 1, xs.length, 1);
    cpu.free(parts, xs.length);
  },
  max(cpu, y, x, opts) {
    const { axis } = options<{ axis: number }>(opts);
    reduce(cpu, 'max', y.at, ref(x).at, ...around(ref(x), axis, axis + 1));
  },
  argmax(cpu, y, x, opts) {
    const { axis } = options<{ axis: number }>(opts);
    const [outer, n, inner] = around(ref(x), axis, axis + 1);
    cpu.parallel('argmax', outer * inner, 4 * outer * n * inner, [ref(x).at, y.at, n, inner]);
  },
};

/** Emits `each` for the vectors of `count` floats at `p`, four at a time while they last, then `rest` for 1..3 floats. */
function eachVector(
  f: Fn,
  L: Locals,
  p: I32,
  count: I32,
  each: (load: (i: number) => V128, vectors: number) => void,
  rest: (value: F32) => void,
): void {
  const { at, left } = ints(L, 'at left');
  const forward = (floats: number) => {
    at.set(i32.add(at, i32.const(4 * floats)));
    left.set(i32.sub(left, i32.const(floats)));
  };
  at.set(p);
  left.set(count);
  for (const vectors of [4, 1]) {
    f.while(i32.ge(left, i32.const(4 * vectors)), () => {
      each((i) => v.load(at, 16 * i), vectors);
      forward(4 * vectors);
    });
  }
  f.while(left, () => {
    rest(f32.load(at));
    forward(1);
  });
}

export function define(k: KernelBuilder): void {
  const params = 'begin end scratch x y n chunks chunk inner columns';
  for (const op of ['sum', 'squares', 'max'] as const) {
    const { neutral, four, one, across, takeFour, takeOne } = REDUCTIONS[op];
    const take = takeFour(k);

    // item = (row, chunk)
    k.def(`${op}Rows`, params, (f, a, L) => {
      const { item, row, from, count } = ints(L, 'item row from count');
      const sums = [L('s0'), L('s1'), L('s2'), L('s3')] as const;
      const x = L('x');
      const { single, value } = floats(L, 'single value');
      f.for(item, a.begin, a.end, i32.const(1), () => {
        row.set(i32.divu(item, a.chunks));
        from.set(i32.mul(i32.sub(item, i32.mul(row, a.chunks)), a.chunk));
        count.set(i32.min(a.chunk, i32.sub(a.n, from)));
        for (const s of sums) s.set(k.c(neutral));
        single.set(f32.const(neutral));
        from.set(i32.add(a.x, i32.shl(i32.add(i32.mul(row, a.n), from), i32.const(2))));
        eachVector(
          f,
          L,
          from,
          count,
          (load, vectors) => {
            for (let i = 0; i < vectors; i++) {
              x.set(load(i));
              sums[i].set(take(sums[i], x));
            }
          },
          (last) => {
            value.set(last);
            single.set(takeOne(single, value));
          },
        );
        sums[0].set(four(four(sums[0], sums[1]), four(sums[2], sums[3])));
        f.do(f32.store(i32.add(a.y, i32.shl(item, i32.const(2))), one(across(sums[0]), single)));
      });
    });
    if (op === 'squares') continue; // whole tensors only

    // item = (row, chunk, group of COLUMNS columns)
    k.def(`${op}Columns`, params, (f, a, L) => {
      const { item, row, chunk, column, from, at, step, count, left, to } = ints(
        L,
        'item row chunk column from at step count left to',
      );
      const sums = Array.from({ length: COLUMNS / 4 }, (_, i) => L(`s${i}`));
      const down = (vectors: number) => {
        for (const s of sums.slice(0, vectors)) s.set(k.c(neutral));
        at.set(from);
        left.set(count);
        f.doWhile(() => {
          for (let i = 0; i < vectors; i++) sums[i].set(four(sums[i], v.load(at, 16 * i)));
          at.set(i32.add(at, step));
          left.set(i32.sub(left, i32.const(1)));
          return left;
        });
      };
      step.set(i32.shl(a.inner, i32.const(2)));
      f.for(item, a.begin, a.end, i32.const(1), () => {
        chunk.set(i32.divu(item, a.columns)); // of all rows
        column.set(i32.mul(i32.sub(item, i32.mul(chunk, a.columns)), i32.const(COLUMNS)));
        to.set(i32.add(a.y, i32.shl(i32.add(i32.mul(chunk, a.inner), column), i32.const(2))));
        row.set(i32.divu(chunk, a.chunks));
        from.set(i32.mul(i32.sub(chunk, i32.mul(row, a.chunks)), a.chunk));
        count.set(i32.min(a.chunk, i32.sub(a.n, from)));
        from.set(i32.mul(i32.add(i32.mul(row, a.n), from), a.inner));
        from.set(i32.add(a.x, i32.shl(i32.add(from, column), i32.const(2))));
        column.set(i32.sub(a.inner, column)); // columns left
        f.if(
          i32.ge(column, i32.const(COLUMNS)),
          () => {
            down(COLUMNS / 4);
            sums.forEach((s, i) => {
              f.do(v.store(to, s, 16 * i));
            });
          },
          () =>
            f.while(i32.gt(column, i32.const(0)), () => {
              down(1);
              f.if(
                i32.ge(column, i32.const(4)),
                () => f.do(v.store(to, sums[0])),
                () => storeFirst(f, to, sums[0], column),
              );
              from.set(i32.add(from, i32.const(16)));
              to.set(i32.add(to, i32.const(16)));
              column.set(i32.sub(column, i32.const(4)));
            }),
        );
      });
    });
  }

  // item = (row, column): the first place that holds the largest value, or the first NaN
  k.def('argmax', 'begin end scratch x y n inner', (f, a, L) => {
    const { item, row, from, at, step, i, best } = ints(L, 'item row from at step i best');
    const [largest, value] = [L('largest', 'f32'), L('value', 'f32')];
    step.set(i32.shl(a.inner, i32.const(2)));
    f.for(item, a.begin, a.end, i32.const(1), () => {
      row.set(i32.divu(item, a.inner));
      from.set(i32.add(i32.mul(i32.mul(row, a.n), a.inner), i32.sub(item, i32.mul(row, a.inner))));
      from.set(i32.add(a.x, i32.shl(from, i32.const(2))));
      at.set(from);
      largest.set(f32.load(from));
      best.set(i32.const(0));
      f.loop(i, a.n, 1, () => {
        value.set(f32.load(at));
        // not (value ≤ largest): larger, or NaN; after a NaN nothing is
        f.if(i32.and(i32.eqz(f32.le(value, largest)), f32.eq(largest, largest)), () => {
          largest.set(value);
          best.set(i);
        });
        at.set(i32.add(at, step));
      });
      f.do(f32.store(i32.add(a.y, i32.shl(item, i32.const(2))), f32.fromInt(best)));
    });
  });
}
