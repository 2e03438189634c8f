/** One row per op: how to call it and on what shapes. Gradient, parity and device tests walk this table. */
import * as T from '../core/index.ts';
import { numel, type Shape, type Tensor } from '../core/index.ts';
import { selfAttentionGrad } from '../core/ops/attention-grad.ts';
import { conv2dGradInput, conv2dGradWeight } from '../core/ops/conv.ts';
import { crossEntropyGrad } from '../core/ops/cross-entropy.ts';
import { upperShare } from '../core/ops/elementwise.ts';
import { groupNormGrad, groupNormGradGain } from '../core/ops/group-norm.ts';
import { embeddingGrad, takeAlongGrad } from '../core/ops/indexing.ts';
import { layerNormGrad, layerNormGradAffine } from '../core/ops/layer-norm.ts';
import { adaptiveMaxPoolGrad, pickMaxima } from '../core/ops/max-pool.ts';
import { logSoftmaxGrad, softmaxGrad } from '../core/ops/softmax.ts';
import { rsqrtPlus } from '../core/ops/standardize.ts';

export interface Row {
  call: (...xs: Tensor[]) => Tensor;
  /** Input shapes for axis lengths m, k, n ≥ 1. */
  shapes: (m: number, k: number, n: number) => Shape[];
  /** Inputs are uniform in this range; by default [−1, 1]. */
  range?: readonly [number, number];
  /** Inputs are kept this far from each other and from 0, where the op has corners. */
  apart?: boolean;
  /** Results are ids or piecewise constant: no gradient to check. */
  constant?: boolean;
}

const same = (m: number, k: number): Shape[] => [[m, k]];
const pair = (m: number, k: number): Shape[] => [
  [m, k],
  [m, k],
];
const positive = [0.3, 2] as const;
const ids = (like: Tensor, shape: Shape, below: number): Tensor =>
  T.tensor(
    Int32Array.from({ length: numel(shape) }, (_, i) => (i * 7 + 3) % below),
    shape,
    { dtype: 'int32', device: like.device },
  );
/** A tall picture: [n, c, h, w] with sides that divide by 2. */
const picture = (m: number, k: number): Shape => [2, k, 4, 2 * m];
const conv: T.ConvOptions = { stride: [2, 1], padding: [1, 2, 0, 1] };
const settled = { stride: [2, 1], padding: [1, 2, 0, 1], groups: 1 } as const;

