/**
 * Large matrix products in seven eighths of the multiplications (Strassen 1969, "Gaussian elimination is not optimal").
 *
 *   A, B and C are cut into quarters        A = │A₀ A₁│      seven products of sums of quarters, such as
 *   of half the height and width:               │A₂ A₃│      (A₀ + A₃)(B₀ + B₃), give all of C: see PRODUCTS
 *
 * The sums need no pass of their own. Those of B are computed while its panels are packed, those of A for 64 rows at a
 * time, which then stay in the cache, and a finished tile is added to each quarter of C that it belongs to. (The idea
 * of Huang et al. 2016, "Strassen's algorithm reloaded".) Measured: 1.06–1.10 × the rate of the plain product at the
 * shapes of `bench gemm`. A second level would save as much again and lose most of it in sums.
 *
 * Errors grow by half: at 512 × 768 × 512 the largest is 4.9e-7 of C's largest value, 3.6e-7 with the plain product.
 * They are relative to the largest values of A and B, not to those of each row and column. NaN or infinity in a row of
 * A spoils that row of C and the one half the height away, and columns likewise. Each thread quarters its own share, so
 * the last bits depend on the number of threads.
 */
import {
  add,
  bytes,
  f32,
  floatAt,
  type I32,
  type Int,
  i32,
  type Local,
  mul,
  sub,
  type V128,
  v,
  wasmFunction,
} from './dsl.ts';
import { ADDEND, type ProductFunction, productParams } from './gemm.ts';
import {
  DEPTH,
  PANEL,
  PANEL_STRIDE,
  PRODUCTS,
  packQuarters,
  QUARTERS,
  type Quarter,
  SUMS,
  sumQuarters,
  type Term,
} from './quarters.ts';
import { COLUMNS, eachTile, type Mode, sumTile, tileOf } from './tile.ts';

/** m and n that are multiples of these have quarters of full tiles. */
export const UNIT = { rows: 8, columns: 2 * COLUMNS };
/** Most rows of a quarter of A at a time. */
const ROWS = 64;
/** Most columns of a quarter at a time. */
const PANEL_COLUMNS = 256;
/** Scratch floats: the panels of all products, the sums of quarters of A, a row of zeros. */
export const strassenScratch = PRODUCTS.length * PANEL_STRIDE + SUMS.length * ROWS * DEPTH + PANEL_COLUMNS;
/** Of each quarter of C, the product that is added to it first. */
const FIRST = QUARTERS.map((q) => PRODUCTS.findIndex(({ c }) => c.some(([quarter]) => quarter === q)));

/** n rounded down, or up, to a multiple of m. */
export const roundedDown = (n: I32, m: number): I32 => sub(n, i32.remu(n, m));
const roundedUp = (n: I32, m: number): I32 => roundedDown(add(n, m - 1), m);

const tilesParams = {
  m: i32,
  nb: i32,
  kb: i32,
  A: i32,
  lda: i32,
  panels: i32,
  C: i32,
  ldc: i32,
  sign: f32,
  /** What is added: C itself, or one row for all rows (fromStride = 0). */
  from: i32,
  fromStride: i32,
  /** Bytes from C to a second result, or 0 for none. */
  other: i32,
  otherSign: f32,
  otherFrom: i32,
  otherStride: i32,
};

/** C = from + sign · A · panels, and the same product at C + other with its own sign and addend. Full tiles only. */
const tilesOf = (mode: Mode) =>
  wasmFunction(`tiles.${mode}`, tilesParams, (f, a) => {
    const { i, j, c0, c1, from0, from1, panel } = f.ints('i j c0 c1 from0 from1 panel');
    const { s0, s1 } = f.vectors('s0 s1');
    s0.set(v.splat(a.sign));
    s1.set(v.splat(a.otherSign));
    const store = (rows: number, c: Local<'i32'>, from: Local<'i32'>, fromStride: Int, sign: V128) => {
      for (const row of tileOf(f, mode, rows).sums) {
        for (const [y, x] of row.entries()) f.do(v.store(c, f.madd(x, sign, v.load(from, 16 * y)), 16 * y));
        c.set(add(c, a.ldc));
        from.set(add(from, fromStride));
      }
    };
    panel.set(a.panels);
    f.for(j, 0, a.nb, COLUMNS, () => {
      const column = (p: Int) => floatAt(p, j);
      c0.set(column(a.C));
      from0.set(column(a.from));
      c1.set(add(c0, a.other));
      from1.set(column(a.otherFrom));
      eachTile(f, i, 0, a.m, (rows) => {
        const tile = tileOf(f, mode, rows);
        const [first, ...rest] = tile.a;
        first.set(add(a.A, mode === 'row' ? mul(i, a.lda) : bytes(i)));
        for (const [x, p] of rest.entries()) p.set(add(tile.a[x], a.lda));
        sumTile(f, tile, mode, panel, a.kb, a.lda);
        store(rows, c0, from0, a.fromStride, s0);
        f.if(a.other, () => store(rows, c1, from1, a.otherStride, s1));
      });
      panel.set(add(panel, mul(a.kb, 4 * COLUMNS)));
    });
  });
const tiles = { row: tilesOf('row'), col: tilesOf('col') };

