/** Kernel passes for reductions: over axes of a tensor, and over the rows of a [rows, n] array. */
import type { Pass } from '../device.ts';
import { address, type LoopOptions, loopSum, when } from '../kernel-source.ts';
import { numel, type Shape } from '../shape.ts';

/** A few sums of many values leave a GPU idle: LONG values or more for at most FEW results are taken in √n chunks. */
const LONG = 1024;
const FEW = 4096;
const takesChunks = (n: number, results: number): boolean => n >= LONG && results <= FEW;
function chunksOf(n: number): { length: number; count: number } {
  const length = Math.ceil(Math.sqrt(n));
  return { length, count: Math.ceil(n / length) };
}
/** Chunks, and the sum of their results, are parts of a long sum: they go in blocks, too. */
const PART: LoopOptions = { long: 64 };

/** A reduction into the variable `s`: what it starts with, and a loop over values. */
interface Reduction {
  start(first: string): string;
  loop(count: number, value: (i: string) => string, options?: LoopOptions): string;
}
export const SUM: Reduction = { start: () => '0.0', loop: loopSum };
export const MAX: Reduction = {
  start: (first) => first,
  loop: (count, value, { only } = {}) =>
    `for (let i = 0; i < ${count}; i++) { ${when(only ? [only('i')] : [], `s = Math.max(s, ${value('i')});`)} }`,
};

/** A loop over chunk this.thread.y of n entries. */
function chunkLoop(n: number, value: (i: string) => string, { loop }: Pick<Reduction, 'loop'> = SUM): string {
  const { length } = chunksOf(n);
  const entry = (i: string) => `(this.thread.y * ${length} + ${i})`;
  return loop(length, (i) => value(entry(i)), { only: (i) => `${entry(i)} < ${n}`, ...PART });
}

/** x [outer, n, inner] around the axes from..to−1. */
export function around(x: Shape, from: number, to: number): { outer: number; n: number; inner: number } {
  return { outer: numel(x.slice(0, from)), n: numel(x.slice(from, to)), inner: numel(x.slice(to)) };
}

/** Passes that reduce argument 0 over its axes from..to−1. */
export function reducePasses({ start, loop }: Reduction, x: Shape, from: number, to: number): Pass[] {
  const { outer, n, inner } = around(x, from, to);
  /** Entry i of a column in [rows, length, inner]. */
  const entry = (array: string, row: string, length: number) => (i: string) =>
    `${array}[${address([row, i, 'this.thread.x'], [length * inner, inner, 1])}]`;
  const body = (first: string, statements: string) => `
    let s = ${start(first)};
    ${statements}
    return s;`;
  const all = (count: number, value: (i: string) => string, options?: LoopOptions) =>
    body(value('0'), loop(count, value, options));

  if (!takesChunks(n, outer * inner)) {
    return [{ out: [inner, outer], inputs: { x: 0 }, body: all(n, entry('x', 'this.thread.y', n)) }];
  }
  const { length, count } = chunksOf(n);
  const value = entry('x', 'this.thread.z', n);
  return [
    {
      name: 'parts',
      out: [inner, count, outer],
      inputs: { x: 0 },
      body: body(value(`this.thread.y * ${length}`), chunkLoop(n, value, { loop })),
    },
    { out: [inner, outer], inputs: { parts: 'parts' }, body: all(count, entry('parts', 'this.thread.y', count), PART) },
  ];
}

/** Source of entry i of a row; both arguments are source themselves. */
type Term = (row: string, i: string) => string;

/**
 * Passes for several sums per row. Sum k of row r is at name[k · rows + r].
 *
 * @param terms   entry i of a row, for each sum
 * @param result  source of the result, made of the sum `s`
 */
