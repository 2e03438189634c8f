/** Compares results of the library with golden values. */
import { numel, type Shape, show, Tensor } from '../../core/index.ts';
import type { GoldenFile } from './file.ts';

/** Default tolerance, relative to the largest magnitude in the tensor. */
export const TOLERANCE = 1e-4;
/** Below this share of its model's largest gradient, a gradient counts as small. */
const SMALL = 1e-3;
/** Below this share, it is zero but for rounding. */
const ZERO = 1e-5;

/** How two tensors are compared. */
export interface CheckOptions {
  readonly tolerance?: number;
  /** 'max' compares the worst element, 'l2' the norm of the difference. */
  readonly norm?: 'max' | 'l2';
  /** Absolute difference to ignore, for each value: how far noise may have moved it. */
  readonly slack?: ArrayLike<number> | undefined;
}

/** A result that is not as expected. */
export interface Miss {
  readonly key: string;
  readonly message: string;
}

type Values = ArrayLike<number>;

/** Collects the comparisons of one file. */
export class Comparison {
  readonly file: GoldenFile;
  readonly misses: Miss[] = [];
  readonly unsupported: string[] = [];
  /** Tensors compared, and numbers in them. */
  compared = 0;
  values = 0;
  worst = 0;
  worstKey = '';
  readonly #seen = new Set<string>();
  readonly #taps = new Map<string, Tensor>();
  readonly #inputs: RegExp[] = [/(^|\/)(in|init|weights|loss_weights)\//];

  constructor(file: GoldenFile) {
    this.file = file;
  }

  /** Marks keys that are inputs, not results. */
  inputs(pattern: RegExp): void {
    this.#inputs.push(pattern);
  }

  /** Compares a result with the golden tensor of this name. Integers must be equal. Skips keys that the file lacks. */
  async check(key: string, actual: Tensor | Values | number, options: CheckOptions = {}): Promise<void> {
    if (!this.file.has(key)) return;
    const expected = this.file.values(key);
    const got = typeof actual === 'number' ? [actual] : actual instanceof Tensor ? await actual.data() : actual;
    this.#seen.add(key);
    this.compared++;
    this.values += expected.length;
    const wrongShape = actual instanceof Tensor && !sameLayout(actual.shape, this.file.shape(key));
    if (wrongShape || got.length !== expected.length) {
      const shape = actual instanceof Tensor ? show(actual.shape) : `${got.length} values`;
      this.#miss(key, Infinity, `expected ${show(this.file.shape(key))}, got ${shape}`);
    } else if (this.file.isInteger(key)) {
      const different = count(expected, (v, i) => v !== got[i]);
      if (different > 0) this.#miss(key, Infinity, `${different} of ${expected.length} integers differ`);
    } else {
      const { tolerance = TOLERANCE } = options;
      const error = relativeError(got, expected, this.#scale(key, expected), options);
      if (!(error <= tolerance)) this.#miss(key, error, `error ${error.toExponential(1)} above ${tolerance}`);
      // A looser tolerance is another measure; the worst error is that of the usual one.
      else if (tolerance === TOLERANCE && error > this.worst) [this.worst, this.worstKey] = [error, key];
    }
  }

  /** Compares every tensor of a record, under a prefix. */
  async checkAll(prefix: string, record: Readonly<Record<string, Tensor>>, options?: CheckOptions): Promise<void> {
    for (const [name, t] of Object.entries(record)) await this.check(prefix + name, t, options);
  }

  /** Collects activations: `model.forward(x, check.tap('mid/'))`. `checkTaps` compares them. */
  tap(prefix: string): (name: string, activation: Tensor) => void {
    return (name, activation) => {
      if (this.file.has(prefix + name)) this.#taps.set(prefix + name, activation);
    };
  }
  /** Compares the activations that `tap` collected. */
  async checkTaps(): Promise<void> {
    for (const [key, t] of this.#taps) await this.check(key, t);
    this.#taps.clear();
  }

  /** Keys of golden results that were not compared. */
  leftOver(): string[] {
    return this.file.keys.filter((key) => !this.#seen.has(key) && !this.#inputs.some((pattern) => pattern.test(key)));
  }

  #miss(key: string, error: number, message: string): void {
    this.misses.push({ key, message });
    if (!(error <= this.worst)) [this.worst, this.worstKey] = [error, key];
  }

  /**
   * What an error is relative to: the largest magnitude of the tensor.
   *
   * A gradient is a difference of larger numbers, and its rounding error follows those. A small gradient is measured
   * against a thousandth of the largest of its kind (the precision of float32), and one that is zero in exact
   * arithmetic (a bias before a normalization, attention's key bias) against the largest itself.
   */
  #scale(key: string, expected: Values): number {
    const own = largest(expected);
    const kind = this.#kindOf(key);
    if (!kind) return own;
    const most = kind.reduce((m, k) => Math.max(m, largest(this.file.values(k))), 0);
    return own < ZERO * most ? most : Math.max(own, SMALL * most);
  }

  /** The gradients of the same loss, or the upstream gradients of an operation. */
  #kindOf(key: string): string[] | undefined {
    const [, model] = /^(.*grad\/)/.exec(key) ?? [];
    if (model) return this.file.keys.filter((k) => k.startsWith(model));
    const [, operation] = /^(.*\/)grad\d+$/.exec(key) ?? [];
    if (operation) return this.file.keys.filter((k) => k.startsWith(`${operation}gout`));
    return undefined;
  }
}

/** Equal shapes apart from axes of length one: a scalar may be [1]. */
function sameLayout(a: Shape, b: Shape): boolean {
  const bare = (s: Shape) => show(s.filter((d) => d !== 1));
  return numel(a) === numel(b) && bare(a) === bare(b);
}

function relativeError(got: Values, expected: Values, scale: number, { norm = 'max', slack }: CheckOptions): number {
  let worst = 0;
  let squares = 0;
  let energy = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(got[i], expected[i]) || got[i] === expected[i]) {
      energy += expected[i] ** 2;
      continue;
    }
    const difference = Math.max(0, Math.abs(got[i] - expected[i]) - (slack?.[i] ?? 0));
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, difference);
    squares += difference ** 2;
    energy += expected[i] ** 2;
  }
  if (norm === 'l2') return Math.sqrt(squares / (energy || 1));
  return worst / (scale || 1);
}

function largest(values: Values): number {
  let m = 0;
  for (let i = 0; i < values.length; i++) m = Math.max(m, Math.abs(values[i]));
  return m;
}

function count(values: Values, f: (value: number, i: number) => boolean): number {
  let n = 0;
  for (let i = 0; i < values.length; i++) if (f(values[i], i)) n++;
  return n;
}
