/**
 * Helpers that write gpu.js kernel source. A kernel's threads run over [x, y, z]; a tensor's axes are spread over them
 * with the last axis on x, the second to last on y, and all others on z. Sizes are literals, and index expressions stay
 * integers (`| 0`), as gpu.js needs.
 */
import { numel, type Shape, strides } from './shape.ts';

/** ⌊e / d⌋ for whole e ≥ 0. Exact up to 2²³, far above what one thread axis counts. */
export const quotient = (e: string, d: number): string => (d === 1 ? e : `(Math.floor((${e} + 0.5) / ${d}.0) | 0)`);
/** e mod d for whole e ≥ 0. */
export const remainder = (e: string, d: number): string => (d === 1 ? '0' : `(${e} - ${quotient(e, d)} * ${d})`);

/**
 * A whole number that a kernel holds as float32, such as an id, as part of an index into `size` values. An index is
 * computed in float32 with it, which skips numbers from 2²⁴ on, and as an integer where the array is longer.
 */
export const wholeIndex = (e: string, size: number): string => (size <= 2 ** 24 ? e : `(${e} | 0)`);

/** One thread per value of a tensor of shape y: [last, second to last, rest]. */
export function threads(y: Shape): number[] {
  if (y.length === 0) return [1];
  if (y.length === 1) return [y[0]];
  if (y.length === 2) return [y[1], y[0]];
  return [y.at(-1)!, y.at(-2)!, numel(y.slice(0, -2))];
}

/** The index of a thread's value along each axis of y, where the threads are `threads(y)`. */
export function indices(y: Shape): string[] {
  const outer = y.slice(0, -2);
  const step = strides(outer);
  const out = outer.map((d, i) => {
    const q = quotient('this.thread.z', step[i]);
    return i === 0 ? q : `(${q} - ${quotient('this.thread.z', step[i] * d)} * ${d})`;
  });
  if (y.length > 1) out.push('this.thread.y');
  if (y.length > 0) out.push('this.thread.x');
  return out;
}

/** offset + Σ indexᵢ · strideᵢ, leaving out what is zero. */
export function address(index: readonly string[], step: readonly number[], offset = 0): string {
  const terms = index.flatMap((e, i) => (step[i] === 0 ? [] : [step[i] === 1 ? e : `${e} * ${step[i]}`]));
  if (offset !== 0 || terms.length === 0) terms.push(String(offset));
  return terms.join(' + ');
}

/** Sums of more terms are taken in blocks of blocks. */
const VERY_LONG_SUM = 4096;

/** Names in the source, a condition on the index, and from where on sums go in blocks. */
export interface LoopOptions {
  readonly i?: string;
  readonly s?: string;
  /** Source of a condition on the index; other terms are left out. */
  readonly only?: (i: string) => string;
  /** Sums of more terms go in blocks, which takes up to a quarter longer (webasm). Default 1024. */
  readonly long?: number;
}

/**
 * A loop that adds `count` terms to a variable: `for (let i = 0; i < count; i++) { s += term(i); }`. Long sums are taken in
 * √count or ∛count blocks, whose sums are then added, so that their float32 rounding errors stay those of short ones.
 *
 * @param term  source of the term at an index
 */
export function loopSum(
  count: number,
  term: (i: string) => string,
  { i = 'i', s = 's', only, long = 1024 }: LoopOptions = {},
): string {
  const levels = count <= long ? 1 : count <= VERY_LONG_SUM ? 2 : 3;
  const length = levels === 1 ? count : Math.ceil(count ** (1 / levels) - 1e-9);
  const name = (level: number) => (level === 1 ? i : `${i}Block${level}`);
  const index = Array.from({ length: levels }, (_, k) => levels - k).reduce(
    (outer, level) => (outer === '' ? name(level) : `(${outer} * ${length} + ${name(level)})`),
    '',
  );
  const conditions = [...(length ** levels > count ? [`${index} < ${count}`] : []), ...(only ? [only(index)] : [])];
  const level = (k: number, sum: string): string => {
    const loop = (statements: string) =>
      `for (let ${name(k)} = 0; ${name(k)} < ${length}; ${name(k)}++) { ${statements} }`;
    if (k === 1) return loop(when(conditions, `${sum} += ${term(index)};`));
    const part = `${s}Block${k}`;
    return loop(`let ${part} = 0.0; ${level(k - 1, part)} ${sum} += ${part};`);
  };
  return level(levels, s);
}

/** A statement that runs where all conditions hold: nested ifs, which every gpu.js mode compiles alike. */
export const when = (conditions: readonly string[], statement: string): string =>
  conditions.reduceRight((inner, condition) => `if (${condition}) { ${inner} }`, statement);

/** A statement that runs where a value is larger than the largest so far, or the first NaN, which nothing is larger than. */
export const ifLarger = (value: string, largest: string, statement: string): string =>
  `if (${value} <= ${largest}) { } else { ${when([`${largest} == ${largest}`], statement)} }`;

/** Ops with any number of inputs read this many arrays per kernel: WebGPU allows 8 storage buffers, one is the result. */
export const ARRAYS_PER_KERNEL = 6;
/** A list in groups of at most ARRAYS_PER_KERNEL. */
export const inKernelGroups = <X>(list: readonly X[]): X[][] =>
  Array.from({ length: Math.ceil(list.length / ARRAYS_PER_KERNEL) }, (_, i) =>
    list.slice(ARRAYS_PER_KERNEL * i, ARRAYS_PER_KERNEL * (i + 1)),
  );
