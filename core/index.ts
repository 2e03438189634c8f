/**
 * Tensors, ops, gradients and devices. Reading order: shape, tensor, op, ops/, grad, update; then device, devices,
 * passes, reference, meta. What makes it fast is in cpu/ and gpu/.
 *
 * @module
 */
import './methods.ts';

// devices register themselves
import './cpu/index.ts';
import './reference.ts';
import './meta.ts';
import './gpu/index.ts';

export { type CheckGradientsOptions, checkGradients } from './check-gradients.ts';
export { mostThreads } from './cpu/platform.ts';
export {
  arange,
  eye,
  full,
  type NestedNumbers,
  ones,
  onesLike,
  randn,
  type TensorOptions,
  tensor,
  to,
  uniform,
  zeros,
  zerosLike,
} from './create.ts';
export {
  type Attributes,
  type Device,
  type Handle,
  isRef,
  type KernelArg,
  type KernelCall,
  type MatmulPrecision,
  matmulPrecisions,
  type Pass,
  type Ref,
} from './device.ts';
export {
  type DeviceOptions,
  defaultDevice,
  deviceNames,
  type OpenDevice,
  openDevice,
  registerDevice,
  setDefaultDevice,
  withDevice,
} from './devices.ts';
export { symmetricEigen } from './eigen.ts';
export {
  CheckpointError,
  DataError,
  DeviceError,
  expectKnown,
  expectNoPromise,
  expectOption,
  nearest,
  OptionError,
  OutOfMemoryError,
  ShapeError,
  suggestion,
} from './errors.ts';
export { firstNonFiniteIndex } from './finite.ts';
export type { Formula } from './formula.ts';
export { type GradOptions, grad, valueAndGrad } from './grad.ts';
export { metaDevice } from './meta.ts';
export {
  defineOp,
  isRecording,
  noGrad,
  type Observation,
  type Op,
  type OpSpec,
  observeOps,
  type ShapesOf,
} from './op.ts';
export {
  type AttentionOptions,
  type Axes,
  abs,
  acos,
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  add,
  argmax,
  argmin,
  argsort,
  attention,
  avgPool2d,
  batchNorm,
  type ConvOptions,
  type CrossEntropyOptions,
  clamp,
  concat,
  conv2d,
  convTranspose2d,
  cos,
  crossEntropy,
  cumsum,
  div,
  einsum,
  elementwise,
  embedding,
  equal,
  erf,
  exp,
  expand,
  flatten,
  floor,
  gather,
  gelu,
  geluTanh,
  groupNorm,
  l2Normalize,
  layerNorm,
  leakyRelu,
  less,
  lessEqual,
  linear,
  linears,
  log,
  logSoftmax,
  logsumexp,
  type MatmulOptions,
  matmul,
  max,
  maximum,
  maxPool2d,
  mean,
  mergeHeads,
  min,
  minimum,
  mul,
  narrow,
  nearestCode,
  neg,
  type Operand,
  oneHot,
  pad,
  permute,
  pow,
  prod,
  relu,
  reshape,
  resizeBilinear,
  round,
  rsqrt,
  samePadding,
  scatterAdd,
  selfAttention,
  sigmoid,
  sign,
  silu,
  sin,
  slice,
  softmax,
  sort,
  split,
  splitHeads,
  sqrt,
  square,
  squaredDistances,
  squeeze,
  stack,
  std,
  stopGradient,
  sub,
  sum,
  sumOfSquares,
  takeAlong,
  tanh,
  topk,
  transpose,
  tril,
  triu,
  unsqueeze,
  upsampleNearest,
  variance,
  where,
} from './ops/index.ts';
export { pack } from './packing.ts';
export { runPasses } from './passes.ts';
export { expectRng, Rng, type RngState, ZeroRng } from './random.ts';
export { expectNumber, expectWhole } from './ranges.ts';
export { recompute } from './recompute.ts';
export { broadcastShapes, divides, normalizeAxis, numel, type Shape, sameShape, show, strides } from './shape.ts';
export {
  type Arg,
  type DType,
  type Gradient,
  keep,
  memory,
  outermostScope,
  outsideScopes,
  Scope,
  Tensor,
  tensorScope,
  tensorsIn,
  tidy,
  type VjpContext,
} from './tensor.ts';
export { defineUpdate, type Update } from './update.ts';
export type { TensorData } from './values.ts';
