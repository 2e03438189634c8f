/**
 * Layers, losses, optimizers and the state of models. Knows nothing of images.
 *
 * @module
 */
export { Adam, type AdamOptions, AdamW } from './adam.ts';
export { MultiheadAttention, type MultiheadAttentionOptions, type TokenRange } from './attention.ts';
export { block, recomputeBlocks } from './block.ts';
export { clipCoefficient, clipGradNorm, globalNorm } from './clip.ts';
export { Conv2d, type Conv2dOptions, ConvTranspose2d } from './conv.ts';
export { dropout } from './dropout.ts';
export { Ema, type EmaOptions, emaDecay } from './ema.ts';
export { Embedding } from './embedding.ts';
export { finiteGradients, firstNonFinite, NonFiniteError } from './finite.ts';
export { fanInUniform, parameter, truncatedNormal, xavierUniform } from './init.ts';
export { type KMeansOptions, kMeans } from './k-means.ts';
export { Linear } from './linear.ts';
export { l1, mse } from './losses.ts';
export { type LoadOptions, loadStateDict, pick, type StateDict, type StateValue, stateDict } from './module.ts';
export { isHiddenMatrix, Muon, type MuonOptions, orthogonalize } from './muon.ts';
export { GroupNorm, LayerNorm } from './norm.ts';
export {
  decaysWeight,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  type StepOptions,
  type UpdateState,
  zerosFor,
} from './optimizer.ts';
export { countParameters, parameterShapes } from './parameter-shapes.ts';
export { BinaryQuantizer, type BinaryQuantizerOptions, bitsFor } from './quantizers/binary.ts';
export {
  codeDim,
  createQuantizer,
  type QuantizerConfig,
  type QuantizerName,
  quantizerNames,
  sizesNear,
} from './quantizers/create.ts';
export { EmaCodebook, type EmaCodebookOptions, latentRows } from './quantizers/ema.ts';
export { FiniteScalarQuantizer, type FiniteScalarQuantizerOptions, fsqLevels } from './quantizers/fsq.ts';
export type { Quantized, Quantizer } from './quantizers/quantizer.ts';
export { rotated } from './quantizers/rotation.ts';
export { SimVQ } from './quantizers/simvq.ts';
export { VectorQuantizer, type VectorQuantizerOptions } from './quantizers/vq.ts';
export { type CosineOptions, constantSchedule, cosineSchedule, type LearningRateSchedule } from './schedule.ts';
export { Sequential } from './sequential.ts';
export { SGD, type SGDOptions } from './sgd.ts';
export { type Layer, runBlocks, runInTurn, type Tap, tapUnder } from './tap.ts';
export { TransformerBlock } from './transformer.ts';
export { moveTowards } from './updates.ts';
