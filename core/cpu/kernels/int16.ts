/**
 * Products of factors rounded to 16-bit integers, for `matmulPrecision: 'high'`. Their products are exact, and one
 * instruction multiplies eight, where one of float32 multiplies four.
 *
 *   C[i, j] = step of row i · step of column j · Σ_k A16[i, k] B16[k, j]
 *
 * The sum over a block of 512 k fits an int32: by Cauchy–Schwarz it is at most the product of the norms of its row and
 * its column, BOUND² < 2³¹. Blocks are added in float32. The error comes from rounding: about 1.2 · 10⁻⁵ ‖row‖ ‖column‖
 * per block, 1 to 3 · 10⁻⁴ of a typical value of C. TensorFloat-32, which keeps 11 bits of each factor, has 3 · 10⁻⁴,
 * also where one value is far larger than the rest of its row.
 *
 * A tile of 4 × 8 is 8 accumulators; for each pair of k it reads two vectors of B and 4 splatted pairs of A.
 */
import type { Cpu } from '../routine.ts';
import { add, f32, floatAt, type Int, i32, kernel, mul, sub, v } from './dsl.ts';
import { BLOCK, type Factor, floatsOf, LINES, PAIR_BYTES, pairsOf, panelsOf, round, stepsAt } from './rounding.ts';

/** Rows of a tile. Its columns are the lines of a panel. */
const ROWS = 4;
/** Rows of A that meet one panel of B while they stay in the L2 cache. */
const BLOCK_ROWS = 128;

const params = {
  /** 1: items are panels of A; 0: of B. */
  byRows: i32,
  m: i32,
  n: i32,
  pairs: i32,
  A: i32,
  stepsA: i32,
  B: i32,
  stepsB: i32,
  C: i32,
  ldc: i32,
  /** 0: none. */
  bias: i32,
};

/** C[i, j] = stepsA[i] stepsB[j] Σ A16 B16 + bias[j]. */
const productInt16 = kernel('productInt16', params, (f, a) => {
  const { kc, kb, mc, i, j, iEnd, mcEnd, jBegin, jEnd } = f.ints('kc kb mc i j iEnd mcEnd jBegin jEnd');
  const { pa, pb, count, cp, from, fromStride, to, toStride } = f.ints('pa pb count cp from fromStride to toStride');
  const { rows, columns, r, c } = f.ints('rows columns r c');
  const { pair, stepA } = f.vectors('pair stepA');
  const b = f.vectorArray('b', 2);
  const stepB = f.vectorArray('stepB', 2);
  const sums = Array.from({ length: ROWS }, (_, x) => f.vectorArray(`c${x}`, 2));
  const panel = (base: Int, line: Int) =>
    add(base, mul(i32.shru(line, 3), mul(a.pairs, PAIR_BYTES)), mul(kc, PAIR_BYTES));
  const edge = a.scratch;
  const zeros = add(edge, 4 * ROWS * LINES);

  const multiply = () => {
    for (const sum of sums.flat()) sum.set(v.const(0));
    pa.set(floatAt(panel(a.A, i), i32.and(i, 4))); // the first or second four lines of the panel
    pb.set(panel(a.B, j));
    count.set(kb);
    f.doWhile((leaveIf) => {
      for (const turn of [0, 1]) {
        for (const [y, vector] of b.entries()) vector.set(v.load(pb, PAIR_BYTES * turn + 16 * y));
        for (const [x, row] of sums.entries()) {
          pair.set(v.loadSplat(pa, PAIR_BYTES * turn + 4 * x));
          for (const [y, sum] of row.entries()) sum.set(v.intAdd(sum, v.dotPairs(pair, b[y])));
        }
        if (turn === 0) leaveIf(i32.lt(count, 0)); // never: see sumTile
      }
      for (const p of [pa, pb]) p.set(add(p, 2 * PAIR_BYTES));
      count.set(sub(count, 2));
      return count;
    });
  };
  /** `to` = tile + what is at `from`. */
  const store = () => {
    for (const [y, step] of stepB.entries()) step.set(v.load(floatAt(a.stepsB, j), 16 * y));
    for (const [x, row] of sums.entries()) {
      stepA.set(v.loadSplat(floatAt(a.stepsA, i), 4 * x));
      for (const [y, sum] of row.entries()) {
        const scaled = v.mul(v.fromInt(sum), stepB[y]);
        f.do(v.store(to, f.madd(scaled, stepA, v.load(from, 16 * y)), 16 * y));
      }
      to.set(add(to, toStride));
      from.set(add(from, fromStride));
    }
  };
  /** Points at the addend of the tile: zeros or the bias; in later blocks of the sum, the result so far. */
  const setFrom = () => {
    from.set(i32.select(cp, i32.select(floatAt(a.bias, j), zeros, a.bias), kc));
    fromStride.set(i32.select(a.ldc, 0, kc));
  };
  const storeFull = () => {
    setFrom();
    to.set(cp);
    toStride.set(a.ldc);
    store();
  };
  const storeEdge = () => {
    from.set(zeros);
    fromStride.set(0);
    to.set(edge);
    toStride.set(4 * LINES);
    store();
    setFrom();
    f.for(r, 0, rows, 1, () => {
      f.for(c, 0, columns, 1, () => {
        const cell = (base: Int) => floatAt(base, c);
        const value = f32.load(cell(add(edge, mul(r, 4 * LINES))));
        f.do(f32.store(cell(add(cp, mul(r, a.ldc))), f32.add(value, f32.load(cell(from)))));
      });
      from.set(add(from, fromStride));
    });
  };

  for (const offset of [0, 16]) f.do(v.store(zeros, v.const(0), offset));
  const share = (items: Int, whole: Int) => i32.min(i32.shl(items, 3), whole);
  i.set(i32.select(share(a.begin, a.m), 0, a.byRows));
  iEnd.set(i32.select(share(a.end, a.m), a.m, a.byRows));
  jBegin.set(i32.select(0, share(a.begin, a.n), a.byRows));
  jEnd.set(i32.select(a.n, share(a.end, a.n), a.byRows));
  f.for(mc, i, iEnd, BLOCK_ROWS, () => {
    mcEnd.set(i32.min(iEnd, add(mc, BLOCK_ROWS)));
    f.for(kc, 0, a.pairs, BLOCK / 2, () => {
      kb.set(i32.min(sub(a.pairs, kc), BLOCK / 2));
      f.for(j, jBegin, jEnd, LINES, () => {
        columns.set(i32.min(sub(jEnd, j), LINES));
        f.for(i, mc, mcEnd, ROWS, () => {
          rows.set(i32.min(sub(mcEnd, i), ROWS));
          cp.set(floatAt(add(a.C, mul(i, a.ldc)), j));
          multiply();
          f.if(i32.eq(add(rows, columns), ROWS + LINES), storeFull, storeEdge);
        });
      });
    });
  });
});

