/**
 * Rounds factors of matrix products to 16-bit integers, for int16.ts. A line – a row of A or a column of B – has a
 * step, and each value becomes the nearest multiple of it:
 *
 *   step = ‖line‖ / BOUND      x ≈ step · round(x / step)
 *
 * ‖line‖ is the largest norm among the line's blocks of 512 values. The error of a value is at most half a step, and
 * step / √12 on average: 1 to 2 · 10⁻⁴ of a typical value, but more than the value itself where it is small beside a
 * far larger one of its block. A value that is not finite spoils its whole line. Squares are float32: norms beyond 10¹⁹
 * count as infinite, those below 10⁻¹⁸ as 0.
 *
 * Lines are stored in panels of 8, in pairs of neighbors, [lines / 8][depth / 2][8][2]; the steps follow all panels.
 */
import type { Cpu } from '../routine.ts';
import { storeTransposed } from './copy.ts';
import { add, bytes, type Fn, f32, floatAt, type Int, i32, kernel, mul, sub, type V128, v } from './dsl.ts';
import { eachFourUnrolled, rowSum, type Step, UNROLL } from './rows.ts';

/** Norm of a block of integers. Rounding adds less than √512 / 2 to it, and no value exceeds the norm. */
const BOUND = 32700;
/** Smaller norms count as 0: their squares underflow. */
const LEAST_NORM = 1e-18;
/** Added to a float32 of up to 16 bits, it leaves the nearest integer in the low bits. */
const ROUND = 1.5 * 2 ** 23;
/** Lines of a panel. */
export const LINES = 8;
/** Bytes of one pair of neighbors in each of a panel's lines. */
export const PAIR_BYTES = 4 * LINES;
/** Values of a line whose products are added as integers. */
export const BLOCK = 512;

const params = {
  src: i32,
  lines: i32,
  depth: i32,
  /** Bytes between lines (roundRows), or from k to k (roundColumns). */
  stride: i32,
  pairs: i32,
  dst: i32,
  steps: i32,
};

/** Stores the steps of four lines; returns the factors for their values, 0 where the norm is too small. */
function scaleOf(f: Fn, norm: V128, step: Int): V128 {
  f.do(v.store(step, v.mul(norm, v.const(1 / BOUND))));
  return v.and(v.div(v.const(BOUND), norm), v.gt(norm, v.const(LEAST_NORM)));
}

/** The integers nearest to x · scale, as int32. */
const rounded = (f: Fn, x: V128, scale: V128): V128 => v.intSub(f.madd(x, scale, f.constant(ROUND)), f.constant(ROUND));

/** Rounds lines whose values are neighbors in memory. Items: panels. */
const roundRows = kernel('roundRows', params, (f, a) => {
  const { panel, line, d, j, k, rest, q } = f.ints('panel line d j k rest q');
  const { largest } = f.floats('largest');
  const { norm, scale, x } = f.vectors('norm scale x');
  const from = f.intArray('from', 4);
  const scales = f.vectorArray('scale', 4);
  const squares = rowSum(f, 'squares');
  /** The largest norm of the blocks of four lines, in four lanes. */
  const computeNorms = () => {
    for (const [i, p] of from.entries()) {
      p.set(add(a.src, mul(i32.min(add(line, i), sub(a.lines, 1)), a.stride)));
      largest.set(0);
      f.for(k, 0, a.depth, BLOCK, () => {
        squares.clear();
        q.set(floatAt(p, k));
        const addSquare = ({ index, load, live }: Step) => {
          x.set(live(load(q), v.const(0)));
          squares.addProduct(index, x, x);
        };
        eachFourUnrolled(f, UNROLL, j, i32.min(BLOCK, sub(a.depth, k)), addSquare);
        largest.set(f32.max(largest, squares.total()));
      });
      norm.set(i ? v.setLane(norm, i, largest) : v.splat(largest));
    }
    norm.set(v.sqrt(norm));
  };
  /** Eight k of four lines → four pairs of four lines. `second`: bytes to the last four k. */
  const roundEight = (second: Int, live: (x: V128, first: number) => V128) => {
    const lines = from.map((p, i) => {
      const half = (values: V128, first: number) => rounded(f, live(values, first), scales[i]);
      return v.narrow(half(v.load(p), 0), half(v.load(add(p, second)), 4));
    });
    storeTransposed(f, lines, d, PAIR_BYTES);
    for (const p of from) p.set(add(p, 32));
    d.set(add(d, 4 * PAIR_BYTES));
  };
  const roundRest = () => {
    const lanes = (first: number) => v.lanes([0, 1, 2, 3].map((i) => first + i));
    const left = v.splat(f32.fromInt(rest));
    roundEight(i32.select(16, 0, i32.gt(rest, 4)), (x, first) => v.and(x, v.lt(lanes(first), left)));
  };
  f.for(panel, a.begin, a.end, 1, () => {
    f.for(line, i32.shl(panel, 3), i32.shl(add(panel, 1), 3), 4, () => {
      computeNorms();
      scale.set(scaleOf(f, norm, floatAt(a.steps, line)));
      for (const [i, s] of scales.entries()) s.set(v.splat(v.lane(scale, i)));
      d.set(floatAt(add(a.dst, mul(panel, mul(a.pairs, PAIR_BYTES))), i32.and(line, 4)));
      f.for(k, 0, sub(a.depth, 7), 8, () => roundEight(16, (x) => x));
      rest.set(sub(a.depth, k));
      f.if(i32.gt(rest, 0), roundRest);
    });
  });
});

