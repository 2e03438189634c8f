/**
 * Large matrix products in seven eighths of the multiplications (Strassen 1969, "Gaussian elimination is not optimal").
 *
 *   A, B and C are cut into quarters        A = │A₀ A₁│      seven products of sums of quarters, such as
 *   of half the height and width:               │A₂ A₃│      (A₀ + A₃)(B₀ + B₃), give all of C: see PRODUCTS
 *
 * The sums cost no pass of their own: those of B are taken while its panels are packed, those of A for 64 rows at a time,
 * which then stay in the cache, and a finished tile is added to each quarter of C that it belongs to. (The idea of Huang et
 * al. 2016, "Strassen's algorithm reloaded".) Measured: 1.06–1.10 × the rate of the plain product at the shapes of
 * `bench gemm`. A second level would save as much again and give most of it back in sums.
 *
 * Errors grow by half: at 512 × 768 × 512 the largest is 4.9e-7 of C's largest value, 3.6e-7 by the plain product. They are
 * relative to the largest values of A and B and not to each row's and column's own. NaN or infinity in a row of A spoils that
 * row of C and the one half the height away, and columns likewise. Quarters are those of a thread's share, so the last bits
 * depend on the number of threads.
 */
import { f32, type I32, i32, type Local, type V128, v } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { SCRATCH_FLOATS } from '../routine.ts';
import { ADD, COLUMNS, eachTile, emitTile, type Mode, PACKED, RUN_OVER, tileLocals } from './gemm.ts';
import { eachFour, ints, vectors } from './locals.ts';

const k = i32.const;
const at = i32.add;

type Quarter = 0 | 1 | 2 | 3;
/** Quarters and their signs; the first of A and of B is never negative. */
type Terms = readonly (readonly [quarter: Quarter, sign: 1 | -1])[];
interface Product {
  readonly a: Terms;
  readonly b: Terms;
  /** Where the product is added. */
  readonly c: Terms;
}
const PRODUCTS: readonly Product[] = [
  { a: [[0, 1], [3, 1]], b: [[0, 1], [3, 1]], c: [[0, 1], [3, 1]] },
  { a: [[2, 1], [3, 1]], b: [[0, 1]], c: [[2, 1], [3, -1]] },
  { a: [[0, 1]], b: [[1, 1], [3, -1]], c: [[1, 1], [3, 1]] },
  { a: [[3, 1]], b: [[2, 1], [0, -1]], c: [[0, 1], [2, 1]] },
  { a: [[0, 1], [1, 1]], b: [[3, 1]], c: [[0, -1], [1, 1]] },
  { a: [[2, 1], [0, -1]], b: [[0, 1], [1, 1]], c: [[3, 1]] },
  { a: [[1, 1], [3, -1]], b: [[2, 1], [3, 1]], c: [[0, 1]] },
]; // biome-ignore format: a table

const ROWS = 64; // of a quarter of A at a time, at most
const DEPTH = 128; // of a block of the sum
/** Floats of a product's panels: all seven stay in the L2 cache. */
const PANEL = DEPTH * 96;
const PANEL_STEP = PANEL + RUN_OVER;
/** At most so many columns of a quarter at a time. */
const PANEL_COLUMNS = 256;
/** Scratch floats of a large product. */
const STRASSEN_SCRATCH = PRODUCTS.length * PANEL_STEP + 5 * ROWS * DEPTH + PANEL_COLUMNS;
/** n rounded down to a multiple of m. */
const multiple = (n: I32, m: number): I32 => i32.sub(n, i32.remu(n, k(m)));
const roundedUp = (n: I32, m: number): I32 => multiple(at(n, k(m - 1)), m);

/** Quarters of multiples of these are whole tiles. */
export const UNIT = { rows: 8, columns: 2 * COLUMNS };
/** Below these a product has too little to save (`bench gemm`). */
const LEAST = { m: 64, n: 64, depth: 64 };

