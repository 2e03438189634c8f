/** Sums, and their gradient: `sum` takes values together along axes, `expand` repeats them. */
import type { Pass } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { address, indices, loopSum, quotient, remainder, threads } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { normalizeAxis, numel, type Shape, sameShape, show, strides } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { reshape } from './movement.ts';

type AxisRange = { from: number; to: number };

/** Sum over the neighboring axes from..to−1, which stay with length 1. Users call `sum`. */
const sumRange: Op<[x: Tensor, range: AxisRange]> = defineOp({
  name: 'sum',
  shape: (x, { from, to }) => x.map((d, i) => (i >= from && i < to ? 1 : d)),
  vjp: ({ g }, x) => [() => expand(g, x.shape)],
  kernel: (_, x, { from, to }) => {
    const [outer, n, inner] = [numel(x.slice(0, from)), numel(x.slice(from, to)), numel(x.slice(to))];
    if (n >= LONG && outer * inner <= FEW) return sumInChunks(outer, n, inner);
    const cell = address(['this.thread.y', 'i', 'this.thread.x'], [n * inner, inner, 1]);
    return [
      {
        out: [inner, outer],
        inputs: { x: 0 },
        body: `let s = 0.0; for (let i = 0; i < ${n}; i++) { s += x[${cell}]; } return s;`,
      },
    ];
  },
});

/** Sums of at least LONG values of which there are at most FEW leave a GPU idle, so they are taken in √n chunks. */
const LONG = 1024;
const FEW = 4096;
const chunksOf = (n: number) => {
  const length = Math.ceil(Math.sqrt(n));
  return { length, count: Math.ceil(n / length) };
};
/** Adds the entries of chunk this.thread.y to s, where `term` reads entry `i` of the whole sum. */
const chunkLoop = (n: number, term: (i: string) => string): string => {
  const { length } = chunksOf(n);
  const i = `(this.thread.y * ${length} + i)`;
  return `for (let i = 0; i < ${length}; i++) { if (${i} < ${n}) { s += ${term(i)}; } }`;
};

function sumInChunks(outer: number, n: number, inner: number): Pass[] {
  const { count } = chunksOf(n);
  const part = address(['this.thread.y', 'i', 'this.thread.x'], [count * inner, inner, 1]);
  const term = (i: string) => `x[${address(['this.thread.z', i, 'this.thread.x'], [n * inner, inner, 1])}]`;
  return [
    {
      name: 'parts',
      out: [inner, count, outer],
      inputs: { x: 0 },
      body: `let s = 0.0; ${chunkLoop(n, term)} return s;`,
    },
    {
      out: [inner, outer],
      inputs: { parts: 'parts' },
      body: `let s = 0.0; ${loopSum(count, `parts[${part}]`)} return s;`,
    },
  ];
}

/**
 * Passes for several sums per row, side by side: sum k of row r, finished by `result`, is at name[k · rows + r].
 *
 * @param terms   source of entry i of a row for each sum; row and i are source, too
 * @param result  source of the number made of the sum `s`
 */
export function rowSums(
  name: string,
  rows: number,
  n: number,
  inputs: Pass['inputs'],
  terms: readonly ((row: string, i: string) => string)[],
  result: string,
): Pass[] {
  const each = (axis: 'y' | 'z', loop: (term: (i: string) => string) => string): string =>
    terms.reduceRight((rest, term, k) => {
      const mine = loop((i) => term('this.thread.x', i));
      return rest === '' ? mine : `if (this.thread.${axis} == ${k}) { ${mine} } else { ${rest} }`;
    }, '');
  if (n < LONG || rows > FEW) {
    const body = `let s = 0.0; ${each('y', (term) => loopSum(n, term('i')))} return ${result};`;
    return [{ name, out: [rows, terms.length], inputs, body }];
  }
  const parts = `${name}Parts`;
  const { count } = chunksOf(n);
  const part = `${parts}[(this.thread.y * ${count} + i) * ${rows} + this.thread.x]`;
  return [
    {
      name: parts,
      out: [rows, count, terms.length],
      inputs,
      body: `let s = 0.0; ${each('z', (term) => chunkLoop(n, term))} return s;`,
    },
    {
      name,
      out: [rows, terms.length],
      inputs: { [parts]: parts },
      body: `let s = 0.0; ${loopSum(count, part)} return ${result};`,
    },
  ];
}

/**
 * Passes for the mean and 1/√(variance + eps) of each row: name[r] and name[rows + r]. Long rows go in chunks, whose
 * variances about their own means v and means m make σ² = Σ (v + (m − mean)²) n_chunk / n.
 */