/** Rounds lines that are neighbors in memory. Items: panels. */
const roundColumns = kernel('roundColumns', params, (f, a) => {
  const names = 'panel first second start p d k end panelBytes';
  const { panel, first, second, start, p, d, k, end, panelBytes } = f.ints(names);
  const { x } = f.vectors('x');
  const norms = f.vectorArray('norm', 4);
  const squares = f.vectorArray('square', 4);
  const scales = f.vectorArray('scale', 4);
  panelBytes.set(mul(a.pairs, PAIR_BYTES));
  /** One panel, or two neighbors, whose rows fill cache lines. */
  const roundPanels = (panels: 1 | 2) => {
    const indices = [0, 1, 2, 3].slice(0, 2 * panels);
    // a single panel may have fewer than eight lines
    const four = (p: Int, i: number) => (panels === 1 && i === 1 ? v.load(add(p, second)) : v.load(p, 16 * i));
    const store = (i: number, x: V128) => f.do(v.store(i < 2 ? d : add(d, panelBytes), x, 16 * (i & 1)));
    const roundPair = (pair: 'both' | 'first') => {
      for (const i of indices) {
        x.set(v.and(rounded(f, four(p, i), scales[i]), v.intConst(0xffff)));
        if (pair === 'both') x.set(v.or(x, v.intShl(rounded(f, four(add(p, a.stride), i), scales[i]), 16)));
        store(i, x);
      }
      p.set(add(p, i32.shl(a.stride, 1)));
      d.set(add(d, PAIR_BYTES));
    };
    start.set(floatAt(a.src, first));
    p.set(start);
    for (const i of indices) norms[i].set(v.const(0));
    k.set(0);
    f.while(i32.lt(k, a.depth), () => {
      for (const i of indices) squares[i].set(v.const(0));
      end.set(i32.min(a.depth, add(k, BLOCK)));
      f.for(k, k, end, 1, () => {
        for (const i of indices) {
          x.set(four(p, i));
          squares[i].set(f.madd(x, x, squares[i]));
        }
        p.set(add(p, a.stride));
      });
      for (const i of indices) norms[i].set(v.max(norms[i], squares[i]));
    });
    for (const i of indices) {
      norms[i].set(v.sqrt(norms[i]));
      scales[i].set(scaleOf(f, norms[i], add(a.steps, add(bytes(first), 16 * i))));
    }
    p.set(start);
    d.set(add(a.dst, mul(panel, panelBytes)));
    f.for(k, 0, sub(a.depth, 1), 2, () => roundPair('both'));
    f.if(i32.lt(k, a.depth), () => roundPair('first'));
    // pairs past the depth are 0
    f.for(k, i32.shru(add(a.depth, 1), 1), a.pairs, 1, () => {
      for (const i of indices) store(i, v.const(0));
      d.set(add(d, PAIR_BYTES));
    });
  };
  panel.set(a.begin);
  f.while(i32.lt(panel, a.end), () => {
    first.set(i32.shl(panel, 3));
    second.set(i32.select(16, 0, i32.gt(sub(a.lines, first), 4)));
    const two = i32.and(i32.lt(add(panel, 1), a.end), i32.ge(sub(a.lines, first), 2 * LINES));
    f.if(
      two,
      () => roundPanels(2),
      () => roundPanels(1),
    );
    panel.set(add(panel, i32.select(2, 1, two)));
  });
});

export const kernels = [roundRows, roundColumns];

/** A or B: rows of A, or columns of B. */
export interface Factor {
  readonly at: number;
  readonly lines: number;
  /** Bytes between lines, and between neighbors of one line; one of the two is 4. */
  readonly lineStride: number;
  readonly depthStride: number;
}

/** Writes the rounded factor to `to`: floatsOf(x, depth) floats, the panels, then the steps of the lines. */
export function round(cpu: Cpu, x: Factor, depth: number, to: number): void {
  const [kernel, stride] = x.depthStride === 4 ? [roundRows, x.lineStride] : [roundColumns, x.depthStride];
  const { at: src, lines } = x;
  const launch = { items: panelsOf(x), work: 4 * lines * depth, unit: 2 };
  cpu.parallel(kernel, launch, {
    src,
    lines,
    depth,
    stride,
    pairs: pairsOf(depth),
    dst: to,
    steps: stepsAt(x, depth, to),
  });
}
/** Pairs of a line, in groups of eight k, as `roundRows` takes them. */
export const pairsOf = (depth: number): number => 4 * Math.ceil(depth / 8);
export const panelsOf = ({ lines }: Factor): number => Math.ceil(lines / LINES);
/** Address of the steps of a factor that was rounded to `at`. */
export const stepsAt = (x: Factor, depth: number, at: number): number => at + panelsOf(x) * pairsOf(depth) * PAIR_BYTES;
export const floatsOf = (x: Factor, depth: number): number => panelsOf(x) * LINES * (pairsOf(depth) + 1);
