/** ops: values and gradients of single operations. */
import {
  abs,
  acos,
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  add,
  argmax,
  argsort,
  attention,
  avgPool2d,
  batchNorm,
  clamp,
  concat,
  conv2d,
  convTranspose2d,
  crossEntropy,
  cumsum,
  div,
  embedding,
  exp,
  expand,
  gelu,
  geluTanh,
  grad,
  groupNorm,
  l2Normalize,
  layerNorm,
  leakyRelu,
  linear,
  log,
  logSoftmax,
  logsumexp,
  matmul,
  max,
  maxPool2d,
  mean,
  minimum,
  mul,
  narrow,
  nearestCode,
  pad,
  permute,
  relu,
  reshape,
  resizeBilinear,
  rsqrt,
  type Shape,
  samePadding,
  selfAttention,
  sigmoid,
  silu,
  softmax,
  sort,
  sqrt,
  square,
  squaredDistances,
  stopGradient,
  sub,
  sum,
  type Tensor,
  takeAlong,
  tanh,
  tensorScope,
  transpose,
  unsqueeze,
  upsampleNearest,
  variance,
  where,
} from '../../core/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';

/** An operation's attributes in the file's metadata; `out` is the shape of its first result. */
interface Attributes {
  readonly out: Shape;
  readonly dim?: number;
  readonly eps?: number;
  readonly groups?: number;
  readonly heads?: number;
  readonly label_smoothing?: number;
  readonly negative_slope?: number;
  readonly p1?: number;
  readonly p2?: number;
  readonly pad?: readonly [left: number, right: number, top: number, bottom: number];
  readonly padding?: number;
  readonly scale?: number;
  readonly size?: readonly [number, number];
  readonly stride?: number;
}

/** Computes results from inputs, attributes, and constants that are stored beside the inputs. */
type Operation = (x: Tensor[], attributes: Attributes, constant: (name: string) => Tensor) => Tensor | Tensor[];

export async function ops(file: GoldenFile, check: Comparison): Promise<void> {
  check.inputs(/\/(g?in|gout)\d+$|\/(kernel|running_mean|running_var)$/);
  for (const [name, stated] of Object.entries(file.metadata<Record<string, Omit<Attributes, 'out'>>>('ops'))) {
    const operation = operations[name];
    if (!operation) {
      check.unsupported.push(name);
      check.inputs(new RegExp(`^${name}/`));
      continue;
    }
    using _ = tensorScope();
    const stored = (kind: string) =>
      file
        .below(`${name}/${kind}`)
        .filter((rest) => /^\d+$/.test(rest))
        .sort();
    const inputs = stored('in').map((i) => file.tensor(`${name}/in${i}`));
    const attributes = { ...stated, out: file.shape(`${name}/out0`) };
    const results = [operation(inputs, attributes, (key) => constantOf(file, name, key))].flat();
    for (const [i, result] of results.entries()) await check.check(`${name}/out${i}`, result);
    const seeded = results.flatMap((result, i) =>
      file.has(`${name}/gout${i}`) ? [sum(mul(result, file.tensor(`${name}/gout${i}`)))] : [],
    );
    if (seeded.length === 0) continue;
    const wrt = stored('grad').map(Number);
    const gradients = grad(
      seeded.reduce((a, b) => add(a, b)),
      wrt.map((i) => inputs[i]),
    );
    for (const [k, i] of wrt.entries()) await check.check(`${name}/grad${i}`, gradients[k]);
  }
}

/**
 * A constant of this operation, or of the operation that it is a variant of (blur_downsample_odd has no kernel of its
 * own).
 */
function constantOf(file: GoldenFile, operation: string, key: string): Tensor {
  const owner = file.has(`${operation}/${key}`)
    ? operation
    : file.keys
        .find((k) => k.endsWith(`/${key}`) && operation.startsWith(k.slice(0, -key.length - 1)))
        ?.slice(0, -key.length - 1);
  return file.tensor(`${owner ?? operation}/${key}`);
}

const unary =
  (f: (x: Tensor) => Tensor): Operation =>
  ([x]) =>
    f(x);
const binary =
  (f: (a: Tensor, b: Tensor) => Tensor): Operation =>
  ([a, b]) =>
    f(a, b);

