/** The loss on held-out images while a stage trains. */
import { noGrad, type Tensor, tidy } from '../core/index.ts';
import { batchOf, type ImageSet } from '../data/browser.ts';
import { psnrOf } from '../eval/index.ts';
import { imagesAtOnce, inParts } from './image-batches.ts';
import type { Training } from './training.ts';
import { spreadViews } from './views.ts';

/** Images that are looked at: with a look every 100 updates some 1 % of the time. */
const mostImages = 64;

/** What a training makes of held-out images. */
export interface HeldOut {
  /** Images looked at: always the same, spread over the held-out ones. */
  readonly images: number;
  /** The training's own terms, averaged over the images; `psnr` of the mean `mse`, where there is one. */
  readonly figures: Readonly<Record<string, number>>;
}

/**
 * Measures a training as it is now. Neither its weights nor its random numbers change, so a training that is measured ends
 * with the same weights as one that is not. Weights are the averaged ones if the training keeps averages.
 */
export async function measureHeldOut(
  training: Required<Pick<Training, 'measure'>> & Pick<Training, 'ema'>,
  set: ImageSet,
): Promise<HeldOut> {
  const views = spreadViews(set, mostImages);
  const sums: Record<string, number> = {};
  const look = async () => {
    for (const part of inParts(views, Math.min(32, imagesAtOnce(set.size)))) {
      const { images, labels } = batchOf(set, part);
      const terms = await training.measure(images, labels);
      for (const [name, x] of Object.entries(terms)) sums[name] = (sums[name] ?? 0) + (x * part.length) / views.length;
      for (const t of [images, labels]) t.dispose();
    }
  };
  await (training.ema ? training.ema.evaluate(look) : look());
  return { images: views.length, figures: { ...sums, ...(sums['mse'] > 0 && { psnr: psnrOf(sums['mse']) }) } };
}

/** Terms of one element each as numbers, computed without gradients. */
export async function readTerms(terms: () => Readonly<Record<string, Tensor>>): Promise<Record<string, number>> {
  const read: Record<string, number> = {};
  for (const [name, t] of Object.entries(noGrad(() => tidy(terms)))) {
    read[name] = await t.item();
    t.dispose();
  }
  return read;
}
