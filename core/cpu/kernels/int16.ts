/**
 * Products of rounded operands, for `matmulPrecision: 'high'`: rows of A and columns of B become whole numbers of 16 bits,
 * whose products are exact, and one instruction multiplies eight of them where one of float32 takes four.
 *
 *   a = ‖row of A‖ / BOUND      b = ‖column of B‖ / BOUND      C = a b Σ_k round(A / a) round(B / b)
 *
 * Sums are taken over blocks of 512 k and then added in float32; the norm is the largest of a block. By Cauchy and Schwarz no
 * sum of a block exceeds the product of its norms, BOUND² < 2³¹. So it fits an int32, and the error is that of rounding: about
 * 1.2 · 10⁻⁵ ‖row‖ ‖column‖ for each block, 1 to 3 · 10⁻⁴ of a usual value of C. TensorFloat-32, which keeps 11 bits of each
 * factor, has 3 · 10⁻⁴. A value that is not finite spoils its whole row or column; squares are float32, so that values beyond
 * 10¹⁹ count as infinite and those below 10⁻²³ as 0.
 *
 * Both operands are laid out alike, in panels of 8 lines with pairs of k side by side: [lines / 8][depth / 2][8][2]. A tile of
 * 4 × 8 is 8 accumulators; for each pair it reads two vectors of B and 4 splatted pairs of A.
 */
import { type Fn, f32, type I32, i32, type V128, v } from '../emitter.ts';
import type { Cpu, KernelBuilder } from '../routine.ts';
import { transpose4 } from './gemm.ts';
import { eachFour, floats, ints, rowSum, type Step, TURNS, vectors } from './locals.ts';

const k = i32.const;
const at = i32.add;

/** Norm of a line of whole numbers. Rounding adds less than √depth / 2, and no value exceeds the norm. */
const BOUND = 32700;
/** Added to a float32 of up to 16 bits, it leaves the nearest whole number in the low bits. */
const ROUND = 1.5 * 2 ** 23;
const LINES = 8; // of a panel, and columns of a tile
const ROWS = 4; // of a tile
const PAIR_BYTES = 4 * LINES; // of a pair of k in a panel
const BLOCK = 512; // of the sum
const BLOCK_ROWS = 128; // of A that meet one panel of B while they are in the L2 cache // of A that meet one panel of B while they are in the L2 cache

export const routines = {};
export function define(b: KernelBuilder): void {
  defineRoundRows(b);
  defineRoundColumns(b);
  defineProduct(b);
}

/** Steps of four lines, stored, and what their values are multiplied with; a line of zeros has the step 0 and stays 0. */
function scaleOf(f: Fn, norm: V128, step: I32): V128 {
  f.do(v.store(step, v.mul(norm, v.const(1 / BOUND))));
  return v.and(v.div(v.const(BOUND), norm), v.ne(norm, v.const(0)));
}

/** The whole numbers nearest to x · scale, as int32. */
const rounded = (b: KernelBuilder, x: V128, scale: V128): V128 => v.intSub(b.madd(x, scale, b.c(ROUND)), b.c(ROUND));