export function rowSums(
  name: string,
  rows: number,
  n: number,
  inputs: Pass['inputs'],
  terms: readonly Term[],
  result = 's',
): Pass[] {
  /** The loop of sum number this.thread.`axis`. */
  const each = (axis: 'y' | 'z', loop: (term: (i: string) => string) => string): string =>
    terms.reduceRight((rest, term, k) => {
      const mine = loop((i) => term('this.thread.x', i));
      return rest === '' ? mine : `if (this.thread.${axis} == ${k}) { ${mine} } else { ${rest} }`;
    }, '');

  if (!takesChunks(n, rows)) {
    const body = `
      let s = 0.0;
      ${each('y', (term) => loopSum(n, term))}
      return ${result};`;
    return [{ name, out: [rows, terms.length], inputs, body }];
  }
  const parts = `${name}Parts`;
  const { count } = chunksOf(n);
  return [
    {
      name: parts,
      out: [rows, count, terms.length],
      inputs,
      body: `
        let s = 0.0;
        ${each('z', (term) => chunkLoop(n, term))}
        return s;`,
    },
    {
      name,
      out: [rows, terms.length],
      inputs: { [parts]: parts },
      body: `
        let s = 0.0;
        ${loopSum(count, (i) => `${parts}[(this.thread.y * ${count} + ${i}) * ${rows} + this.thread.x]`, PART)}
        return ${result};`,
    },
  ];
}

/**
 * Passes for the mean and 1/√(variance + eps) of each row of x, at name[r] and name[rows + r]. Both come from one kernel,
 * whose threads y = 0 and y = 1 return one each.
 *
 * Long rows go in chunks. Chunk c has the mean m_c and Σ (x − m_c)² = v_c, and the row's variance is
 *
 *   Σ_c v_c + (m_c − mean)² n_c,   divided by n
 */
export function rowMoments(name: string, rows: number, n: number, x: Term, eps: number): Pass[] {
  const value = (i: string) => x('this.thread.x', i);
  const deviation = (i: string) => `(${value(i)} - mean) * (${value(i)} - mean)`;
  const rstd = `1.0 / Math.sqrt(s / ${n}.0 + ${eps})`;

  if (!takesChunks(n, rows)) {
    const body = `
      let s = 0.0;
      ${loopSum(n, value)}
      const mean = s / ${n}.0;
      let v = mean;
      if (this.thread.y > 0) {
        s = 0.0;
        ${loopSum(n, deviation)}
        v = ${rstd};
      }
      return v;`;
    return [{ name, out: [rows, 2], inputs: { x: 0 }, body }];
  }
  const parts = `${name}Parts`;
  const { length, count } = chunksOf(n);
  const width = (chunk: string) => `Math.min(${length}.0, ${n}.0 - ${chunk} * ${length}.0)`;
  const mean = (i: string) => `${parts}[${i} * ${rows} + this.thread.x]`;
  const squares = (i: string) => `${parts}[(${count} + ${i}) * ${rows} + this.thread.x]`;
  const square = (i: string) => `${squares(i)} + (${mean(i)} - mean) * (${mean(i)} - mean) * ${width(i)}`;
  return [
    {
      name: parts, // [2, chunks, rows]: means, then sums of squares about them
      out: [rows, count, 2],
      inputs: { x: 0 },
      body: `
        let s = 0.0;
        ${chunkLoop(n, value)}
        const mean = s / ${width('this.thread.y')};
        let v = mean;
        if (this.thread.z > 0) {
          s = 0.0;
          ${chunkLoop(n, deviation)}
          v = s;
        }
        return v;`,
    },
    {
      name,
      out: [rows, 2],
      inputs: { [parts]: parts },
      body: `
        let s = 0.0;
        ${loopSum(count, (i) => `${mean(i)} * ${width(i)}`, PART)}
        const mean = s / ${n}.0;
        let v = mean;
        if (this.thread.y > 0) {
          s = 0.0;
          ${loopSum(count, square, PART)}
          v = ${rstd};
        }
        return v;`,
    },
  ];
}

/**
 * Pass `mz` for softmax: of each row of `array` its maximum m and z = Σ e^(x − m), at mz[r] and mz[rows + r].
 *
 * @param from  where the array comes from: an argument's index or the name of an earlier pass
 */
export function softmaxPass(array: string, from: number | string, rows: number, n: number): Pass {
  const x = (i: string) => `${array}[this.thread.x * ${n} + ${i}]`;
  return {
    name: 'mz',
    out: [rows, 2],
    inputs: { [array]: from },
    body: `
      let m = ${x('0')};
      for (let i = 0; i < ${n}; i++) {
        m = Math.max(m, ${x('i')});
      }
      let v = m;
      if (this.thread.y > 0) {
        v = 0.0;
        ${loopSum(n, (i) => `Math.exp(${x(i)} - m)`, { s: 'v' })}
      }
      return v;`,
  };
}