/** m and n are multiples of UNIT, depth is even. `buffer` has strassenScratch floats. */
const strassenOf = (mode: Mode): ProductFunction =>
  wasmFunction(`strassen.${mode}`, productParams, (f, a) => {
    const names = 'kc kb nc nb mc mb step sums from start columns';
    const { kc, kb, nc, nb, mc, mb, step, sums, from, start, columns } = f.ints(names);
    const { zeros, fresh, moves } = f.ints('zeros fresh moves');
    const { halfM, halfN, halfDepth } = f.ints('halfM halfN halfDepth');
    halfM.set(i32.shru(a.m, 1));
    halfN.set(i32.shru(a.n, 1));
    halfDepth.set(i32.shru(a.depth, 1));
    /** Bytes to a quarter, from the bytes to the lower and to the right half. */
    const quarters = (name: string, down: Int, right: Int) => {
      const [o1, o2, o3] = [f.int(`${name}1`), f.int(`${name}2`), f.int(`${name}3`)];
      o1.set(right);
      o2.set(down);
      o3.set(add(down, right));
      return { offsets: { o1, o2, o3 }, of: (q: Quarter): Int => [0, o1, o2, o3][q] };
    };
    const rowA = mode === 'row' ? a.lda : 4;
    const columnA = mode === 'row' ? 4 : a.lda;
    const quartersA = quarters('a', mul(halfM, rowA), mul(halfDepth, columnA));
    const quartersB = quarters('b', mul(halfDepth, a.rs), mul(halfN, a.cs));
    const quartersC = quarters('c', mul(halfM, a.ldc), bytes(halfN));
    const panels = (p: number) => add(a.buffer, 4 * PANEL_STRIDE * p);
    /** What a product's tiles are added to in a quarter of C. */
    const addendOf = (p: number, [q]: Term) => {
      const C = add(start, quartersC.of(q));
      if (p !== FIRST[q]) return { from: C, stride: a.ldc };
      const column = bytes(add(nc, q & 1 ? halfN : 0));
      return {
        from: i32.select(add(fresh, mul(column, moves)), C, fresh),
        stride: i32.select(0, a.ldc, fresh),
      };
    };

    sums.set(panels(PRODUCTS.length));
    zeros.set(add(sums, 4 * SUMS.length * ROWS * DEPTH));
    f.for(kc, 0, PANEL_COLUMNS, 4, () => f.do(v.store(floatAt(zeros, kc), v.const(0))));
    // the first product of a quarter is added to `fresh`: the bias, which moves with the column, or zeros; to C where
    // it is 0
    moves.set(i32.eq(a.addend, ADDEND.columnBias));
    fresh.set(i32.select(a.bias, zeros, moves));
    f.if(i32.eq(a.addend, ADDEND.c), () => fresh.set(0));
    // blocks of about equal depth
    step.set(i32.divu(add(halfDepth, DEPTH - 1), DEPTH));
    step.set(i32.divu(sub(add(halfDepth, step), 1), step));
    f.for(kc, 0, halfDepth, step, () => {
      kb.set(i32.min(step, sub(halfDepth, kc)));
      // blocks of columns of about equal width
      columns.set(i32.min(i32.divu(PANEL, kb), PANEL_COLUMNS));
      columns.set(roundedDown(columns, COLUMNS));
      columns.set(i32.divu(add(halfN, sub(columns, 1)), columns));
      columns.set(roundedUp(i32.divu(add(halfN, sub(columns, 1)), columns), COLUMNS));
      f.for(nc, 0, halfN, nb, () => {
        nb.set(i32.min(columns, sub(halfN, nc)));
        from.set(add(a.B, mul(kc, a.rs), mul(nc, a.cs)));
        f.call(packQuarters, { src: from, ...quartersB.offsets, kb, nb, rs: a.rs, cs: a.cs, dst: a.buffer });
        f.for(mc, 0, halfM, ROWS, () => {
          mb.set(i32.min(ROWS, sub(halfM, mc)));
          const [rows, n] = mode === 'row' ? [mb, kb] : [kb, mb];
          from.set(add(a.A, mul(mc, rowA), mul(kc, columnA)));
          f.call(sumQuarters, { src: from, ...quartersA.offsets, rows, n, lda: a.lda, dst: sums });
          start.set(floatAt(add(a.C, mul(mc, a.ldc)), nc));
          PRODUCTS.forEach((product, p) => {
            const [one, other] = product.c;
            const addend = addendOf(p, one);
            const otherAddend = other && addendOf(p, other);
            const sum = SUMS.indexOf(product);
            f.call(tiles[mode], {
              m: mb,
              nb,
              kb,
              A: sum < 0 ? add(from, quartersA.of(product.a[0][0])) : add(sums, mul(sum, bytes(mul(rows, n)))),
              lda: sum < 0 ? a.lda : bytes(n),
              panels: panels(p),
              C: add(start, quartersC.of(one[0])),
              ldc: a.ldc,
              sign: one[1],
              from: addend.from,
              fromStride: addend.stride,
              other: other ? sub(quartersC.of(other[0]), quartersC.of(one[0])) : 0,
              otherSign: other?.[1] ?? 0,
              otherFrom: otherAddend?.from ?? 0,
              otherStride: otherAddend?.stride ?? 0,
            });
          });
        });
      });
      fresh.set(0);
    });
  });

export const strassen = { row: strassenOf('row'), col: strassenOf('col') };
