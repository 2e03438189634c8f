/** The kernels of movement.ts: copies between two strided blocks. Items: the index of all outer axes together. */
import { copyFloats, fillFloats, transposeInPlace } from './copy.ts';
import { add, type Fn, f32, floatAt, i32, kernel, type Local, mul, sub, v } from './dsl.ts';

/** Columns that `copyColumns` reads together: a cache line. */
export const TILE = 16;

/** Six outer axes: lengths (but the first), and bytes from index to index in x and in y. */
// biome-ignore format: one line each
const outerParams = {
  n1: i32, n2: i32, n3: i32, n4: i32, n5: i32,
  from0: i32, from1: i32, from2: i32, from3: i32, from4: i32, from5: i32,
  to0: i32, to1: i32, to2: i32, to3: i32, to4: i32, to5: i32,
};
type Outer = { readonly [N in 'x' | 'y' | 'begin' | 'end' | keyof typeof outerParams]: Local<'i32'> };

/** n values of a row; from, to: bytes between them in x and in y. */
const rowParams = { x: i32, y: i32, n: i32, from: i32, to: i32, ...outerParams };

interface Item {
  readonly src: Local<'i32'>;
  readonly dst: Local<'i32'>;
  /** Items left on the last axis, this one included. */
  readonly left: Local<'i32'>;
}
/** Emits `body` for the items begin … end − 1. */
function eachItem(f: Fn, a: Outer, body: (item: Item) => void): void {
  const { item, left, rest, src, dst, index } = f.ints('item left rest src dst index');
  const startOfAxis = () => {
    src.set(a.x);
    dst.set(a.y);
    rest.set(item);
    for (const k of [5, 4, 3, 2, 1, 0] as const) {
      const n = k === 0 ? undefined : a[`n${k}`];
      index.set(n ? i32.remu(rest, n) : rest);
      if (n) rest.set(i32.divu(rest, n));
      if (k === 5) left.set(sub(a.n5, index));
      src.set(add(src, mul(index, a[`from${k}`])));
      dst.set(add(dst, mul(index, a[`to${k}`])));
    }
  };
  f.for(item, a.begin, a.end, 1, () => {
    f.if(i32.eqz(left), startOfAxis);
    body({ src, dst, left });
    src.set(add(src, a.from5));
    dst.set(add(dst, a.to5));
    left.set(sub(left, 1));
  });
}

/** Contiguous rows. */
export const copyRows = kernel('copyRows', rowParams, (f, a) =>
  eachItem(f, a, ({ src, dst }) => copyFloats(f, dst, src, a.n)),
);

/** One value, repeated along a contiguous row. */
export const copyFill = kernel('copyFill', rowParams, (f, a) =>
  eachItem(f, a, ({ src, dst }) => fillFloats(f, dst, v.loadSplat(src), a.n)),
);

/** Rows with any steps. */
export const copySteps = kernel('copySteps', rowParams, (f, a) => {
  const { src, dst, s, d, i } = f.ints('src dst s d i');
  eachItem(f, a, () => {
    s.set(src);
    d.set(dst);
    f.for(i, 0, a.n, 1, () => {
      f.do(f32.store(d, f32.load(s)));
      s.set(add(s, a.from));
      d.set(add(d, a.to));
    });
  });
});

/**
 * A transpose, TILE columns per item: x has n rows, `from` bytes apart, with neighboring columns; in y the rows are
 * neighbors and the columns `to` bytes apart.
 */
export const copyColumns = kernel(
  'copyColumns',
  { x: i32, y: i32, n: i32, from: i32, columns: i32, to: i32, ...outerParams },
  (f, a) => {
    const { src, dst, left, columns, row, column, s, d, i } = f.ints('src dst left columns row column s d i');
    const x = [f.vector('x0'), f.vector('x1'), f.vector('x2'), f.vector('x3')] as const;
    const t = [f.vector('t0'), f.vector('t1'), f.vector('t2'), f.vector('t3')] as const;
    const copyFourByFour = () => {
      s.set(floatAt(add(src, mul(row, a.from)), column));
      for (const lane of x) {
        lane.set(v.load(s));
        s.set(add(s, a.from));
      }
      transposeInPlace(x, t);
      d.set(floatAt(add(dst, mul(column, a.to)), row));
      for (const lane of x) {
        f.do(v.store(d, lane));
        d.set(add(d, a.to));
      }
    };
    const copyOne = () => f.do(f32.store(add(d, mul(i, a.to)), f32.load(floatAt(s, i))));
    eachItem(f, a, () => {
      columns.set(i32.min(TILE, sub(a.columns, mul(sub(a.n5, left), TILE))));
      f.for(row, 0, sub(a.n, 3), 4, () => f.for(column, 0, sub(columns, 3), 4, copyFourByFour));
      // the rest: columns past a multiple of 4 in all rows, and rows past a multiple of 4
      f.for(row, 0, a.n, 1, () => {
        s.set(add(src, mul(row, a.from)));
        d.set(floatAt(dst, row));
        const hasFour = i32.lt(row, i32.and(a.n, -4));
        f.for(i, i32.select(i32.and(columns, -4), 0, hasFour), columns, 1, copyOne);
      });
    });
  },
);

export const kernels = [copyRows, copyFill, copySteps, copyColumns];
