/** Every op of the library. Many are also methods of a tensor: `x.matmul(w)` is `matmul(x, w)`. */
export { type AttentionOptions, attention, selfAttention } from './attention.ts';
export { type ConvOptions, conv2d, convTranspose2d, samePadding } from './conv.ts';
export { type CrossEntropyOptions, crossEntropy } from './cross-entropy.ts';
export { einsum } from './einsum.ts';
export {
  abs,
  acos,
  add,
  clamp,
  cos,
  div,
  elementwise,
  equal,
  erf,
  exp,
  floor,
  gelu,
  geluTanh,
  leakyRelu,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  pow,
  relu,
  round,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from './elementwise.ts';
export { argmax, argmin, max, min } from './extremes.ts';
export { groupNorm } from './group-norm.ts';
export { mergeHeads, splitHeads } from './heads.ts';
export { embedding, gather, oneHot, scatterAdd, takeAlong } from './indexing.ts';
export { layerNorm } from './layer-norm.ts';
export { linear, linears } from './linear.ts';
export { type MatmulOptions, matmul } from './matmul.ts';
export { adaptiveMaxPool2d, maxPool2d } from './max-pool.ts';
export {
  concat,
  flatten,
  narrow,
  pad,
  permute,
  reshape,
  slice,
  split,
  squeeze,
  stack,
  stopGradient,
  transpose,
  unsqueeze,
} from './movement.ts';
export { nearestCode, squaredDistances } from './nearest.ts';
export { batchNorm, l2Normalize } from './normalize.ts';
export { type Axes, cumsum, expand, sum } from './reduce.ts';
export { adaptiveAvgPool2d, avgPool2d, resizeBilinear, upsampleNearest } from './resample.ts';
export { logSoftmax, logsumexp, softmax } from './softmax.ts';
export { argsort, sort, topk } from './sort.ts';
export { mean, prod, std, sumOfSquares, variance } from './statistics.ts';
export { tril, triu } from './triangle.ts';