export const routines = {};
export function define(b: KernelBuilder): void {
  if (STRASSEN_SCRATCH > SCRATCH_FLOATS) throw new RangeError('strassen: expected a scratch that holds all panels');
  defineSums(b);
  definePackQuarters(b);
  for (const mode of ['row', 'col'] as const) {
    defineTiles(b, mode);
    defineStrassen(b, mode);
    defineLarge(b, mode);
  }
}

/**
 * The factors of B of all products as panels, PANEL_STEP floats apart, from quarters at src, src + o1, + o2, + o3; kb nb rs
 * cs as in `pack`; nb fills panels.
 */
function definePackQuarters(b: KernelBuilder): void {
  const row = 4 * COLUMNS; // bytes
  b.def('pack_quarters', 'src o1 o2 o3 kb nb rs cs dst', (f, a, L) => {
    const { j, count, d } = ints(L, 'j count d');
    const { t } = vectors(L, 't');
    const x = Object.values(vectors(L, 'x0 x1 x2 x3'));
    const from = Object.values(ints(L, 'q0 q1 q2 q3'));
    const offset = (q: Quarter) => [k(0), a.o1, a.o2, a.o3][q];
    /** Rows of one panel, or of two neighbors, which fill cache lines. */
    const walk = (panels: number) => {
      for (const [q, p] of from.entries()) p.set(at(at(a.src, offset(q as Quarter)), i32.shl(j, k(2))));
      d.set(at(a.dst, i32.mul(i32.shl(j, k(2)), a.kb)));
      count.set(a.kb);
      f.doWhile(() => {
        for (let panel = 0; panel < panels; panel++) {
          for (let column = 0; column < row; column += 16) {
            for (const [q, p] of from.entries()) x[q].set(v.load(p, row * panel + column));
            PRODUCTS.forEach(({ b: [[first], second] }, p) => {
              t.set(!second ? x[first] : (second[1] > 0 ? v.add : v.sub)(x[first], x[second[0]]));
              f.do(v.store(panel ? at(d, i32.mul(a.kb, k(row))) : d, t, 4 * PANEL_STEP * p + column));
            }); // biome-ignore format: one line for a sum
          }
        }
        for (const p of from) p.set(at(p, a.rs));
        d.set(at(d, k(row)));
        count.set(i32.sub(count, k(1)));
        return count;
      });
    };
    f.if(i32.ne(a.cs, k(4)), () => {
      // stored transposed: quarters are packed where products 1 to 4 come to stand, and summed from there as one panel
      for (const q of [0, 1, 2, 3] as const) {
        const panel = at(a.dst, k(4 * PANEL_STEP * (q + 1)));
        f.do(b.call('pack', at(a.src, offset(q)), a.kb, a.nb, a.rs, a.cs, panel));
      }
      a.src.set(at(a.dst, k(4 * PANEL_STEP)));
      for (const [q, o] of [a.o1, a.o2, a.o3].entries()) o.set(k(4 * PANEL_STEP * (q + 1)));
      a.kb.set(i32.divu(i32.mul(a.kb, a.nb), k(COLUMNS)));
      a.nb.set(k(COLUMNS));
      a.rs.set(k(row));
    });
    f.for(j, k(0), i32.sub(a.nb, k(2 * COLUMNS - 1)), k(2 * COLUMNS), () => walk(2));
    f.if(i32.lt(j, a.nb), () => walk(1));
  });
}

/** The products whose factor of A is a sum of two quarters; their sums stand one after another. */
const SUMS = PRODUCTS.filter(({ a }) => a.length > 1);

