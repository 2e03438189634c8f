/** Sampling from a generator of tokens: class → tokens → pixels. */
import type * as z from 'zod';
import { noGrad, type Tensor, tensor, tidy } from '../core/index.ts';
import {
  drawsFrom,
  type Generator,
  laptopSampling,
  maskingSchedules,
  type SamplingOptions,
  sample,
  samplingOrders,
} from '../maskgit/index.ts';
import type { TiTok } from '../titok/index.ts';
import { imagesAtOnce, inParts } from './image-batches.ts';
import type { Sampler } from './sampler.ts';
import { count, flag, group, oneOf, probability, weight } from './settings.ts';

/** The masking schedules by name. */
export const scheduleNames = Object.keys(maskingSchedules) as (keyof typeof maskingSchedules)[];

/** How pictures are sampled. After 1,000 updates a weak pull is best: FD 39 at guidance 2 and temperature 3, 42 at 4.5 and 4. */
export const samplingSettings = group({
  steps: count(laptopSampling.tiny.steps, 'rounds of filling in tokens', { most: 1000 }),
  guidance: oneOf(
    ['constant', 'linear', 'power-cosine'],
    laptopSampling.tiny.guidance,
    'how guidance grows over the rounds',
  ),
  guidanceScale: weight(laptopSampling.tiny.guidanceScale, 'strength of classifier-free guidance', { most: 1000 }),
  guidancePower: weight(3, 'exponent of power-cosine guidance', { most: 1000 }),
  randomizeTemperature: weight(laptopSampling.tiny.randomizeTemperature, 'noise in the choice of tokens to keep', {
    most: 1000,
  }),
  annealing: flag(laptopSampling.tiny.annealing, 'logits are divided by a temperature that falls over the rounds'),
  schedule: oneOf(scheduleNames, 'arccos', 'how many tokens are still masked after each round'),
  order: oneOf(
    samplingOrders,
    'confidence',
    'tokens kept first: the surest, or positions far apart in a row (halton) or a square grid (halton-2d); arXiv:2503.17076',
  ),
  topK: count(0, 'draw from this many of the likeliest tokens; 0: from all', { least: 0 }),
  topP: probability(1, 'draw from the likeliest tokens that have this probability together; 1: from all'),
});

/** A trained generator, the classes that it knows, and how to sample from it. */
export interface TrainedGenerator {
  readonly generator: Generator;
  readonly classes: readonly string[];
  readonly sampling: SamplingOptions;
}

/** What turns tokens into images: a TiTok, or a teacher. */
interface TokenDecoder {
  /** tokens [batch, K] → images [batch, 3, size, size] */
  decodeTokens(tokens: Tensor): Tensor;
}

/** Draws tokens of all images, then decodes them. @param decoder  of images that are `imageSize` pixels wide */
export function tokenSampler(
  { generator, classes, sampling: trained }: TrainedGenerator,
  decoder: TokenDecoder,
  imageSize: number,
  madeWith: Sampler['madeWith'],
): Sampler<SamplingOptions> {
  const { latentTokens } = generator.config;
  return {
    classes,
    imageSize,
    settings: samplingSettings as z.ZodType<SamplingOptions>,
    sampling: trained,
    madeWith,
    async *draw(labels, rng, { sampling = trained, onProgress, batchSize } = {}) {
      let total = labels.length;
      const ids = await sample(generator, labels, sampling, drawsFrom(rng), {
        ...(batchSize !== undefined && { rowsAtOnce: batchSize }),
        onProgress(done, all) {
          total = all + labels.length; // pictures to decode
          onProgress?.(done, total);
        },
      });
      const rows = Array.from({ length: labels.length }, (_, i) => i);
      for (const part of inParts(rows, Math.min(batchSize ?? Number.POSITIVE_INFINITY, imagesAtOnce(imageSize)))) {
        const own = ids.subarray(part[0] * latentTokens, (part[part.length - 1] + 1) * latentTokens);
        const tokens = tensor(own, [part.length, latentTokens], { dtype: 'int32' });
        const images = noGrad(() => tidy(() => decoder.decodeTokens(tokens)));
        tokens.dispose();
        yield images;
        images.dispose();
        onProgress?.(total - labels.length + part[part.length - 1] + 1, total);
      }
    },
  };
}

/** Draws with a generator of a TiTok's tokens. */
export const titokSampler = (trained: TrainedGenerator, tokenizer: TiTok): Sampler<SamplingOptions> =>
  tokenSampler(trained, tokenizer, tokenizer.config.imageSize, { tokenizer });
