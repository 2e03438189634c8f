/** The kernels of reduce.ts: x is [rows, n, inner], cut into chunks of n. */
import { storeFirst } from './copy.ts';
import {
  add,
  bytes,
  type F32,
  type Fn,
  f32,
  floatAt,
  type I32,
  i32,
  kernel,
  max4,
  mul,
  sub,
  sum4,
  type V128,
  v,
} from './dsl.ts';

/** Columns that one item of a column kernel reduces: two cache lines of each row, in as many accumulators. */
export const COLUMNS = 32;

/** How a reduction combines results, and how it takes in a value x. */
interface Steps {
  readonly neutral: number;
  /** Two results: of four lanes, of one. */
  readonly four: (a: V128, b: V128) => V128;
  readonly one: (a: F32, b: F32) => F32;
  /** The lanes of a result. */
  readonly across: (x: V128) => F32;
  /** A result and the next value. x is a local. */
  readonly takeFour: (f: Fn, result: V128, x: V128) => V128;
  readonly takeOne: (result: F32, x: F32) => F32;
}
const sum: Steps = {
  neutral: 0,
  four: v.add,
  one: f32.add,
  across: sum4,
  takeFour: (_, result, x) => v.add(result, x),
  takeOne: f32.add,
};
const squares: Steps = {
  ...sum,
  takeFour: (f, result, x) => f.madd(x, x, result),
  takeOne: (result, x) => f32.add(result, f32.mul(x, x)),
};
const max: Steps = {
  neutral: -Infinity,
  four: v.max,
  one: f32.max,
  across: max4,
  takeFour: (_, result, x) => v.max(result, x),
  takeOne: f32.max,
};
const STEPS = { sum, squares, max };
export type Reduction = keyof typeof STEPS;

/** `chunks` chunks of `chunk` values per row; `columns` groups of COLUMNS columns. */
const params = { x: i32, y: i32, n: i32, chunks: i32, chunk: i32, inner: i32, columns: i32 };

/** Rows of n values, inner = 1. Items: chunks of all rows. */
const rowsOf = (op: Reduction) =>
  kernel(`${op}Rows`, params, (f, a) => {
    const { neutral, four, one, across, takeFour, takeOne } = STEPS[op];
    const { item, row, from, count } = f.ints('item row from count');
    const sums = f.vectorArray('s', 4);
    const x = f.vector('x');
    const { single, value } = f.floats('single value');
    const takeVectors = (load: (i: number) => V128, vectors: number) => {
      for (let i = 0; i < vectors; i++) {
        x.set(load(i));
        sums[i].set(takeFour(f, sums[i], x));
      }
    };
    const takeFloat = (last: F32) => {
      value.set(last);
      single.set(takeOne(single, value));
    };
    f.for(item, a.begin, a.end, 1, () => {
      row.set(i32.divu(item, a.chunks));
      from.set(mul(sub(item, mul(row, a.chunks)), a.chunk));
      count.set(i32.min(a.chunk, sub(a.n, from)));
      for (const s of sums) s.set(f.constant(neutral));
      single.set(neutral);
      from.set(floatAt(a.x, add(mul(row, a.n), from)));
      eachVector(f, from, count, takeVectors, takeFloat);
      sums[0].set(four(four(sums[0], sums[1]), four(sums[2], sums[3])));
      f.do(f32.store(floatAt(a.y, item), one(across(sums[0]), single)));
    });
  });
export const reduceRows = { sum: rowsOf('sum'), squares: rowsOf('squares'), max: rowsOf('max') };

/**
 * Emits `each` for the vectors of `count` floats at p, four at a time, then one; then `rest` for each of the last
 * floats.
 */
function eachVector(
  f: Fn,
  p: I32,
  count: I32,
  each: (load: (i: number) => V128, vectors: number) => void,
  rest: (value: F32) => void,
): void {
  const { at, left } = f.ints('at left');
  const forward = (floats: number) => {
    at.set(add(at, 4 * floats));
    left.set(sub(left, floats));
  };
  at.set(p);
  left.set(count);
  for (const vectors of [4, 1]) {
    f.while(i32.ge(left, 4 * vectors), () => {
      each((i) => v.load(at, 16 * i), vectors);
      forward(4 * vectors);
    });
  }
  f.while(left, () => {
    rest(f32.load(at));
    forward(1);
  });
}