/** The sums of quarters of A that products ask for, [rows, n] each, from quarters at src, src + o1, + o2, + o3 with rows ld bytes apart. */
function defineSums(b: KernelBuilder): void {
  b.def('sum_quarters', 'src o1 o2 o3 rows n ld dst', (f, a, L) => {
    const { r, j, size } = ints(L, 'r j size');
    const { t } = vectors(L, 't');
    const x = Object.values(vectors(L, 'x0 x1 x2 x3'));
    const from = Object.values(ints(L, 'q0 q1 q2 q3'));
    const to = SUMS.map((_, i) => L(`to${i}`, 'i32'));
    size.set(i32.shl(i32.mul(a.rows, a.n), k(2)));
    for (const [i, q] of from.entries()) q.set(at(a.src, [k(0), a.o1, a.o2, a.o3][i]));
    for (const [i, q] of to.entries()) q.set(i === 0 ? a.dst : at(to[i - 1], size));
    f.loop(r, a.rows, 1, () => {
      eachFour(
        f,
        L,
        j,
        a.n,
        ({ load, store }) => {
          for (const [i, q] of from.entries()) x[i].set(load(q));
          SUMS.forEach(({ a: [[first], [second, sign]] }, i) => {
            t.set((sign > 0 ? v.add : v.sub)(x[first], x[second]));
            store(to[i], t);
          });
        },
        2,
      );
      for (const q of from) q.set(at(q, a.ld));
      for (const q of to) q.set(at(q, i32.shl(a.n, k(2))));
    });
  });
}

/**
 * C = from + sign · A · panels, and, unless `other` is 0, the same product at C + other with its own sign and start. `from`
 * stands where C does, with rows fromStep bytes apart: C itself, or a row that is the same for all. Whole tiles only.
 */
function defineTiles(b: KernelBuilder, mode: Mode): void {
  const params = 'm nb kb A as panels C ldc sign:f32 from fromStep other otherSign:f32 otherFrom otherStep';
  b.def(`tiles_${mode}`, params, (f, a, L) => {
    const { i, j, c0, c1, from0, from1, panel } = ints(L, 'i j c0 c1 from0 from1 panel');
    const { s0, s1 } = vectors(L, 's0 s1');
    s0.set(v.splat(a.sign));
    s1.set(v.splat(a.otherSign));
    const store = (rows: number, c: Local<'i32'>, from: Local<'i32'>, fromStep: I32, sign: V128) => {
      for (const row of tileLocals(L, mode, rows).sums) {
        for (const [y, x] of row.entries()) f.do(v.store(c, b.madd(x, sign, v.load(from, 16 * y)), 16 * y));
        c.set(at(c, a.ldc));
        from.set(at(from, fromStep));
      }
    };
    panel.set(a.panels);
    f.loop(j, a.nb, COLUMNS, () => {
      const column = (p: I32) => at(p, i32.shl(j, k(2)));
      c0.set(column(a.C));
      from0.set(column(a.from));
      c1.set(at(c0, a.other));
      from1.set(column(a.otherFrom));
      eachTile(b, f, L, i, k(0), a.m, (rows) => {
        const { pa } = tileLocals(L, mode, rows);
        pa[0].set(at(a.A, mode === 'row' ? i32.mul(i, a.as) : i32.shl(i, k(2))));
        for (let x = 1; x < pa.length; x++) pa[x].set(at(pa[x - 1], a.as));
        emitTile(b, f, L, mode, rows, panel, a.kb, a.as);
        store(rows, c0, from0, a.fromStep, s0);
        f.if(a.other, () => store(rows, c1, from1, a.otherStep, s1));
      });
      panel.set(at(panel, i32.mul(a.kb, k(4 * COLUMNS))));
    });
  });
}

/**
 * C[m, n] = A[m, depth] B[depth, n], arguments as in gemm; m and n fill quarters with whole tiles, depth is even. `buffer`
 * has STRASSEN_SCRATCH floats.
 */
