/** The sums of quarters that Strassen's products multiply; see strassen.ts. */
import { add, bytes, floatAt, i32, mul, sub, v, wasmFunction } from './dsl.ts';
import { OVERRUN, pack } from './gemm.ts';
import { eachFourUnrolled } from './rows.ts';
import { COLUMNS } from './tile.ts';

/** Upper left, upper right, lower left, lower right. */
export type Quarter = 0 | 1 | 2 | 3;
export const QUARTERS = [0, 1, 2, 3] as const;
export type Term = readonly [quarter: Quarter, sign: 1 | -1];
export interface Product {
  /** The factors: one quarter, or two added. The first is never negative. */
  readonly a: readonly Term[];
  readonly b: readonly Term[];
  /** The quarters of C that the product is added to. */
  readonly c: readonly Term[];
}
// biome-ignore format: a table
export const PRODUCTS: readonly Product[] = [
  { a: [[0, 1], [3, 1]], b: [[0, 1], [3, 1]], c: [[0, 1], [3, 1]] },
  { a: [[2, 1], [3, 1]], b: [[0, 1]], c: [[2, 1], [3, -1]] },
  { a: [[0, 1]], b: [[1, 1], [3, -1]], c: [[1, 1], [3, 1]] },
  { a: [[3, 1]], b: [[2, 1], [0, -1]], c: [[0, 1], [2, 1]] },
  { a: [[0, 1], [1, 1]], b: [[3, 1]], c: [[0, -1], [1, 1]] },
  { a: [[2, 1], [0, -1]], b: [[0, 1], [1, 1]], c: [[3, 1]] },
  { a: [[1, 1], [3, -1]], b: [[2, 1], [3, 1]], c: [[0, 1]] },
];
/** The products whose factor of A is a sum. */
export const SUMS = PRODUCTS.filter(({ a }) => a.length > 1);

/** Depth of a block: values of k. */
export const DEPTH = 128;
/** Floats of a product's panels. All seven stay in the L2 cache. */
export const PANEL = DEPTH * 96;
/** Floats from one product's panels to the next's. */
export const PANEL_STRIDE = PANEL + OVERRUN;

/** A matrix in quarters: at src, src + o1, src + o2, src + o3. */
const quarterParams = { src: i32, o1: i32, o2: i32, o3: i32 };

/** The sums of quarters of A that SUMS multiply, [rows, n] each, one after another. lda: bytes between rows of A. */
export const sumQuarters = wasmFunction(
  'sumQuarters',
  { ...quarterParams, rows: i32, n: i32, lda: i32, dst: i32 },
  (f, a) => {
    const { r, j, size } = f.ints('r j size');
    const { t } = f.vectors('t');
    const x = f.vectorArray('x', 4);
    const from = f.intArray('from', 4);
    const to = f.intArray('to', SUMS.length);
    size.set(bytes(mul(a.rows, a.n)));
    for (const q of QUARTERS) from[q].set(add(a.src, [0, a.o1, a.o2, a.o3][q]));
    for (const [i, p] of to.entries()) p.set(i === 0 ? a.dst : add(to[i - 1], size));
    f.for(r, 0, a.rows, 1, () => {
      eachFourUnrolled(f, 2, j, a.n, ({ load, store }) => {
        for (const q of QUARTERS) x[q].set(load(from[q]));
        SUMS.forEach(({ a: [[first], [second, sign]] }, i) => {
          t.set((sign > 0 ? v.add : v.sub)(x[first], x[second]));
          store(to[i], t);
        });
      });
      for (const p of from) p.set(add(p, a.lda));
      for (const p of to) p.set(floatAt(p, a.n));
    });
  },
);

/**
 * The factors of B of all products as panels, PANEL_STRIDE floats apart. kb, nb, rs, cs as in `pack`; nb is a multiple
 * of a panel's columns.
 */
export const packQuarters = wasmFunction(
  'packQuarters',
  { ...quarterParams, kb: i32, nb: i32, rs: i32, cs: i32, dst: i32 },
  (f, a) => {
    const { j, count, d } = f.ints('j count d');
    const { t } = f.vectors('t');
    const x = f.vectorArray('x', 4);
    const from = f.intArray('from', 4);
    const row = 4 * COLUMNS; // bytes of a panel's row
    const offset = (q: Quarter) => [0, a.o1, a.o2, a.o3][q];
    /** One panel, or two neighbors, whose rows fill cache lines. */
    const packPanels = (panels: 1 | 2) => {
      for (const q of QUARTERS) from[q].set(floatAt(add(a.src, offset(q)), j));
      d.set(add(a.dst, mul(bytes(j), a.kb)));
      count.set(a.kb);
      f.doWhile(() => {
        for (let panel = 0; panel < panels; panel++) {
          const to = panel === 0 ? d : add(d, mul(a.kb, row));
          for (let column = 0; column < row; column += 16) {
            for (const q of QUARTERS) x[q].set(v.load(from[q], row * panel + column));
            PRODUCTS.forEach(({ b: [[first], second] }, p) => {
              t.set(!second ? x[first] : (second[1] > 0 ? v.add : v.sub)(x[first], x[second[0]]));
              f.do(v.store(to, t, 4 * PANEL_STRIDE * p + column));
            });
          }
        }
        for (const p of from) p.set(add(p, a.rs));
        d.set(add(d, row));
        count.set(sub(count, 1));
        return count;
      });
    };
    f.if(i32.ne(a.cs, 4), () => {
      // B is stored transposed: quarters are packed where the panels of products 1 to 4 go, then summed from there in
      // place, all of a quarter's panels as one
      for (const q of QUARTERS) {
        const dst = add(a.dst, 4 * PANEL_STRIDE * (q + 1));
        f.call(pack, { src: add(a.src, offset(q)), kb: a.kb, nb: a.nb, rs: a.rs, cs: a.cs, dst });
      }
      a.src.set(add(a.dst, 4 * PANEL_STRIDE));
      for (const [i, o] of [a.o1, a.o2, a.o3].entries()) o.set(4 * PANEL_STRIDE * (i + 1));
      a.kb.set(i32.divu(mul(a.kb, a.nb), COLUMNS));
      a.nb.set(COLUMNS);
      a.rs.set(row);
    });
    f.for(j, 0, sub(a.nb, 2 * COLUMNS - 1), 2 * COLUMNS, () => packPanels(2));
    f.if(i32.lt(j, a.nb), () => packPanels(1));
  },
);