export function rowMoments(
  name: string,
  rows: number,
  n: number,
  inputs: Pass['inputs'],
  term: (row: string, i: string) => string,
  eps: number,
): Pass[] {
  const x = (i: string) => term('this.thread.x', i);
  const squares = (loop: (term: (i: string) => string) => string) => loop((i) => `(${x(i)} - mean) * (${x(i)} - mean)`);
  const answer = (spread: string, otherwise: string) =>
    `let v = mean; if (this.thread.y > 0) { s = 0.0; ${spread} v = ${otherwise}; } return v;`;
  const rstd = `1.0 / Math.sqrt(s / ${n}.0 + ${eps})`;
  if (n < LONG || rows > FEW) {
    const spread = squares((term) => loopSum(n, term('i')));
    const body = `let s = 0.0; ${loopSum(n, x('i'))} const mean = s / ${n}.0; ${answer(spread, rstd)}`;
    return [{ name, out: [rows, 2], inputs, body }];
  }
  const parts = `${name}Parts`;
  const { length, count } = chunksOf(n);
  const width = (chunk: string) => `Math.min(${length}.0, ${n}.0 - ${chunk} * ${length}.0)`;
  const part = (k: number) => `${parts}[(${k * count} + i) * ${rows} + this.thread.x]`;
  const spread = loopSum(count, `${part(1)} + (${part(0)} - mean) * (${part(0)} - mean) * ${width('i')}`);
  return [
    {
      name: parts, // means of the chunks, then sums of squares about them
      out: [rows, count, 2],
      inputs,
      body:
        `let s = 0.0; ${chunkLoop(n, x)} const mean = s / ${width('this.thread.y')}; ` +
        `let v = mean; if (this.thread.z > 0) { s = 0.0; ${squares((term) => chunkLoop(n, term))} v = s; } return v;`,
    },
    {
      name,
      out: [rows, 2],
      inputs: { [parts]: parts },
      body: `let s = 0.0; ${loopSum(count, `${part(0)} * ${width('i')}`)} const mean = s / ${n}.0; ${answer(spread, rstd)}`,
    },
  ];
}

/** Repeats x along axes of length 1 until it has the given shape of the same rank. Users call `expand`. */
const expandAxes: Op<[x: Tensor, options: { shape: Shape }]> = defineOp({
  name: 'expand',
  shape: (_, { shape }) => shape,
  vjp: ({ g }, x) => [() => sumTo(g, x.shape)],
  kernel: (y, x) => {
    const step = strides(x).map((s, i) => (x[i] === 1 ? 0 : s));
    return [{ out: threads(y), inputs: { x: 0 }, body: `return x[${address(indices(y), step)}];` }];
  },
});

/** x repeated to `shape` by NumPy's broadcasting rules. x [3, 1] → expand(x, [2, 3, 4]) */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = shape.length - x.rank;
  const padded = [...new Array<number>(Math.max(0, lead)).fill(1), ...x.shape];
  if (lead < 0 || padded.some((d, i) => d !== 1 && d !== shape[i])) {
    throw new ShapeError(
      `expand: expected a shape that ${show(x.shape)} broadcasts to, got ${show(shape)}. Axes must be equal or 1.`,
    );
  }
  const aligned = lead === 0 ? x : reshape(x, padded);
  return sameShape(padded, shape) ? aligned : expandAxes(aligned, { shape });
}

/** The opposite of expand: sums x over the axes that broadcasting stretched, down to `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return reshape(sum(x, axes, true), shape);
}

/**
 * Sum over axes.
 *
 * @param axes      one axis, several, or all when left out; negative axes count from the end
 * @param keepDims  leaves summed axes with length 1
 */
export function sum(x: Tensor, axes?: number | readonly number[], keepDims = false): Tensor {
  const list = axesOf('sum', x.shape, axes);
  let y = x;
  for (let i = 0; i < list.length; ) {
    let end = i + 1;
    while (end < list.length && list[end] === list[end - 1] + 1) end++;
    y = sumRange(y, { from: list[i], to: list[end - 1] + 1 });
    i = end;
  }
  return keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, i) => !list.includes(i)),
      );
}

/** Axes in rising order without repeats; all when `axes` is left out. */
export function axesOf(op: string, shape: Shape, axes?: number | readonly number[]): number[] {
  if (axes === undefined) return shape.map((_, i) => i);
  const list = (typeof axes === 'number' ? [axes] : axes).map((a) => normalizeAxis(op, a, shape.length));
  return [...new Set(list)].sort((a, b) => a - b);
}

type AxisOption = { axis: number };