/** Lines whose k are neighbours and whose starts are `step` bytes apart. Items: panels. */
function defineRoundRows(b: KernelBuilder): void {
  b.def('round_rows', 'begin end scratch src lines depth step pairs dst steps', (f, a, L) => {
    const { panel, line, d, j, kk, rest, q } = ints(L, 'panel line d j kk rest q');
    const { largest } = floats(L, 'largest');
    const { norm, scale, x } = vectors(L, 'norm scale x');
    const from = Object.values(ints(L, 'q0 q1 q2 q3'));
    const scales = Object.values(vectors(L, 'scale0 scale1 scale2 scale3'));
    const squares = rowSum(b, L, 'squares');
    /** Eight k of four lines → four pairs of four lines. */
    const group = (second: I32, live: (x: V128, first: number) => V128) => {
      const lines = from.map((p, i) => {
        const half = (x: V128, first: number) => rounded(b, live(x, first), scales[i]!);
        return v.narrow(half(v.load(p), 0), half(v.load(at(p, second)), 4));
      });
      transpose4(f, L, lines, d, PAIR_BYTES);
      for (const p of from) p.set(at(p, k(32)));
      d.set(at(d, k(4 * PAIR_BYTES)));
    };
    f.for(panel, a.begin, a.end, k(1), () => {
      f.for(line, i32.shl(panel, k(3)), i32.shl(at(panel, k(1)), k(3)), k(4), () => {
        from.forEach((p, i) => {
          p.set(at(a.src, i32.mul(i32.min(at(line, k(i)), i32.sub(a.lines, k(1))), a.step)));
          largest.set(f32.const(0));
          f.loop(kk, a.depth, BLOCK, () => {
            squares.clear();
            q.set(at(p, i32.shl(kk, k(2))));
            const add = ({ turn, load, live }: Step) => {
              x.set(live(load(q), v.const(0)));
              squares.addProduct(turn, x, x);
            };
            eachFour(f, L, j, i32.min(k(BLOCK), i32.sub(a.depth, kk)), add, TURNS);
            largest.set(f32.max(largest, squares.total()));
          });
          norm.set(i ? v.setLane(norm, i, largest) : v.splat(largest));
        });
        norm.set(v.sqrt(norm));
        scale.set(scaleOf(f, norm, at(a.steps, i32.shl(line, k(2)))));
        for (const [i, s] of scales.entries()) s.set(v.splat(v.lane(scale, i)));
        d.set(at(at(a.dst, i32.mul(panel, i32.mul(a.pairs, k(PAIR_BYTES)))), i32.shl(i32.and(line, k(4)), k(2))));
        f.for(kk, k(0), i32.sub(a.depth, k(7)), k(8), () => group(k(16), (x) => x));
        rest.set(i32.sub(a.depth, kk));
        f.if(i32.gt(rest, k(0)), () => {
          const lanes = (first: number) => v.lanes([0, 1, 2, 3].map((i) => first + i));
          group(i32.select(k(16), k(0), i32.gt(rest, k(4))), (x, first) =>
            v.and(x, v.lt(lanes(first), v.splat(f32.fromInt(rest)))));
        }); // biome-ignore format: the last group
      });
    });
  });
}