export const kernels = [productInt16];

/**
 * C = A B + bias. Does nothing and returns false where float32 is faster. 16 bits save time where
 *
 *   m n depth > 16 m depth + 21 m n + 270,000      multiplications; rounding A, scaling sums back, calls
 *
 * in units of what one multiplication saves. Rounding B does not count, so that the first use of a B that is cached
 * later is computed the same way; at m ≤ 16 rounding B would cost all that is saved.
 *
 * @param tensors  the tensors that B comes from: the rounded B is cached
 */
export function multiplyRounded(
  cpu: Cpu,
  a: Factor,
  b: Factor,
  depth: number,
  c: { at: number; rowStride: number },
  bias: number | null,
  tensors: readonly number[],
): boolean {
  const [m, n] = [a.lines, b.lines];
  if (m <= 16 || m * n * depth <= 16 * m * depth + 21 * m * n + 270_000) return false;
  const key = {
    tensors,
    name: `rounded ${n} ${depth} ${b.depthStride}`,
    floats: floatsOf(b, depth),
    keepFrom: 2,
  } as const;
  const cached = cpu.cached(key, (to) => round(cpu, b, depth, to));
  const temporary = (x: Factor) => {
    const to = cpu.alloc(floatsOf(x, depth));
    round(cpu, x, depth, to);
    return to;
  };
  const [A, B] = [temporary(a), cached ?? temporary(b)];
  const byRows = m >= n;
  cpu.parallel(
    productInt16,
    { items: panelsOf(byRows ? a : b), work: m * n * depth },
    {
      byRows: byRows ? 1 : 0,
      m,
      n,
      pairs: pairsOf(depth),
      A,
      stepsA: stepsAt(a, depth, A),
      B,
      stepsB: stepsAt(b, depth, B),
      C: c.at,
      ldc: c.rowStride,
      bias: bias ?? 0,
    },
  );
  cpu.free(A, floatsOf(a, depth));
  if (cached === undefined) cpu.free(B, floatsOf(b, depth));
  return true;
}
