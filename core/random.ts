/** Random numbers from a seed, with serializable state. Nothing in the library calls Math.random. */
import { expectOption } from './errors.ts';
import { expectNumber } from './ranges.ts';

/** The state of a generator: four 32-bit words. */
export type RngState = readonly [number, number, number, number];

/** A generator of random numbers: xoshiro128** (Blackman and Vigna 2018), seeded by splitmix32. */
export class Rng {
  #s: Int32Array;

  /**
   * @param seed  a whole number within ±(2⁵³ − 1), of which every bit counts, or a state to continue from
   * @throws OptionError for anything else
   */
  constructor(seed: number | RngState) {
    this.#s = typeof seed === 'object' && seed !== null ? wordsOf(seed) : fromSeed(seed);
  }

  /** For checkpoints: `new Rng(rng.state)` continues the stream. */
  get state(): RngState {
    return Array.from(this.#s) as unknown as RngState;
  }
  set state(state: RngState) {
    this.#s = wordsOf(state);
  }

  /** A new generator with an independent stream: one for weights, one for data, one for dropout. */
  fork(): Rng {
    return new Rng(this.#next() >>> 0);
  }

  #next(): number {
    const s = this.#s;
    const x = Math.imul(s[1], 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9);
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [0, 1), a multiple of 2⁻²⁴: exact in float32. */
  uniform(): number {
    return (this.#next() >>> 8) / 16777216;
  }
  /** A whole number in 0..n−1. */
  int(n: number): number {
    return Math.floor(((this.#next() >>> 0) / 4294967296) * n);
  }
  /** N(0, 1), by Box–Muller. */
  normal(): number {
    const u = 1 - this.uniform();
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.uniform());
  }
  /** n uniform values in [low, high). */
  uniforms(n: number, low = 0, high = 1): Float32Array {
    const out = new Float32Array(n);
    const scale = (high - low) / 16777216;
    let [a, b, c, d] = this.state; // as in #next, but in registers
    for (let i = 0; i < n; i++) {
      const x = Math.imul(b, 5);
      out[i] = low + scale * (Math.imul((x << 7) | (x >>> 25), 9) >>> 8);
      const t = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= t;
      d = (d << 11) | (d >>> 21);
    }
    this.#s = Int32Array.of(a, b, c, d);
    return out;
  }
  /** n values of N(0, 1). */
  normals(n: number): Float32Array {
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) out[i] = this.normal();
    return out;
  }
  /**
   * n values: 0 with probability p, else `value`. Draws the gaps between zeros, so a small p takes few draws.
   *
   * @throws OptionError unless p is in 0..1
   */
  zeroed(n: number, p: number, value = 1): Float32Array {
    expectNumber('Rng.zeroed, p', p, 0, 1);
    const out = new Float32Array(n).fill(value);
    if (1 - p === 1) return out; // a gap would be infinite
    const gap = () => Math.floor(Math.log(1 - this.uniform()) / Math.log(1 - p)); // geometric
    for (let i = gap(); i < n; i += 1 + gap()) out[i] = 0;
    return out;
  }
  /** 0..n−1 in random order (Fisher–Yates). */
  permutation(n: number): Int32Array {
    const out = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }
}

/** Zeros in place of random numbers, at no cost: for a model whose values are read from a file as soon as it is made. */
export class ZeroRng extends Rng {
  constructor() {
    super(0);
  }
  override uniform(): number {
    return 0;
  }
  override normal(): number {
    return 0;
  }
  override uniforms(n: number): Float32Array {
    return new Float32Array(n);
  }
  override normals(n: number): Float32Array {
    return new Float32Array(n);
  }
}

function fromSeed(seed: number): Int32Array {
  expectOption(Number.isSafeInteger(seed), 'Rng', 'a seed that is a whole number within ±(2^53 − 1)', seed);
  const words = splitmix(seed);
  const high = Math.floor(seed / 2 ** 32);
  // in another order, so that equal halves do not cancel out
  return high === 0 ? words : splitmix(high).map((word, i) => word ^ words[3 - i]);
}

/** Four words of splitmix32. */
function splitmix(seed: number): Int32Array {
  let z = seed | 0;
  return Int32Array.from({ length: 4 }, () => {
    z = (z + 0x9e3779b9) | 0;
    let t = z ^ (z >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t = t ^ (t >>> 15);
    t = Math.imul(t, 0x735a2d97);
    return t ^ (t >>> 15);
  });
}

function wordsOf(state: RngState): Int32Array {
  const words: readonly number[] = Array.isArray(state) ? state : [];
  const isState = words.length === 4 && words.every((w) => Number.isInteger(w)) && words.some((w) => (w | 0) !== 0);
  expectOption(isState, 'Rng', 'a state of four 32-bit words that are not all 0', words);
  return Int32Array.from(words);
}

/** @throws OptionError naming `where` when a caller left its generator out, or passed a seed in its place */
export function expectRng(where: string, rng: Rng): void {
  const isRng = typeof (rng as Partial<Rng> | undefined)?.uniforms === 'function';
  expectOption(isRng, where, 'a generator of random numbers', rng, 'Pass one, such as new Rng(0).');
}