function defineStrassen(b: KernelBuilder, mode: Mode): void {
  b.def(`strassen_${mode}`, 'm n depth A as B rs cs C ldc add bias buffer', (f, a, L) => {
    const { kc, kb, nc, nb, mc, mb, step, sums, from, start, columns } = ints(
      L,
      'kc kb nc nb mc mb step sums from start columns',
    );
    const { zeros, fresh, moves } = ints(L, 'zeros fresh moves');
    const { hm, hn, hk } = ints(L, 'hm hn hk');
    for (const [half, whole] of [[hm, a.m], [hn, a.n], [hk, a.depth]] as const) half.set(i32.shru(whole, k(1))); // biome-ignore format: one line
    /** Bytes to a quarter, from the steps down and to the right by a half. */
    const quarters = (name: string, down: I32, right: I32) => {
      const steps = [L(`${name}1`, 'i32'), L(`${name}2`, 'i32'), L(`${name}3`, 'i32')] as const;
      steps[0].set(right);
      steps[1].set(down);
      steps[2].set(at(down, right));
      return (q: Quarter): I32 => (q === 0 ? k(0) : steps[q - 1]);
    };
    const rowA = mode === 'row' ? a.as : k(4);
    const columnA = mode === 'row' ? k(4) : a.as;
    const inA = quarters('a', i32.mul(hm, rowA), i32.mul(hk, columnA));
    const inB = quarters('b', i32.mul(hk, a.rs), i32.mul(hn, a.cs));
    const inC = quarters('c', i32.mul(hm, a.ldc), i32.shl(hn, k(2)));
    /** Bytes from the first quarter of a sum to the second. */
    const apart = (terms: Terms, of: (q: Quarter) => I32) => i32.sub(of(terms[1][0]), of(terms[0][0]));
    const panels = (p: number) => at(a.buffer, k(4 * PANEL_STEP * p));

    sums.set(panels(PRODUCTS.length));
    // what the first product of a quarter is added to, unless to C: the bias, or zeros
    zeros.set(at(sums, k(4 * SUMS.length * ROWS * DEPTH)));
    f.loop(kc, k(PANEL_COLUMNS), 4, () => f.do(v.store(at(zeros, i32.shl(kc, k(2))), v.const(0))));
    moves.set(i32.eq(a.add, k(ADD.columnBias)));
    fresh.set(i32.select(a.bias, zeros, moves));
    f.if(i32.eq(a.add, k(ADD.c)), () => fresh.set(k(0)));
    step.set(i32.divu(at(hk, k(DEPTH - 1)), k(DEPTH))); // blocks of the sum, all about as deep
    step.set(i32.divu(i32.sub(at(hk, step), k(1)), step));
    f.for(kc, k(0), hk, step, () => {
      kb.set(i32.min(step, i32.sub(hk, kc)));
      columns.set(i32.min(i32.divu(k(PANEL), kb), k(PANEL_COLUMNS)));
      columns.set(multiple(columns, COLUMNS));
      columns.set(i32.divu(at(hn, i32.sub(columns, k(1))), columns)); // blocks of columns, all about as wide
      columns.set(roundedUp(i32.divu(at(hn, i32.sub(columns, k(1))), columns), COLUMNS));
      f.for(nc, k(0), hn, nb, () => {
        nb.set(i32.min(columns, i32.sub(hn, nc)));
        from.set(at(at(a.B, i32.mul(kc, a.rs)), i32.mul(nc, a.cs)));
        f.do(b.call('pack_quarters', from, inB(1), inB(2), inB(3), kb, nb, a.rs, a.cs, a.buffer));
        f.for(mc, k(0), hm, k(ROWS), () => {
          mb.set(i32.min(k(ROWS), i32.sub(hm, mc)));
          const [rows, n] = mode === 'row' ? [mb, kb] : [kb, mb];
          from.set(at(at(a.A, i32.mul(mc, rowA)), i32.mul(kc, columnA)));
          f.do(b.call('sum_quarters', from, inA(1), inA(2), inA(3), rows, n, a.as, sums));
          start.set(at(at(a.C, i32.mul(mc, a.ldc)), i32.shl(nc, k(2))));
          PRODUCTS.forEach((product, p) => {
            const { a: terms, c: to } = product;
            const sum = SUMS.indexOf(product);
            const A =
              sum < 0
                ? [at(from, inA(terms[0][0])), a.as]
                : [at(sums, i32.mul(k(sum), i32.shl(i32.mul(rows, n), k(2)))), i32.shl(n, k(2))];
            const target = ([q, sign]: Terms[number]) => {
              const C = at(start, inC(q));
              const column = i32.shl(at(nc, q & 1 ? hn : k(0)), k(2));
              const first = PRODUCTS.findIndex(({ c }) => c.some(([other]) => other === q)) === p;
              const plain = [f32.const(sign), C, a.ldc];
              return first
                ? [
                    f32.const(sign),
                    i32.select(at(fresh, i32.mul(column, moves)), C, fresh),
                    i32.select(k(0), a.ldc, fresh),
                  ]
                : plain;
            };
            const other = to[1] ? [apart(to, inC), ...target(to[1])] : [k(0), f32.const(0), k(0), k(0)];
            f.do(
              b.call(
                `tiles_${mode}`,
                mb,
                nb,
                kb,
                ...A,
                panels(p),
                at(start, inC(to[0][0])),
                a.ldc,
                ...target(to[0]),
                ...other,
              ),
            );
          });
        });
      });
      fresh.set(k(0));
    });
  });
}

