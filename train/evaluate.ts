/** Figures on held-out images: PSNR, codes in use, and the Fréchet distance on MobileNetV2 features. */
import { firstNonFiniteIndex, noGrad, resizeBilinear, type Tensor, tidy } from '../core/index.ts';
import { type ImageSet, inOrder } from '../data/browser.ts';
import { CodebookUsage, FrechetStatistics, frechetDistance, SquaredError } from '../eval/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import type { MobileNetTrunk } from '../titok/index.ts';
import { imagesAtOnce } from './image-batches.ts';

const batchSize = (set: ImageSet): number => Math.min(32, imagesAtOnce(set.size));
const featureSide = 96; // pixels at which the features are taken; part of the figure's definition
const features = 96; // numbers in the pooled block_10

/** Mean and covariance of MobileNetV2 features; images are clamped to 0..1 and enlarged to 96 pixels. */
export class FeatureStatistics {
  readonly statistics = new FrechetStatistics(features);
  readonly #trunk: MobileNetTrunk;

  constructor(trunk: MobileNetTrunk) {
    this.#trunk = trunk;
  }

  /** images [n, 3, size, size] */
  async add(images: Tensor): Promise<void> {
    const pooled = noGrad(() =>
      tidy(() => this.#trunk.pooled(resizeBilinear(images.clamp(0, 1), [featureSide, featureSide]))),
    );
    this.statistics.add(await pooled.data());
    pooled.dispose();
  }
}

/** Feature statistics of a whole set. */
export async function statisticsOf(trunk: MobileNetTrunk, set: ImageSet): Promise<FeatureStatistics> {
  const statistics = new FeatureStatistics(trunk);
  for (const { images, labels } of inOrder(set, batchSize(set))) {
    await statistics.add(images);
    for (const t of [images, labels]) t.dispose();
  }
  return statistics;
}

/** Images → reconstruction, code ids where there are codes, and terms to average over batches. */
export type Reconstruct = (images: Tensor) => {
  readonly reconstruction: Tensor;
  readonly codes?: Tensor | undefined;
  readonly terms?: Readonly<Record<string, Tensor>>;
};

export interface Reconstruction {
  /** dB, over all images */
  readonly psnr: number;
  /** FD-MNv2 (96-d) between reconstructions and originals. Not FID. */
  readonly fd: number;
  /** Of a model with a codebook. */
  readonly codesUsed?: number;
  readonly perplexity?: number;
  readonly [term: string]: number;
}

/**
 * Reconstructs a whole set and measures it against the originals' features.
 *
 * @throws NonFiniteError when a pixel is NaN or infinite
 */
export async function measureReconstruction(
  trunk: MobileNetTrunk,
  originals: FeatureStatistics,
  set: ImageSet,
  codebookSize: number,
  reconstruct: Reconstruct,
): Promise<Reconstruction> {
  const error = new SquaredError();
  const usage = new CodebookUsage(codebookSize);
  const statistics = new FeatureStatistics(trunk);
  const sums: Record<string, number> = {};
  for (const { images, labels } of inOrder(set, batchSize(set))) {
    const { reconstruction, codes, terms = {} } = noGrad(() => tidy(() => reconstruct(images)));
    const pixels = await reconstruction.data();
    const bad = firstNonFiniteIndex(pixels);
    if (bad >= 0) {
      throw new NonFiniteError(
        `evaluation: expected finite pixels, got ${pixels[bad]}. Are the model's weights damaged?`,
      );
    }
    error.add(await images.data(), pixels);
    if (codes) usage.add(await codes.data());
    await statistics.add(reconstruction);
    for (const [name, t] of Object.entries(terms)) {
      sums[name] = (sums[name] ?? 0) + ((await t.item()) * images.shape[0]) / set.count;
      t.dispose();
    }
    for (const t of [images, labels, reconstruction, codes]) t?.dispose();
  }
  const fd = frechetDistance(originals.statistics, statistics.statistics);
  const codes = usage.used > 0 && { codesUsed: usage.used, perplexity: usage.perplexity };
  return { psnr: error.psnr, fd, ...codes, ...sums };
}
