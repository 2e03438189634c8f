/**
 * MaskGIT: rows of tokens from a class. Knows ids only, not what they stand for.
 *
 * Reading order: config, masking, generator, bert, uvit, loss; transfer; guidance, gumbel, filter,
 * order, sampler, and plan, which makes it fast.
 *
 * @module
 */
export { ImageBert } from './bert.ts';
export { type GeneratorConfig, maskId, nullLabel, vocabularySize } from './config.ts';
export { createGenerator } from './create.ts';
export { keepLikeliest } from './filter.ts';
export { dropLabels, type ForwardOptions, type Generator, inputSequence, type TokenKinds } from './generator.ts';
export { type Guidance, guidanceAt } from './guidance.ts';
export { type MaskedLossOptions, maskedAccuracy, maskedTokenLoss, totalWeight } from './loss.ts';
export {
  type MaskDraws,
  type MaskedTokens,
  type MaskingSchedule,
  maskedCount,
  maskingSchedules,
  maskRatio,
  maskTokens,
  stillMasked,
} from './masking.ts';
export { haltonGridOrder, haltonOrder, type SamplingOrder, samplingOrders } from './order.ts';
export { laptopGenerators, laptopSampling, publishedGenerators, publishedSampling } from './presets.ts';
export {
  drawsFrom,
  type SamplingDraws,
  type SamplingState,
  type SamplingWork,
  sample,
  samplingSteps,
} from './sampler.ts';
export { noiseTemperature, type SamplingOptions, samplingDefaults, softmaxTemperature } from './sampling-options.ts';
export { startFrom } from './transfer.ts';
export { UViTBert } from './uvit.ts';
