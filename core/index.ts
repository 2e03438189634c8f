/** Tensors, gradients and devices. Reading order: shape, tensor, op, ops/, grad, device, reference, cpu/. */
import './cpu/index.ts';
import './gpu/index.ts';
import './methods.ts';
import './reference.ts';

export { type CheckGradientsOptions, checkGradients } from './check-gradients.ts';
export * from './create.ts';
export {
  type Device,
  type Handle,
  type KernelCall,
  type MatmulPrecision,
  matmulPrecisions,
  type Pass,
} from './device.ts';
export * from './devices.ts';
export * from './errors.ts';
export * from './grad.ts';
export { metaDevice } from './meta.ts';
export { defineOp, isRecording, noGrad, type Observation, type Op, observeOps, opTable } from './op.ts';
export * from './ops/index.ts';
export { pack } from './packing.ts';
export { runPasses } from './passes.ts';
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
