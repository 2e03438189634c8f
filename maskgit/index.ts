/** Generating rows of tokens from a class: two transformers, the masked-token loss, and the sampling loop. */
export { ImageBert } from './bert.ts';
export {
  type GeneratorConfig,
  laptopGenerators,
  laptopSampling,
  maskId,
  nullLabel,
  publishedGenerators,
  publishedSampling,
  vocabularySize,
} from './config.ts';
export { createGenerator } from './create.ts';
export { dropLabels, type Generator, inputSequence } from './generator.ts';
export { type MaskedLossOptions, maskedAccuracy, maskedTokenLoss } from './loss.ts';
export {
  type MaskDraws,
  type MaskedTokens,
  maskedCount,
  maskRatio,
  maskTokens,
  type Schedule,
  schedules,
  stillMasked,
} from './masking.ts';
export {
  drawsFrom,
  type Guidance,
  guidanceAt,
  noiseTemperature,
  type SamplingDraws,
  type SamplingOptions,
  type SamplingState,
  sample,
  samplingSteps,
  softmaxTemperature,
} from './sampler.ts';
export { UViTBert } from './uvit.ts';
