/** Fits a picture's tokens by gradient descent, as a film of pictures that come closer. */
import { outsideScopes } from '../../core/index.ts';
import { fitTokens } from '../../titok/index.ts';
import { current, type Pixels, toPixels, toTensor } from './model.ts';

export interface FitRequest {
  readonly original: Pixels;
  /** [size·size] of 0 and 1: the pixels that count. Default: all. */
  readonly region: readonly number[] | undefined;
  /** Updates. */
  readonly steps: number;
  readonly learningRate: number;
}

/** The best tokens so far; step 0 is the encoder's result. */
export interface FitPart {
  readonly step: number;
  readonly ids: readonly number[];
  /** dB, of the region. */
  readonly psnr: number;
  /** dB, of what this step tried: it may fall. */
  readonly tried: number;
  readonly picture: Pixels;
}

/** Yields the state after each update, and returns how many updates there were. Throws as `fitTokens` does. */
export async function* fit({
  original,
  region,
  steps,
  learningRate,
}: FitRequest): AsyncGenerator<FitPart, number, undefined> {
  const { tokenizer } = current();
  const { imageSize } = tokenizer.config;
  const image = outsideScopes(() => toTensor([original], imageSize));
  try {
    for await (const { step, loss, psnr, ids, image: values } of fitTokens(tokenizer, image, {
      steps,
      learningRate,
      ...(region && { region }),
    })) {
      const [picture] = toPixels(values, imageSize);
      yield { step, ids: [...ids], psnr, tried: -10 * Math.log10(loss), picture };
    }
    return steps;
  } finally {
    image.dispose();
  }
}
