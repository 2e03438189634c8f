/**
 * Products of rounded operands, for `matmulPrecision: 'high'`: whole numbers of 16 bits, whose products are exact, and of which
 * one instruction multiplies eight where one of float32 takes four.
 *
 *   C[i, j] = step of row i · step of column j · Σ_k A16[i, k] B16[k, j]
 *
 * The sum over a block of 512 k fits an int32, since by Cauchy and Schwarz it does not exceed the product of the norms of its
 * row and its column, BOUND² < 2³¹. Blocks are added in float32. The error is that of rounding: about 1.2 · 10⁻⁵ ‖row‖ ‖column‖ a
 * block, 1 to 3 · 10⁻⁴ of a usual value of C. TensorFloat-32, which keeps 11 bits of each factor, has 3 · 10⁻⁴, and keeps it
 * where one value towers over its row.
 *
 * A tile of 4 × 8 is 8 accumulators; for each pair of k it reads two vectors of B and 4 splatted pairs of A.
 */
import { f32, type I32, i32, v } from '../emitter.ts';
import type { Cpu, KernelBuilder } from '../routine.ts';
import { ints, vectors } from './locals.ts';
import { BLOCK, floatsOf, LINES, type Operand, PAIR_BYTES, pairsOf, panelsOf, round, stepsAt } from './rounding.ts';

const k = i32.const;
const at = i32.add;

const ROWS = 4; // of a tile; its columns are the lines of a panel
const BLOCK_ROWS = 128; // of A that meet one panel of B while they are in the L2 cache

export const routines = {};
export function define(b: KernelBuilder): void {
  defineProduct(b);
}

/**
 * C[i, j] = stepsA[i] stepsB[j] Σ A16 B16, plus the bias of column j unless `bias` is 0. Items: panels of A where `byRows`,
 * else of B.
 */