const conv: Operation = ([x, w, b], { stride = 1, padding = 0, groups = 1 }) =>
  conv2d(x, w, b ?? null, { stride, padding, groups });
const sameConv: Operation = ([x, w, b]) => conv2d(x, w, b ?? null, { padding: Math.floor(w.shape[2] / 2) });

/** Depthwise filter at every second pixel, padded as TensorFlow's "same": the odd pixel after. */
const blur: Operation = ([x], _, constant) => {
  const kernel = constant('kernel');
  const [, channels, height, width] = x.shape as [number, number, number, number];
  const size = kernel.shape[0];
  const padding = [...samePadding(height, size, 2), ...samePadding(width, size, 2)] as const;
  const weight = expand(reshape(kernel, [1, 1, size, size]), [channels, 1, size, size]);
  return conv2d(x, weight, null, { stride: 2, padding, groups: channels });
};

const resize =
  (antialias: boolean): Operation =>
  ([x], { size }) =>
    resizeBilinear(x, size!, { antialias });

const axesLost = (from: Shape, to: Shape): number[] => from.flatMap((d, i) => (d === to[i] ? [] : [i]));

const ce: Operation = ([logits, target], { label_smoothing = 0 }) =>
  mean(crossEntropy(logits, target, { smoothing: label_smoothing }));

