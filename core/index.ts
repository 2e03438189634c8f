/** Tensors, gradients and devices. Reading order: shape, tensor, op, ops/, grad, device, reference, cpu/. */
import './methods.ts';

export * from './create.ts';
export { type Device, type MatmulPrecision, matmulPrecisions } from './device.ts';
export * from './devices.ts';
export { symmetricEigen } from './eigen.ts';
export * from './errors.ts';
export * from './grad.ts';
export { isRecording, noGrad, type Observation, observeOps, registry } from './op.ts';
export * from './ops/index.ts';
export { joined } from './packing.ts';
export * from './random.ts';
export * from './shape.ts';
export {
  type DType,
  keep,
  memory,
  outsideScopes,
  Scope,
  Tensor,
  type TensorData,
  tensorScope,
  tensorsIn,
  tidy,
} from './tensor.ts';
export * from './update.ts';