export const rows: Record<string, Row> = {
  add: {
    call: T.add,
    shapes: (m, k, n) => [
      [m, 1, n],
      [k, n],
    ],
  },
  sub: {
    call: T.sub,
    shapes: (m, k, n) => [
      [m, k, n],
      [k, 1],
    ],
  },
  mul: { call: T.mul, shapes: (m, k) => [[m, k], []] },
  div: { call: T.div, shapes: pair, range: positive },
  maximum: { call: T.maximum, shapes: pair, apart: true },
  minimum: { call: T.minimum, shapes: pair, apart: true },
  upperShare: {
    call: (g, a, b) => upperShare(g, T.stopGradient(a), T.stopGradient(b)),
    shapes: (m, k) => [[m, k], ...pair(m, k)],
    apart: true,
  },
  pow: { call: T.pow, shapes: pair, range: positive },
  neg: { call: T.neg, shapes: same },
  exp: { call: T.exp, shapes: same },
  log: { call: T.log, shapes: same, range: positive },
  sqrt: { call: T.sqrt, shapes: same, range: positive },
  rsqrt: { call: T.rsqrt, shapes: same, range: positive },
  rsqrtPlus: { call: (x) => rsqrtPlus(x, 0.1), shapes: same, range: positive },
  inverseNorm: { call: (x) => T.l2Normalize(x), shapes: (m, k) => [[m, k + 1]], apart: true },
  abs: { call: T.abs, shapes: same, apart: true },
  square: { call: T.square, shapes: same },
  sin: { call: T.sin, shapes: same },
  cos: { call: T.cos, shapes: same },
  acos: { call: T.acos, shapes: same, range: [-0.8, 0.8] },
  floor: { call: T.floor, shapes: same, range: [-3, 3], constant: true },
  round: { call: T.round, shapes: same, range: [-3, 3], constant: true },
  sign: { call: T.sign, shapes: same, constant: true },
  clamp: { call: (x) => T.clamp(x, -0.55, 0.55), shapes: same, apart: true },
  less: { call: T.less, shapes: pair, constant: true },
  lessEqual: { call: T.lessEqual, shapes: pair, constant: true },
  equal: { call: (x) => T.equal(x, x), shapes: same, constant: true },
  where: { call: (c, a, b) => T.where(T.less(c, 0), a, b), shapes: (m, k) => [[m, k], [m, k], [k]], apart: true },
  tanh: { call: T.tanh, shapes: same, range: [-4, 4] },
  erf: { call: T.erf, shapes: same, range: [-3, 3] },
  sigmoid: { call: T.sigmoid, shapes: same, range: [-6, 6] },
  relu: { call: T.relu, shapes: same, apart: true },
  leakyRelu: { call: (x) => T.leakyRelu(x, 0.1), shapes: same, apart: true },
  silu: { call: T.silu, shapes: same, range: [-5, 5] },
  gelu: { call: T.gelu, shapes: same, range: [-4, 4] },
  geluTanh: { call: T.geluTanh, shapes: same, range: [-4, 4] },

  reshape: { call: (x) => T.reshape(x, [-1]), shapes: same },
  permute: { call: (x) => T.permute(x, [2, 0, 1]), shapes: (m, k, n) => [[m, k, n]] },
  slice: { call: (x) => T.slice(x, [1, 0], [-1, 1]), shapes: (m, k) => [[m + 1, k]] },
  pad: { call: (x) => T.pad(x, [1, 0], [0, 2]), shapes: same },
  concat: {
    call: (...xs) => T.concat(xs, 1),
    shapes: (m, k, n) => [
      [m, k],
      [m, n],
      [m, 1],
    ],
  },
  expand: { call: (x) => T.expand(x, [3, x.shape[0], 4]), shapes: (m) => [[m, 1]] },
  sum: { call: (x) => T.sum(x, [0, 2]), shapes: (m, k, n) => [[m, k, n]] },
  cumsum: { call: (x) => T.cumsum(x), shapes: same },
  sumOfSquares: { call: (...xs) => T.sumOfSquares(xs), shapes: (m, k, n) => [[m, k], [n]] },
  max: { call: (x) => T.max(x, 1), shapes: (m, k, n) => [[m, k, n]], apart: true },
  argmax: { call: (x) => T.argmax(x, 0), shapes: same, constant: true },
  argsort: { call: (x) => T.argsort(x), shapes: same, constant: true },

  matmul: {
    call: (a, b) => T.matmul(a, b),
    shapes: (m, k, n) => [
      [2, m, k],
      [2, k, n],
    ],
  },
  linear: { call: (x, w, b) => T.linear(x, w, b), shapes: (m, k, n) => [[2, m, k], [n, k], [n]] },
  linears: {
    call: (x, v, w, b, c) => T.linears(x, [v, w], [b, c]),
    shapes: (m, k, n) => [[2, m, k], [n, k], [n, k], [n], [n]],
  },
  embedding: { call: (t) => T.embedding(t, ids(t, [2, 3], t.shape[0])), shapes: same },
  embeddingGrad: { call: (g) => embeddingGrad(g, ids(g, [g.shape[0]], 3), { rows: 3 }), shapes: same },
  takeAlong: { call: (x) => T.takeAlong(x, ids(x, [x.shape[0], 3], x.shape[1])), shapes: same },
  takeAlongGrad: { call: (g) => takeAlongGrad(g, ids(g, g.shape, 3), { size: 3 }), shapes: same },
  softmax: { call: (x) => T.softmax(x), shapes: same, range: [-3, 3] },
  softmaxGrad: { call: softmaxGrad, shapes: pair },
  logSoftmax: { call: (x) => T.logSoftmax(x, 0), shapes: same, range: [-3, 3] },
  logSoftmaxGrad: { call: logSoftmaxGrad, shapes: pair },
  crossEntropy: {
    call: (x) => T.crossEntropy(x, ids(x, [x.shape[0]], x.shape[1]), { smoothing: 0.1 }),
    shapes: same,
  },
  crossEntropyGrad: {
    call: (x, g) => crossEntropyGrad(x, ids(x, [x.shape[0]], x.shape[1]), g, { smoothing: 0.1 }),
    shapes: (m, k) => [[m, k], [m]],
  },
  selfAttention: { call: (qkv) => T.selfAttention(qkv, 2), shapes: (m, k) => [[2, m, 6 * k]] },
  selfAttentionGrad: {
    call: (qkv, g) => selfAttentionGrad(qkv, g, { heads: 2 }),
    shapes: (m, k) => [
      [2, m, 6 * k],
      [2, m, 2 * k],
    ],
  },

  conv2d: { call: (x, w, b) => T.conv2d(x, w, b, conv), shapes: (m, k, n) => [[2, k, 3, m + 2], [n, k, 2, 3], [n]] },
  conv2dGradInput: {
    call: (g, w) => conv2dGradInput(g, w, { ...settled, size: [3, w.shape[3] + 1] }),
    shapes: (m, k, n) => [
      [2, k, 3, 3],
      [k, n, 2, m],
    ],
  },
  conv2dGradWeight: {
    call: (x, g) => conv2dGradWeight(x, g, { ...settled, kernel: [2, 3] }),
    shapes: (m, k, n) => [
      [2, k, 3, m + 2],
      [2, n, 3, m + 1],
    ],
  },
  upsampleNearest: { call: (x) => T.upsampleNearest(x, 2), shapes: (m, k) => [picture(m, k)] },
  avgPool2d: { call: (x) => T.avgPool2d(x, 2), shapes: (m, k) => [picture(m, k)] },
  adaptiveMaxPool2d: { call: (x) => T.adaptiveMaxPool2d(x, [3, 2]), shapes: (m, k) => [picture(m, k)], apart: true },
  adaptiveMaxPoolGrad: {
    call: (x, g) => adaptiveMaxPoolGrad(T.stopGradient(x), g, { size: [3, 2] }),
    shapes: (m, k) => [picture(m, k), [2, k, 3, 2]],
    apart: true,
  },
  pickMaxima: {
    call: (x, u) => pickMaxima(T.stopGradient(x), u, { size: [3, 2] }),
    shapes: (m, k) => [picture(m, k), picture(m, k)],
    apart: true,
  },
  nearestCode: {
    call: T.nearestCode,
    shapes: (m, k, n) => [
      [m, k],
      [n, k],
    ],
    constant: true,
  },

  layerNorm: {
    call: (x, w, b) => T.layerNorm(x, w, b, 1e-3),
    shapes: (m, k) => [[m, k + 1], [k + 1], [k + 1]],
    apart: true,
  },
  layerNormGrad: {
    call: (x, w, g) => layerNormGrad(x, w, g, { eps: 1e-1 }),
    shapes: (m, k) => [[m, k + 1], [k + 1], [m, k + 1]],
  },
  layerNormGradAffine: {
    call: (x, g) => layerNormGradAffine(x, g, { eps: 1e-1 }),
    shapes: (m, k) => [
      [m, k + 1],
      [m, k + 1],
    ],
  },
  groupNorm: {
    call: (x, w, b) => T.groupNorm(x, w, b, 2, 1e-1),
    shapes: (m, k, n) => [[m, 2 * k, n, 2], [2 * k], [2 * k]],
  },
  groupNormGrad: {
    call: (x, w, g) => groupNormGrad(x, w, g, { groups: 2, eps: 1e-1 }),
    shapes: (m, k, n) => [[m, 2 * k, n, 2], [2 * k], [m, 2 * k, n, 2]],
  },
  groupNormGradGain: {
    call: (x, g) => groupNormGradGain(x, g, { groups: 2, eps: 1e-1 }),
    shapes: (m, k, n) => [
      [m, 2 * k, n, 2],
      [m, 2 * k, n, 2],
    ],
  },
};

/** Values for a row's input: uniform in its range, or a shuffled grid, another one for each input, that avoids corners. */
export function draw(row: Row, shape: Shape, rng: T.Rng, input = 0): Float32Array {
  const [low, high] = row.range ?? [-1, 1];
  const n = numel(shape);
  if (!row.apart) return rng.uniforms(n, low, high);
  const places = rng.permutation(n);
  return Float32Array.from(
    places,
    (p) => Math.fround(low + ((high - low) * (p + 0.2 + 0.3 * input + 0.1 * rng.uniform())) / n) || 0.1,
  );
}
