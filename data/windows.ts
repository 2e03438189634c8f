/**
 * Weights of antialiased bicubic resizing, as the Python Imaging Library computes them: fixed point, 22 fractional bits.
 *
 *   out[i] = Σ_j w((j + ½ − c_i) / s) in[j] / Σ_j w(…)        c_i = (i + ½) in/out,  s = max(1, in/out)
 *
 * @see Keys 1981, cubic convolution with a = −½
 */

/** Resizing along one direction: `input` positions become `output`, of which `count` are wanted, starting at `first`. */
export interface Axis {
  readonly input: number;
  readonly output: number;
  readonly first: number;
  readonly count: number;
}

/** The input positions that each wanted output position sees. */
export interface Windows {
  /** All windows lie within the input positions begin … end − 1. */
  readonly begin: number;
  readonly end: number;
  /** First input position of each window. */
  readonly starts: Int32Array;
  /**
   * `taps` for each window, an even number; behind the window's end they are 0. A weight w is its two parts w >> 11 and
   * w & 2047, which fit 16 bits. For each pair of taps: both high parts, then both low parts.
   */
  readonly weights: Int16Array;
  readonly taps: number;
}

/** Of the weights, which add up to 2^fractionBits. */
export const fractionBits = 22;
/** In the low part of a weight. */
export const lowBits = 11;
const cubicRadius = 2;

/** Recently used windows, because datasets hold thousands of images of a few sizes. */
const cache = new Map<string, Windows>();
const cached = 16;

export function windowsOf(axis: Axis): Windows {
  const key = `${axis.input} ${axis.output} ${axis.first} ${axis.count}`;
  let windows = cache.get(key);
  if (!windows) {
    if (cache.size === cached) cache.delete(cache.keys().next().value!);
    windows = computeWindows(axis);
    cache.set(key, windows);
  }
  return windows;
}

function computeWindows({ input, output, first, count }: Axis): Windows {
  const scale = input / output;
  const spread = Math.max(1, scale);
  const radius = input === output ? 0.5 : cubicRadius * spread; // 0.5: each position sees itself
  const taps = 2 * Math.ceil((2 * radius + 1) / 2);
  const starts = new Int32Array(count);
  const weights = new Int16Array(2 * count * taps);
  const raw = new Float64Array(taps);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const center = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - radius + 0.5));
    const length = Math.min(input, Math.trunc(center + radius + 0.5)) - start;
    let total = 0;
    for (let k = 0; k < length; k++) {
      raw[k] = cubic((start + k - center + 0.5) * (1 / spread));
      total += raw[k];
    }
    for (let k = 0; k < length; k++) {
      const fixed = (raw[k] / total) * 2 ** fractionBits;
      const weight = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
      const at = 2 * (i * taps + k) - (k % 2);
      weights[at] = weight >> lowBits;
      weights[at + 2] = weight & (2 ** lowBits - 1);
    }
    starts[i] = start;
    end = start + length; // grows with i
  }
  return { begin: starts[0], end, starts, weights, taps };
}

/** Keys' cubic: 1 at 0, 0 at ±1 and ±2. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}