/** Running sum along the last axis; `reverse` runs from the end. Users call `cumsum`. */
const runningSum: Op<[x: Tensor, options: { reverse: boolean }]> = defineOp({
  name: 'cumsum',
  shape: (x) => x,
  vjp: ({ g }, _, { reverse }) => [() => runningSum(g, { reverse: !reverse })],
  kernel: (_, x, { reverse }) => {
    const n = x.at(-1) ?? 1;
    const inside = reverse ? 'i >= this.thread.x' : 'i <= this.thread.x';
    return [
      {
        out: [n, numel(x) / n],
        inputs: { x: 0 },
        body: `let s = 0.0; for (let i = 0; i < ${n}; i++) { if (${inside}) { s += x[this.thread.y * ${n} + i]; } } return s;`,
      },
    ];
  },
});
/** y[…, i] = Σ_{j ≤ i} x[…, j] */
export const cumsum = (x: Tensor): Tensor => runningSum(x, { reverse: false });

/** Largest value along one axis, which stays with length 1. Users call `max`. */
const maxAlong: Op<[x: Tensor, options: AxisOption]> = defineOp({
  name: 'max',
  shape: (x, { axis }) => x.map((d, i) => (i === axis ? 1 : d)),
  vjp: ({ g }, x, { axis }) => [() => placeAt(g, argmaxAlong(x, { axis }), { axis, size: x.shape[axis] })],
  kernel: (_, x, { axis }) => {
    const { outer, n, inner, cell } = along(x, axis);
    return [
      {
        out: [inner, outer],
        inputs: { x: 0 },
        body: `let m = x[${cell('0')}]; for (let i = 0; i < ${n}; i++) { m = Math.max(m, x[${cell('i')}]); } return m;`,
      },
    ];
  },
});

/** Position of the first largest value along one axis, which is removed. Users call `argmax`. */
const argmaxAlong: Op<[x: Tensor, options: AxisOption]> = defineOp<[x: Tensor, options: AxisOption]>({
  name: 'argmax',
  dtype: 'int32',
  shape: (x, { axis }) => x.filter((_, i) => i !== axis),
  vjp: () => null,
  kernel: (_, x, { axis }) => {
    const { outer, n, inner, cell } = along(x, axis);
    return [
      {
        out: [inner, outer],
        inputs: { x: 0 },
        body: `let m = x[${cell('0')}]; let best = 0.0; for (let i = 0; i < ${n}; i++) { if (x[${cell('i')}] > m) { m = x[${cell('i')}]; best = i; } } return best;`,
      },
    ];
  },
});

/** g (axis of length 1) put at position `index` of an axis of length `size`, zero elsewhere: the gradient of max. */
export const placeAt: Op<[g: Tensor, index: Tensor, options: { axis: number; size: number }]> = defineOp({
  name: 'placeAt',
  shape: (g, _, { axis, size }) => g.map((d, i) => (i === axis ? size : d)),
  vjp: ({ g: u }, _, index, { axis }) => [() => pickAt(u, index, { axis })],
  kernel: (y, _g, _index, { axis }) => {
    const { outer, n, inner } = along(y, axis);
    const cell = address([quotient('this.thread.y', n), 'this.thread.x'], [inner, 1]);
    return [
      {
        out: [inner, outer * n],
        inputs: { g: 0, index: 1 },
        body: `return (index[${cell}] == ${remainder('this.thread.y', n)} ? g[${cell}] : 0.0);`,
      },
    ];
  },
});
/** x at position `index` of an axis, which stays with length 1: the gradient of placeAt. */
export const pickAt: Op<[x: Tensor, index: Tensor, options: AxisOption]> = defineOp({
  name: 'pickAt',
  shape: (x, _, { axis }) => x.map((d, i) => (i === axis ? 1 : d)),
  vjp: ({ g }, x, index, { axis }) => [() => placeAt(g, index, { axis, size: x.shape[axis] })],
  kernel: (_, x, _index, { axis }) => {
    const { outer, n, inner, cell } = along(x, axis);
    const at = address(['this.thread.y', 'this.thread.x'], [inner, 1]);
    return [
      {
        out: [inner, outer],
        inputs: { x: 0, index: 1 },
        body: `let s = 0.0; for (let i = 0; i < ${n}; i++) { if (i == index[${at}]) { s = x[${cell('i')}]; } } return s;`,
      },
    ];
  },
});

function along(x: Shape, axis: number) {
  const [outer, n, inner] = [numel(x.slice(0, axis)), x[axis], numel(x.slice(axis + 1))];
  const cell = (i: string) => address(['this.thread.y', i, 'this.thread.x'], [n * inner, inner, 1]);
  return { outer, n, inner, cell };
}

/** Largest value along an axis; its gradient goes to the first place that holds it. */
export function max(x: Tensor, axis = -1, keepDims = false): Tensor {
  const a = normalizeAxis('max', axis, x.rank);
  const y = maxAlong(x, { axis: a });
  return keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, i) => i !== a),
      );
}

/** Position of the first largest value along an axis (int32). */
export const argmax = (x: Tensor, axis = -1): Tensor => argmaxAlong(x, { axis: normalizeAxis('argmax', axis, x.rank) });
