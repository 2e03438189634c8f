/**
 * Tensors, ops, gradients and devices. Reading order: shape, tensor, op, ops/, grad, update; then device, devices,
 * passes, reference, meta. What makes it fast is in cpu/ and gpu/.
 */
import './methods.ts';

// devices register themselves
import './cpu/index.ts';
import './reference.ts';
import './meta.ts';
import './gpu/index.ts';

export { type CheckGradientsOptions, checkGradients } from './check-gradients.ts';
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
  expectOption,
  nearest,
  OptionError,
  ShapeError,
  suggestion,
} from './errors.ts';
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
export * from './ops/index.ts';
export { pack } from './packing.ts';
export { runPasses } from './passes.ts';
export { Rng, type RngState } from './random.ts';
export { broadcastShapes, normalizeAxis, numel, type Shape, sameShape, show, strides } from './shape.ts';
export {
  type Arg,
  type DType,
  type Gradient,
  keep,
  memory,
  outsideScopes,
  Scope,
  Tensor,
  type TensorData,
  tensorScope,
  tensorsIn,
  tidy,
  type VjpContext,
} from './tensor.ts';
export { defineUpdate, type Update } from './update.ts';