/** Columns of n values, `inner` of them side by side. Items: groups of COLUMNS columns of each chunk of each row. */
const columnsOf = (op: 'sum' | 'max') =>
  kernel(`${op}Columns`, params, (f, a) => {
    const { neutral, four } = STEPS[op];
    const names = 'item row chunk column from source stride count rows to';
    const { item, row, chunk, column, from, source, stride, count, rows, to } = f.ints(names);
    const sums = f.vectorArray('s', COLUMNS / 4);
    const reduceDown = (vectors: number) => {
      const used = sums.slice(0, vectors);
      for (const s of used) s.set(f.constant(neutral));
      source.set(from);
      rows.set(count);
      f.doWhile(() => {
        for (const [i, s] of used.entries()) s.set(four(s, v.load(source, 16 * i)));
        source.set(add(source, stride));
        rows.set(sub(rows, 1));
        return rows;
      });
    };
    const reduceAll = () => {
      reduceDown(COLUMNS / 4);
      for (const [i, s] of sums.entries()) f.do(v.store(to, s, 16 * i));
    };
    const reduceFour = () => {
      reduceDown(1);
      f.if(
        i32.ge(column, 4),
        () => f.do(v.store(to, sums[0])),
        () => storeFirst(f, to, sums[0], column),
      );
      from.set(add(from, 16));
      to.set(add(to, 16));
      column.set(sub(column, 4));
    };
    stride.set(bytes(a.inner));
    f.for(item, a.begin, a.end, 1, () => {
      chunk.set(i32.divu(item, a.columns)); // of all rows
      column.set(mul(sub(item, mul(chunk, a.columns)), COLUMNS));
      to.set(floatAt(a.y, add(mul(chunk, a.inner), column)));
      row.set(i32.divu(chunk, a.chunks));
      from.set(mul(sub(chunk, mul(row, a.chunks)), a.chunk));
      count.set(i32.min(a.chunk, sub(a.n, from)));
      from.set(mul(add(mul(row, a.n), from), a.inner));
      from.set(floatAt(a.x, add(from, column)));
      column.set(sub(a.inner, column)); // columns left
      f.if(i32.ge(column, COLUMNS), reduceAll, () => f.while(i32.gt(column, 0), reduceFour));
    });
  });
export const reduceColumns = { sum: columnsOf('sum'), max: columnsOf('max') };

/** The index of the first largest value, or of the first NaN. Items: columns of all rows. */
export const argmax = kernel('argmax', { x: i32, y: i32, n: i32, inner: i32 }, (f, a) => {
  const { item, row, from, source, stride, i, best } = f.ints('item row from source stride i best');
  const { largest, value } = f.floats('largest value');
  stride.set(bytes(a.inner));
  f.for(item, a.begin, a.end, 1, () => {
    row.set(i32.divu(item, a.inner));
    from.set(add(mul(mul(row, a.n), a.inner), sub(item, mul(row, a.inner))));
    from.set(floatAt(a.x, from));
    source.set(from);
    largest.set(f32.load(from));
    best.set(0);
    f.for(i, 0, a.n, 1, () => {
      value.set(f32.load(source));
      // not (value ≤ largest): larger, or NaN; after a NaN nothing is larger
      f.if(i32.and(i32.eqz(f32.le(value, largest)), f32.eq(largest, largest)), () => {
        largest.set(value);
        best.set(i);
      });
      source.set(add(source, stride));
    });
    f.do(f32.store(floatAt(a.y, item), f32.fromInt(best)));
  });
});

export const kernels = [
  reduceRows.sum,
  reduceColumns.sum,
  reduceRows.squares,
  reduceRows.max,
  reduceColumns.max,
  argmax,
];