const operations: Readonly<Record<string, Operation>> = {
  matmul: binary(matmul),
  matmul_batched: binary(matmul),
  matmul_broadcast: binary(matmul),
  linear: ([x, w, b]) => linear(x, w, b),
  add_broadcast: binary(add),
  mul_broadcast: binary(mul),
  sub_broadcast: binary(sub),
  div_broadcast: binary(div),
  exp: unary(exp),
  log: unary(log),
  sqrt: unary(sqrt),
  rsqrt: unary(rsqrt),
  abs: unary(abs),
  square: unary(square),
  tanh: unary(tanh),
  sigmoid: unary(sigmoid),
  silu: unary(silu),
  relu: unary(relu),
  leaky_relu_0p1: ([x], { negative_slope = 0.1 }) => leakyRelu(x, negative_slope),
  gelu_exact: unary(gelu),
  gelu_tanh: unary(geluTanh),
  gelu_exact_extreme: unary(gelu),
  softmax_last: unary((x) => softmax(x, -1)),
  softmax_dim1: ([x], { dim = 1 }) => softmax(x, dim),
  log_softmax: unary((x) => logSoftmax(x, -1)),
  softmax_large_logits: unary((x) => softmax(x, -1)),
  layer_norm: ([x, g, b], { eps = 1e-5 }) => layerNorm(x, g, b, eps),
  layer_norm_eps1e12: ([x, g, b], { eps = 1e-12 }) => layerNorm(x, g, b, eps),
  group_norm: ([x, g, b], { groups = 1, eps = 1e-5 }) => groupNorm(x, g, b, groups, eps),
  group_norm_one_channel_per_group: ([x, g, b], { groups = 1, eps = 1e-5 }) => groupNorm(x, g, b, groups, eps),
  batch_norm_train: ([x, g, b], { eps = 1e-5 }) => batchNorm(x, g, b, eps),
  batch_norm_eval_1d_no_affine: ([x], { eps = 1e-5 }, constant) =>
    batchNorm(x, null, null, eps, { mean: constant('running_mean'), variance: constant('running_var') }),
  conv2d_same3: conv,
  conv2d_nobias: conv,
  conv2d_1x1: conv,
  conv2d_patchify: conv,
  conv2d_stride2_pad: conv,
  conv2d_depthwise7: conv,
  conv2d_5x5_same: sameConv,
  blur_downsample: blur,
  blur_downsample_odd: blur,
  conv_transpose2d: ([x, w, b], { stride = 1, padding = 0 }) => convTranspose2d(x, w, b, { stride, padding }),
  upsample_nearest2x: unary((x) => upsampleNearest(x, 2)),
  interp_bilinear_up: resize(false),
  interp_bilinear_antialias_down: resize(true),
  interp_bilinear_antialias_down_256_224_ratio: resize(true),
  interp_bilinear_antialias_up: resize(true),
  avg_pool2x2: unary((x) => avgPool2d(x, 2)),
  max_pool2x2: unary((x) => maxPool2d(x, 2)),
  adaptive_max_pool_down: ([x], { size }) => adaptiveMaxPool2d(x, size!),
  adaptive_max_pool_up: ([x], { size }) => adaptiveMaxPool2d(x, size!),
  adaptive_avg_pool_1: unary((x) => adaptiveAvgPool2d(x, [1, 1])),
  cross_entropy_mean: ce,
  cross_entropy_smooth_mean: ce,
  cross_entropy_smooth_none: ([logits, target], { label_smoothing = 0 }) =>
    crossEntropy(transpose(logits, 1, 2), target, { smoothing: label_smoothing }),
  mse: binary((a, b) => mean(square(sub(a, b)))),
  l1: binary((a, b) => mean(abs(sub(a, b)))),
  embedding: binary(embedding),
  gather_last: binary(takeAlong),
  index_select: binary(embedding),
  cumsum: unary(cumsum),
  sum_dims: ([x], { out }) => sum(x, axesLost(x.shape, out), true),
  mean_all: unary((x) => mean(x)),
  var_unbiased: unary((x) => variance(x, -1)),
  max_last: unary((x) => max(x, -1)),
  logsumexp: unary((x) => logsumexp(x, -1)),
  l2_normalize: ([x], { eps = 1e-12 }) => l2Normalize(x, -1, eps),
  l2_normalize_zero_row: ([x], { eps = 1e-12 }) => l2Normalize(x, -1, eps),
  permute_reshape: ([x], { out }) => reshape(permute(x, [0, 2, 1]), out),
  legacy_reshape: ([x], { out }) => reshape(x, out),
  cat_slice: ([a, b], { out }) => narrow(concat([a, b], 1), 1, 1, out[1]),
  pad_zero: ([x], { pad: around = [0, 0, 0, 0] }) => {
    const [left, right, top, bottom] = around;
    return pad(x, [0, 0, top, left], [0, 0, bottom, right]);
  },
  chunk_clamp_exp: unary((x) => {
    const half = x.shape[1] / 2;
    return exp(mul(0.5, clamp(narrow(x, 1, half, half), -30, 20)));
  }),
  clamp01: unary((x) => clamp(x, 0, 1)),
  where: ([c, a, b]) => where(c, a, b),
  attention: ([q, k, v], { scale }) => attention(q, k, v, { scale }),
  mha: ([x, inWeight, inBias, outWeight, outBias], { heads = 1 }) =>
    linear(selfAttention(linear(x, inWeight, inBias), heads), outWeight, outBias),
  cdist: binary((a, b) => sqrt(sum(square(sub(unsqueeze(a, 1), unsqueeze(b, 0))), -1))),
  sq_distance_expanded: binary(squaredDistances),
  argmin_distance: binary(nearestCode),
  argsort: unary((x) => argsort(x)),
  sort: unary((x) => sort(x)),
  argmax: unary((x) => argmax(x, -1)),
  straight_through: binary((z, q) => add(z, stopGradient(sub(q, z)))),
  rearrange_pixelshuffle: ([x], { p1 = 1, p2 = 1 }) => {
    const [b, channels, h, w] = x.shape as [number, number, number, number];
    const c = channels / (p1 * p2);
    const split = permute(reshape(x, [b, p1, p2, c, h, w]), [0, 3, 4, 1, 5, 2]); // [b, c, h, p1, w, p2]
    return reshape(split, [b, c, h * p1, w * p2]);
  },
  einsum_soft_codebook: binary((logits, codebook) => {
    const [b, n, h, w] = logits.shape as [number, number, number, number];
    const p = softmax(reshape(logits, [b, n, h * w]), 1);
    const soft = matmul(codebook, p, { transposeA: true }); // [b, d, h·w]
    return reshape(soft, [b, codebook.shape[1], h, w]);
  }),
  hinge_real: unary((logits) => mean(relu(sub(1, logits)))),
  grad_norm_clip: (gradients) => {
    const norm = sqrt(gradients.map((g) => sum(square(g))).reduce((a, b) => add(a, b)));
    const coefficient = stopGradient(minimum(1, div(1, add(norm, 1e-6))));
    return gradients.map((g) => mul(g, coefficient));
  },
  timesteps_acos: unary(acos),
};
