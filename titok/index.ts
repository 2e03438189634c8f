/**
 * TiTok: images ⇄ a short row of tokens, with its 2-D teachers.
 *
 * Reading order: config, encoder, decoder, model; lean-teacher, vqgan, teacher; loss, discriminator, mobilenet;
 * codes, heat-map, fit-tokens. What only the published models need is in published/.
 *
 * @module
 */
export {
  adaptiveWeight,
  discriminatorFactor,
  hingeDiscriminatorLoss,
  hingeGeneratorLoss,
  LeCam,
  lecam,
} from './adversarial.ts';
export { codebookComponents, type NearCodes, nearestCodes, readCodes } from './codes.ts';
export {
  checkConfig,
  gridOf,
  hasUnitCodes,
  latentDim,
  patchSizeOf,
  presets,
  type TeacherConfig,
  type TiTokConfig,
  type TransformerConfig,
  transformerSizes,
  warmupConfig,
  withTokenSize,
} from './config.ts';
export { TiTokDecoder } from './decoder.ts';
export { type Discriminator, discriminatorParameters, SmallDiscriminator } from './discriminator.ts';
export { TiTokEncoder } from './encoder.ts';
export { type FitOptions, type FitState, fitTokens } from './fit-tokens.ts';
export { gradientL1 } from './gradient-l1.ts';
export { type HeatMapOptions, tokenHeatMap } from './heat-map.ts';
export { LeanDecoder, LeanEncoder, type LeanTeacherConfig, leanTeacher } from './lean-teacher.ts';
export {
  discriminatorLoss,
  embeddingLoss,
  klLoss,
  laptopFinetune,
  laptopSingleStage,
  laptopWarmup,
  leanTeacherWeights,
  proxyCrossEntropy,
  publishedFinetune,
  publishedSingleStage,
  publishedVae,
  publishedWarmup,
  type ReconstructionParts,
  type ReconstructionWeights,
  reconstructionLoss,
  type Terms,
  type WarmupParts,
  type WarmupWeights,
  warmupLoss,
} from './loss.ts';
export {
  MobileNetTrunk,
  mobileNetLoss,
  type PerceptualLoss,
  perceptualDistance,
  perceptualDistances,
  type TrunkFile,
} from './mobilenet.ts';
export { isTrainedInStage2, TiTok, throughTokens, withPixelDecoder, withPixelsFolded } from './model.ts';
export { startFromPca } from './pca-start.ts';
export { klDivergence, type Posterior, posteriorOf, samplePosterior } from './posterior.ts';
export {
  ConvNext,
  type ConvNextConfig,
  configFromOfficial,
  convNextSmall,
  Lpips,
  type OfficialConfig,
  type OfficialVqganConfig,
  officialFromConfig,
  PatchDiscriminator,
  type PatchDiscriminatorConfig,
  type PerceptualNetworks,
  PublishedPerceptualLoss,
  perceptualNames,
  perceptualSizes,
  perceptualWeights,
  publishedDiscriminator,
  softCodes,
  vgg16Widths,
  vqganFromOfficial,
} from './published/index.ts';
export { drawTails, expectLength, keepFirst, tailLengths } from './tail.ts';
export { decodeArgmax, decodeSoft, type Encoded, type PixelDecoder, softLatents, Teacher } from './teacher.ts';
export { publishedVqgan, type VqganConfig, VqganDecoder, VqganEncoder } from './vqgan.ts';