/** gemm, by way of strassen where that is faster; what is left at the lower and right border and of the sum is added. */
function defineLarge(b: KernelBuilder, mode: Mode): void {
  b.def(`large_${mode}`, 'm n depth A as B rs cs C ldc add bias buffer', (f, a, L) => {
    const { m, n, depth } = ints(L, 'm n depth');
    const few = i32.or(i32.lt(a.m, k(LEAST.m)), i32.or(i32.lt(a.n, k(LEAST.n)), i32.lt(a.depth, k(LEAST.depth))));
    const small = i32.or(few, i32.eq(a.cs, k(PACKED)));
    const [gemm, strassen] = [`gemm_${mode}`, `strassen_${mode}`];
    const product = (kernel: string, m: I32, n: I32, depth: I32, A: I32, B: I32, C: I32, add: I32, bias: I32) =>
      f.do(b.call(kernel, m, n, depth, A, a.as, B, a.rs, a.cs, C, a.ldc, add, bias, a.buffer));
    f.if(
      small,
      () => product(gemm, a.m, a.n, a.depth, a.A, a.B, a.C, a.add, a.bias),
      () => {
        m.set(multiple(a.m, UNIT.rows));
        n.set(multiple(a.n, UNIT.columns));
        depth.set(i32.and(a.depth, k(-2)));
        const A = (row: I32, column: I32) =>
          at(a.A, mode === 'row' ? at(i32.mul(row, a.as), i32.shl(column, k(2))) : at(i32.mul(column, a.as), i32.shl(row, k(2))));
        const C = (row: I32, column: I32) => at(a.C, at(i32.mul(row, a.ldc), i32.shl(column, k(2))));
        product(strassen, m, n, depth, a.A, a.B, a.C, a.add, a.bias);
        f.if(i32.ne(depth, a.depth), () =>
          product(gemm, m, n, k(1), A(k(0), depth), at(a.B, i32.mul(depth, a.rs)), a.C, k(ADD.c), k(0)));
        const bias = i32.select(at(a.bias, i32.shl(n, k(2))), k(0), a.bias);
        f.if(i32.ne(n, a.n), () =>
          product(gemm, m, i32.sub(a.n, n), a.depth, a.A, at(a.B, i32.mul(n, a.cs)), C(k(0), n), a.add, bias));
        f.if(i32.ne(m, a.m), () =>
          product(gemm, i32.sub(a.m, m), a.n, a.depth, A(m, k(0)), a.B, C(m, k(0)), a.add, a.bias));
      }, // biome-ignore format: a line for each part
    );
  });
}
