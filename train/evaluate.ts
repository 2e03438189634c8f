/** Figures on held-out images: PSNR, codes in use, and the Fréchet distance on MobileNetV2 features. */
import { noGrad, resizeBilinear, type Tensor, tensor, tidy } from '../core/index.ts';
import { type ImageSet, toUnit } from '../data/index.ts';
import { CodebookUsage, FrechetStatistics, frechetDistance, SquaredError } from '../eval/index.ts';
import type { MobileNetTrunk } from '../titok/index.ts';

const BATCH = 32;

/** Images from `start` on, as [n, 3, size, size] in 0..1. */
export function imagesOf(set: ImageSet, size: number, start: number, count: number): Tensor {
  const each = 3 * size * size;
  const bytes = set.images.subarray(start * each, (start + count) * each);
  return tensor(toUnit(bytes), [bytes.length / each, 3, size, size]);
}

/** Walks a set in order, batch by batch; tensors are freed after each. */
export async function eachBatch(
  set: ImageSet,
  size: number,
  visit: (images: Tensor, start: number) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < set.count; start += BATCH) {
    const images = imagesOf(set, size, start, Math.min(BATCH, set.count - start));
    await visit(images, start);
    images.dispose();
  }
}

/** Side at which the features are taken; part of the figure's definition. */
const FEATURE_SIDE = 96;
/** Numbers in the pooled block_10. */
const FEATURES = 96;

/** Mean and covariance of MobileNetV2 features; images are clamped to 0..1 and enlarged to 96 pixels. */
export class FeatureStatistics {
  readonly statistics = new FrechetStatistics(FEATURES);
  readonly #trunk: MobileNetTrunk;

  constructor(trunk: MobileNetTrunk) {
    this.#trunk = trunk;
  }
  /** images [n, 3, size, size] */
  async add(images: Tensor): Promise<void> {
    const features = noGrad(() =>
      tidy(() => this.#trunk.pooled(resizeBilinear(images.clamp(0, 1), [FEATURE_SIDE, FEATURE_SIDE]))),
    );
    this.statistics.add(await features.data());
    features.dispose();
  }
}

export interface Reconstruction {
  /** dB, over all held-out images */
  readonly psnr: number;
  /** FD-MNv2 (96-d) between reconstructions and originals. Not FID. */
  readonly fd: number;
  readonly codesUsed: number;
  readonly perplexity: number;
  readonly [term: string]: number;
}

/** Statistics of the originals, which every stage is compared with. */
export async function originalStatistics(
  trunk: MobileNetTrunk,
  set: ImageSet,
  size: number,
): Promise<FeatureStatistics> {
  const features = new FeatureStatistics(trunk);
  await eachBatch(set, size, (images) => features.add(images));
  return features;
}

/**
 * Reconstructs a whole set.
 *
 * @param reconstruct  images → reconstruction, code ids, and terms to average over batches
 */
export async function evaluateReconstruction(
  trunk: MobileNetTrunk,
  originals: FeatureStatistics,
  set: ImageSet,
  size: number,
  codebookSize: number,
  reconstruct: (images: Tensor) => { reconstruction: Tensor; codes: Tensor; terms?: Record<string, Tensor> },
): Promise<Reconstruction> {
  const error = new SquaredError();
  const usage = new CodebookUsage(codebookSize);
  const features = new FeatureStatistics(trunk);
  const sums: Record<string, number> = {};
  await eachBatch(set, size, async (images) => {
    const { reconstruction, codes, terms = {} } = noGrad(() => tidy(() => reconstruct(images)));
    error.add(await images.data(), await reconstruction.data());
    usage.add(await codes.data());
    await features.add(reconstruction);
    for (const [name, t] of Object.entries(terms)) {
      sums[name] = (sums[name] ?? 0) + ((await t.item()) * images.shape[0]) / set.count;
      t.dispose();
    }
    reconstruction.dispose();
    codes.dispose();
  });
  const fd = frechetDistance(originals.statistics, features.statistics);
  return { psnr: error.psnr, fd, codesUsed: usage.used, perplexity: usage.perplexity, ...sums };
}