/** Lines that are neighbours, with their k `step` bytes apart. Items: panels. */
function defineRoundColumns(b: KernelBuilder): void {
  b.def('round_columns', 'begin end scratch src lines depth step pairs dst steps', (f, a, L) => {
    const { panel, first, second, start, p, d, kk, end, panelBytes } = ints(
      L,
      'panel first second start p d kk end panelBytes',
    );
    const { x } = vectors(L, 'x');
    const norms = Object.values(vectors(L, 'n0 n1 n2 n3'));
    const squares = Object.values(vectors(L, 'q0 q1 q2 q3'));
    const scales = Object.values(vectors(L, 's0 s1 s2 s3'));
    panelBytes.set(i32.mul(a.pairs, k(PAIR_BYTES)));
    /** One panel, or two neighbours, which fill cache lines. */
    const walk = (panels: 1 | 2) => {
      const vectorsOf = <T>(list: readonly T[]) => list.slice(0, 2 * panels);
      // a single panel may have fewer than eight lines
      const line = (p: I32, i: number) => (panels === 1 && i === 1 ? v.load(at(p, second)) : v.load(p, 16 * i));
      start.set(at(a.src, i32.shl(first, k(2))));
      p.set(start);
      for (const n of vectorsOf(norms)) n.set(v.const(0));
      kk.set(k(0));
      f.while(i32.lt(kk, a.depth), () => {
        for (const s of vectorsOf(squares)) s.set(v.const(0));
        end.set(i32.min(a.depth, at(kk, k(BLOCK))));
        f.for(kk, kk, end, k(1), () => {
          for (const [i, s] of vectorsOf(squares).entries()) {
            x.set(line(p, i));
            s.set(b.madd(x, x, s));
          }
          p.set(at(p, a.step));
        });
        for (const [i, n] of vectorsOf(norms).entries()) n.set(v.max(n, squares[i]!));
      });
      for (const [i, n] of vectorsOf(norms).entries()) {
        n.set(v.sqrt(n));
        scales[i]!.set(scaleOf(f, n, at(a.steps, at(i32.shl(first, k(2)), k(16 * i)))));
      }
      p.set(start);
      d.set(at(a.dst, i32.mul(panel, panelBytes)));
      const pair = (odd: boolean) => {
        for (const [i, scale] of vectorsOf(scales).entries()) {
          x.set(v.and(rounded(b, line(p, i), scale), v.intConst(0xffff)));
          if (odd) x.set(v.or(x, v.intShl(rounded(b, line(at(p, a.step), i), scale), 16)));
          f.do(v.store(i < 2 ? d : at(d, panelBytes), x, 16 * (i & 1)));
        }
        p.set(at(p, i32.shl(a.step, k(1))));
        d.set(at(d, k(PAIR_BYTES)));
      };
      f.for(kk, k(0), i32.sub(a.depth, k(1)), k(2), () => pair(true));
      f.if(i32.lt(kk, a.depth), () => pair(false));
      f.for(kk, i32.shru(at(a.depth, k(1)), k(1)), a.pairs, k(1), () => {
        for (const i of vectorsOf([0, 1, 2, 3])) f.do(v.store(i < 2 ? d : at(d, panelBytes), v.const(0), 16 * (i & 1)));
        d.set(at(d, k(PAIR_BYTES)));
      });
    };
    panel.set(a.begin);
    f.while(i32.lt(panel, a.end), () => {
      first.set(i32.shl(panel, k(3)));
      second.set(i32.select(k(16), k(0), i32.gt(i32.sub(a.lines, first), k(4))));
      const two = i32.and(i32.lt(at(panel, k(1)), a.end), i32.ge(i32.sub(a.lines, first), k(2 * LINES)));
      f.if(two, () => walk(2), () => walk(1)); // biome-ignore format: one line
      panel.set(at(panel, i32.select(k(2), k(1), two)));
    });
  });
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
            for (const [y, sum] of line.entries()) sum.set(v.intAdd(sum, v.dotPairs(pair, row[y]!)));
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
          f.do(v.store(to, b.madd(v.mul(v.fromInt(sum), stepB[y]!), stepA, v.load(from, 16 * y)), 16 * y));
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
          const value = f32.load(at(edge, i32.add(i32.shl(r, k(5)), i32.shl(c, k(2)))));
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

/** Rows of A, or columns of B. */
interface Operand {
  readonly at: number;
  readonly lines: number;
  /** Bytes between lines, and between neighbours of one line; one of the two is 4. */
  readonly lineStep: number;
  readonly depthStep: number;
}

/**
 * C = A B + bias, or nothing and false where float32 is faster: half of the time of the multiplications is saved, but as much as
 * 16 of them take goes into each value that is rounded, 21 into each sum and 270,000 into the calls (`bench gemm`).
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
  const pays = (lines: number) => 16 * lines * depth + 21 * m * n + 270_000 < m * n * depth;
  if (!pays(m)) return false;
  const kept = cpu.derived(
    sources,
    `rounded ${n} ${depth} ${b.depthStep}`,
    floatsOf(b, depth),
    (to) => round(cpu, b, depth, to),
    2,
  );
  if (kept === undefined && !pays(m + n)) return false;
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

/** Rounds an operand: panels, then the steps of its lines. */
function round(cpu: Cpu, x: Operand, depth: number, to: number): void {
  const [kernel, step] =
    x.depthStep === 4 ? (['round_rows', x.lineStep] as const) : (['round_columns', x.depthStep] as const);
  const args = [x.at, x.lines, depth, step, pairsOf(depth), to, stepsAt(x, depth, to)];
  cpu.parallel(kernel, panelsOf(x), 4 * x.lines * depth, args, 2);
}
/** Whole groups of eight k, as `round_rows` takes them. */
const pairsOf = (depth: number): number => 4 * Math.ceil(depth / 8);
const panelsOf = ({ lines }: Operand): number => Math.ceil(lines / LINES);
const stepsAt = (x: Operand, depth: number, at: number): number => at + panelsOf(x) * pairsOf(depth) * PAIR_BYTES;
const floatsOf = (x: Operand, depth: number): number => panelsOf(x) * LINES * (pairsOf(depth) + 1);
