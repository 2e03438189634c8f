/** What only the published models need: their perceptual losses, discriminator and configuration files. */
export { ConvNext, type ConvNextConfig, convNextSmall } from './convnext.ts';
export { PatchDiscriminator, type PatchDiscriminatorConfig, publishedDiscriminator } from './discriminator.ts';
export { Lpips, vgg16Widths } from './lpips.ts';
export {
  configFromOfficial,
  type OfficialConfig,
  type OfficialSize,
  type OfficialVqganConfig,
  officialFromConfig,
  vqganFromOfficial,
} from './official.ts';
export { type PerceptualNetworks, PublishedPerceptualLoss, perceptualWeights } from './perceptual.ts';
export { perceptualNames, perceptualSizes } from './perceptual-files.ts';
export { softCodes } from './soft-codes.ts';
