/**
 * Operands of matrix products as whole numbers of 16 bits, for int16.ts. A line – a row of A or a column of B – has a step, of
 * which each of its values becomes the nearest multiple:
 *
 *   step = ‖line‖ / BOUND      x ≈ step · round(x / step)
 *
 * ‖line‖ is the largest norm among its blocks of 512 values. The error of a value is half a step at most, and step / √12 as a
 * rule: 1 to 2 · 10⁻⁴ of a usual value, but more than a small value beside one that towers over its block. A value that is
 * not finite spoils its whole line. Squares are float32: norms beyond 10¹⁹ count as infinite, those below 10⁻¹⁸ as 0.
 *
 * Lines stand in panels of 8 with pairs of neighbors side by side, [lines / 8][depth / 2][8][2], their steps behind all panels.
 */
import { type Fn, f32, type I32, i32, type V128, v } from '../emitter.ts';
import type { Cpu, KernelBuilder } from '../routine.ts';
import { transpose4 } from './gemm.ts';
import { eachFour, floats, ints, rowSum, type Step, TURNS, vectors } from './locals.ts';

const k = i32.const;
const at = i32.add;

/** Norm of a block of whole numbers: rounding adds less than √512 / 2, and no value exceeds the norm. */
const BOUND = 32700;
/** Below it squares are lost, and the norm with them. */
const LEAST_NORM = 1e-18;
/** Added to a float32 of up to 16 bits, it leaves the nearest whole number in the low bits. */
const ROUND = 1.5 * 2 ** 23;
/** Lines of a panel. */
export const LINES = 8;
/** Bytes of one pair of neighbors in each of a panel's lines. */
export const PAIR_BYTES = 4 * LINES;
/** Values of a line whose products are added as whole numbers. */
export const BLOCK = 512;

export const routines = {};
export function define(b: KernelBuilder): void {
  defineRoundRows(b);
  defineRoundColumns(b);
}

/** Stores the steps of four lines and gives what their values are multiplied with, 0 where the norm is too small. */
function scaleOf(f: Fn, norm: V128, step: I32): V128 {
  f.do(v.store(step, v.mul(norm, v.const(1 / BOUND))));
  return v.and(v.div(v.const(BOUND), norm), v.gt(norm, v.const(LEAST_NORM)));
}

/** The whole numbers nearest to x · scale, as int32. */
const rounded = (b: KernelBuilder, x: V128, scale: V128): V128 => v.intSub(b.madd(x, scale, b.c(ROUND)), b.c(ROUND));

/** Lines whose k are neighbors and whose starts are `step` bytes apart. Items: panels. */
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
        const half = (values: V128, first: number) => rounded(b, live(values, first), scales[i]);
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

/** Lines that are neighbors, with their k `step` bytes apart. Items: panels. */
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
    /** One panel, or two neighbors, which fill cache lines. */
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
        for (const [i, n] of vectorsOf(norms).entries()) n.set(v.max(n, squares[i]));
      });
      for (const [i, n] of vectorsOf(norms).entries()) {
        n.set(v.sqrt(n));
        scales[i].set(scaleOf(f, n, at(a.steps, at(i32.shl(first, k(2)), k(16 * i)))));
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

/** Rows of A, or columns of B. */
export interface Operand {
  readonly at: number;
  readonly lines: number;
  /** Bytes between lines, and between neighbors of one line; one of the two is 4. */
  readonly lineStep: number;
  readonly depthStep: number;
}

/** Rounds an operand: panels, then the steps of its lines. */
export function round(cpu: Cpu, x: Operand, depth: number, to: number): void {
  const [kernel, step] =
    x.depthStep === 4 ? (['round_rows', x.lineStep] as const) : (['round_columns', x.depthStep] as const);
  const args = [x.at, x.lines, depth, step, pairsOf(depth), to, stepsAt(x, depth, to)];
  cpu.parallel(kernel, panelsOf(x), 4 * x.lines * depth, args, 2);
}
/** Whole groups of eight k, as `round_rows` takes them. */
export const pairsOf = (depth: number): number => 4 * Math.ceil(depth / 8);
export const panelsOf = ({ lines }: Operand): number => Math.ceil(lines / LINES);
export const stepsAt = (x: Operand, depth: number, at: number): number =>
  at + panelsOf(x) * pairsOf(depth) * PAIR_BYTES;
export const floatsOf = (x: Operand, depth: number): number => panelsOf(x) * LINES * (pairsOf(depth) + 1);