function defineProduct(b: KernelBuilder): void {
  const params = 'begin end scratch byRows m n pairs A stepsA B stepsB C ldc bias';
  b.def('product_int16', params, (f, a, L) => {
    const { kc, kb, mc, i, j, iEnd, mcEnd, jBegin, jEnd } = ints(L, 'kc kb mc i j iEnd mcEnd jBegin jEnd');
    const { pa, pb, count, cp, from, fromStep, to, toStep } = ints(L, 'pa pb count cp from fromStep to toStep');
    const { rows, columns, r, c } = ints(L, 'rows columns r c');
    const { pair, stepA } = vectors(L, 'pair stepA');
    const row = Object.values(vectors(L, 'b0 b1'));
    const stepB = Object.values(vectors(L, 's0 s1'));
    const sums = [0, 1, 2, 3].map((x) => [0, 1].map((y) => L(`c${x}${y}`)));
    const panel = (base: I32, line: I32) =>
      at(at(base, i32.mul(i32.shru(line, k(3)), i32.mul(a.pairs, k(PAIR_BYTES)))), i32.mul(kc, k(PAIR_BYTES)));
    const edge = a.scratch;
    const zeros = at(edge, k(4 * ROWS * LINES));

    const multiply = () => {
      for (const x of sums.flat()) x.set(v.const(0));
      pa.set(at(panel(a.A, i), i32.shl(i32.and(i, k(4)), k(2)))); // the first or second four lines of the panel
      pb.set(panel(a.B, j));
      count.set(kb);
      f.doWhile((leaveIf) => {
        for (const turn of [0, 1]) {
          for (const [y, x] of row.entries()) x.set(v.load(pb, PAIR_BYTES * turn + 16 * y));
          for (const [x, line] of sums.entries()) {
            pair.set(v.loadSplat(pa, PAIR_BYTES * turn + 4 * x));
            for (const [y, sum] of line.entries()) sum.set(v.intAdd(sum, v.dotPairs(pair, row[y])));
          }
          if (turn === 0) leaveIf(i32.lt(count, k(0))); // never: see emitTile
        }
        for (const p of [pa, pb]) p.set(at(p, k(2 * PAIR_BYTES)));
        count.set(i32.sub(count, k(2)));
        return count;
      });
    };
    /** Tile → `to`, with what is at `from` added. */
    const store = () => {
      for (const [y, s] of stepB.entries()) s.set(v.load(at(a.stepsB, i32.shl(j, k(2))), 16 * y));
      for (const [x, line] of sums.entries()) {
        stepA.set(v.loadSplat(at(a.stepsA, i32.shl(i, k(2))), 4 * x));
        for (const [y, sum] of line.entries())
          f.do(v.store(to, b.madd(v.mul(v.fromInt(sum), stepB[y]), stepA, v.load(from, 16 * y)), 16 * y));
        to.set(at(to, toStep));
        from.set(at(from, fromStep));
      }
    };
    /** Where sums start: later blocks of the sum add to what the first one wrote. */
    const setFrom = () => {
      from.set(i32.select(cp, i32.select(at(a.bias, i32.shl(j, k(2))), zeros, a.bias), kc));
      fromStep.set(i32.select(a.ldc, k(0), kc));
    };
    const storeEdge = () => {
      from.set(zeros);
      fromStep.set(k(0));
      to.set(edge);
      toStep.set(k(4 * LINES));
      store();
      setFrom();
      f.loop(r, rows, 1, () => {
        f.loop(c, columns, 1, () => {
          const cell = (base: I32) => at(base, i32.shl(c, k(2)));
          const value = f32.load(cell(at(edge, i32.mul(r, k(4 * LINES)))));
          f.do(f32.store(cell(at(cp, i32.mul(r, a.ldc))), f32.add(value, f32.load(cell(from)))));
        });
        from.set(at(from, fromStep));
      });
    };

    for (const o of [0, 16]) f.do(v.store(zeros, v.const(0), o));
    const share = (items: I32, whole: I32) => i32.min(i32.shl(items, k(3)), whole);
    i.set(i32.select(share(a.begin, a.m), k(0), a.byRows));
    iEnd.set(i32.select(share(a.end, a.m), a.m, a.byRows));
    jBegin.set(i32.select(k(0), share(a.begin, a.n), a.byRows));
    jEnd.set(i32.select(a.n, share(a.end, a.n), a.byRows));
    f.for(mc, i, iEnd, k(BLOCK_ROWS), () => {
      mcEnd.set(i32.min(iEnd, at(mc, k(BLOCK_ROWS))));
      f.loop(kc, a.pairs, BLOCK / 2, () => {
        kb.set(i32.min(i32.sub(a.pairs, kc), k(BLOCK / 2)));
        f.for(j, jBegin, jEnd, k(LINES), () => {
          columns.set(i32.min(i32.sub(jEnd, j), k(LINES)));
          f.for(i, mc, mcEnd, k(ROWS), () => {
            rows.set(i32.min(i32.sub(mcEnd, i), k(ROWS)));
            cp.set(at(at(a.C, i32.mul(i, a.ldc)), i32.shl(j, k(2))));
            multiply();
            f.if(i32.eq(at(rows, columns), k(ROWS + LINES)), () => {
              setFrom();
              to.set(cp);
              toStep.set(a.ldc);
              store();
            }, storeEdge); // biome-ignore format: two cases
          });
        });
      });
    });
  });
}

/**
 * C = A B + bias, or nothing and false where float32 is faster. 16 bits save time where
 *
 *   m n depth > 16 m depth + 21 m n + 270,000      multiplications; rounding A, scaling sums back, calls
 *
 * in units of what is saved at one multiplication. Rounding B does not count, so that its first use is computed as all later
 * ones; it would eat up all that is saved at m ≤ 16.
 *
 * @param sources  the tensors that B comes from; what is rounded of them is kept while they stay as they are
 */
export function multiplyRounded(
  cpu: Cpu,
  a: Operand,
  b: Operand,
  depth: number,
  c: { at: number; rowStep: number },
  bias: number | null,
  sources: readonly number[],
): boolean {
  const [m, n] = [a.lines, b.lines];
  if (m <= 16 || m * n * depth <= 16 * m * depth + 21 * m * n + 270_000) return false;
  const name = `rounded ${n} ${depth} ${b.depthStep}`;
  const kept = cpu.derived(sources, name, floatsOf(b, depth), (to) => round(cpu, b, depth, to), 2);
  const temporary = (x: Operand) => {
    const to = cpu.alloc(floatsOf(x, depth));
    round(cpu, x, depth, to);
    return to;
  };
  const [A, B] = [temporary(a), kept ?? temporary(b)];
  const byRows = m >= n;
  const args = [
    byRows ? 1 : 0, m, n, pairsOf(depth), A, stepsAt(a, depth, A), B, stepsAt(b, depth, B), c.at, c.rowStep, bias ?? 0,
  ]; // biome-ignore format: one line of arguments
  cpu.parallel('product_int16', panelsOf(byRows ? a : b), m * n * depth, args);
  cpu.free(A, floatsOf(a, depth));
  if (kept === undefined) cpu.free(B, floatsOf(b, depth));
  return true;
}
