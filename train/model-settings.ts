/** Settings that several stages share: a TiTok's sizes, and the weights of a loss between images. */
import * as z from 'zod';
import { quantizerNames } from '../nn/index.ts';
import type { ReconstructionWeights, TiTokConfig, TransformerConfig } from '../titok/index.ts';
import { count, depth, flag, group, internal, oneOf, side, weight } from './settings.ts';
import { codesFit, fitting, headsDivideWidth, patchesFill, tokensArePatches } from './together.ts';

const transformer = ({ width, layers, heads, patchSize }: TransformerConfig) => ({
  width: count(width, 'width; the MLP is 4 times as wide'),
  layers: depth(layers, 'transformer blocks'),
  heads: count(heads, 'attention heads; a divisor of the width'),
  patchSize: side(patchSize, 'side of a patch, pixels'),
});

/** The numbers and switches of a TiTok. Its head, and what follows from the teacher, are set by the stage. */
export function titokSettings(config: TiTokConfig, head: TiTokConfig['head']) {
  const decoder = transformer(config.decoder);
  const sameHeads = fitting(headsDivideWidth);
  const quantizeMode = oneOf(['vq', 'vae'], config.quantizeMode, 'tokens are codes; or continuous, from a Gaussian');
  return group({
    variant: oneOf(['1d', '2d'], config.variant ?? '1d', "tokens are latents; or, for comparison, the encoder's patches"),
    imageSize: side(config.imageSize, 'width and height of the images, pixels'),
    latentTokens: count(config.latentTokens, 'tokens per image'),
    codebookSize: count(config.codebookSize, 'different tokens'),
    tokenSize: count(config.tokenSize, 'numbers per code'),
    variableLength: flag(false, 'the first tokens of a row decode to a picture, however many they are'),
    encoder: group(transformer(config.encoder)).superRefine(sameHeads),
    decoder: group(head === 'proxy' ? { ...decoder, patchSize: internal(decoder.patchSize) } : decoder).superRefine(
      sameHeads,
    ),
    quantizer: oneOf(
      quantizerNames,
      'vq',
      'how latents become tokens; fsq, ifsq, lfq and bsq have fixed codes and decide tokenSize by themselves',
    ),
    quantizeMode: head === 'proxy' ? internal(quantizeMode) : quantizeMode,
    l2Norm: flag(config.l2Norm, 'latents and codes on the unit sphere, as published; of vq, rotation and simvq'),
    commitmentCost: weight(config.commitmentCost, 'weight of the commitment loss in the quantizer loss, as published'),
    entropyCost: weight(0.1, 'weight of the entropy loss in the quantizer loss of lfq and bsq'),
    legacy: flag(config.legacy, "the published weights' reshape, which mixes all latent tokens"),
    head: internal(z.enum(['proxy', 'pixels']).default(head)),
    proxyCodebookSize: internal(count(config.proxyCodebookSize, "codes of the teacher's codebook")),
    pixels: internal(z.strictObject({ mean: z.number(), std: z.number().gt(0) }).optional()),
    pixelDecoder: internal(z.custom<TiTokConfig['pixelDecoder']>().default(null)),
    init: oneOf(
      ['published', 'width', 'fan-in'],
      config.init,
      'starting weights; at width 128 the published ones leave the latents empty',
    ),
  }).superRefine(head === 'proxy' ? fitting(codesFit, patchesFill('encoder'), tokensArePatches) : fitting(codesFit, patchesFill('encoder'), patchesFill('decoder'), tokensArePatches)); // biome-ignore format: one thought
}

const about: Readonly<Record<keyof ReconstructionWeights, string>> = {
  l2: 'of the mean squared error',
  l1: 'of the mean absolute error',
  gradient: 'of the L1 distance of image gradients: sharper edges',
  perceptual: 'of the distance between MobileNetV2 features',
  adversarial: "of the discriminator's verdict",
  quantizer: "of the quantizer's loss",
  kl: 'of the KL divergence',
};

/** Weights of `reconstructionLoss`; only the terms in `used` are options, a stage has no use for the others and refuses their weights. */
export function reconstructionWeights(values: ReconstructionWeights, used: readonly (keyof ReconstructionWeights)[]) {
  const term = (name: keyof ReconstructionWeights) => {
    const setting = weight(values[name], about[name]);
    if (used.includes(name)) return setting;
    const none = z.number().refine((w) => w === values[name], `${values[name]}, as this stage has no such term`);
    return internal(none.default(values[name]));
  };
  return group({
    l2: term('l2'),
    l1: term('l1'),
    gradient: term('gradient'),
    perceptual: term('perceptual'),
    adversarial: term('adversarial'),
    quantizer: term('quantizer'),
    kl: term('kl'),
  });
}
