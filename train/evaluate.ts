/** Figures on held-out images: PSNR, SSIM, codes in use, and distances on MobileNetV2 features. */
import { DataError, firstNonFiniteIndex, noGrad, resizeBilinear, type Tensor, tidy } from '../core/index.ts';
import { type ImageSet, type ImageStream, inOrder } from '../data/browser.ts';
import {
  CodebookUsage,
  FrechetStatistics,
  featureOverlap,
  frechetDistance,
  type Overlap,
  SquaredError,
  ssim,
} from '../eval/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import type { MobileNetTrunk } from '../titok/index.ts';
import { imagesAtOnce } from './image-batches.ts';

const batchSize = (set: ImageSet | ImageStream): number => Math.min(32, imagesAtOnce(set.size));
const featureSide = 96; // pixels at which the features are taken; part of the figure's definition
/** Numbers in the pooled block_10. */
export const featureCount = 96;

/** MobileNetV2 features of images, their mean and covariance; images are clamped to 0..1 and resized to 96 pixels, larger ones without antialiasing. */
export class FeatureStatistics {
  readonly statistics = new FrechetStatistics(featureCount);
  readonly #batches: Float32Array[] = [];
  readonly #trunk: MobileNetTrunk;

  constructor(trunk: MobileNetTrunk) {
    this.#trunk = trunk;
  }

  /** images [n, 3, size, size] */
  async add(images: Tensor): Promise<void> {
    const pooled = noGrad(() =>
      tidy(() => this.#trunk.pooled(resizeBilinear(images.clamp(0, 1), [featureSide, featureSide]))),
    );
    const batch = Float32Array.from(await pooled.data());
    pooled.dispose();
    this.statistics.add(batch);
    this.#batches.push(batch);
  }

  /** All features so far, [images, 96]. */
  get features(): Float32Array {
    const all = new Float32Array(this.statistics.count * featureCount);
    let at = 0;
    for (const batch of this.#batches) {
      all.set(batch, at);
      at += batch.length;
    }
    return all;
  }
}

/** Feature statistics of a whole set. @param onImages  called with the number of images of each batch */
export async function statisticsOf(
  trunk: MobileNetTrunk,
  set: ImageSet | ImageStream,
  onImages?: (count: number) => void,
): Promise<FeatureStatistics> {
  const statistics = new FeatureStatistics(trunk);
  for (const { images, labels } of inOrder(set, batchSize(set))) {
    await statistics.add(images);
    onImages?.(images.shape[0]);
    for (const t of [images, labels]) t.dispose();
  }
  return statistics;
}

/** The least number of images whose neighbors tell something: more than the 5 of density and coverage. */
export const leastImages = 6;
/** Pixels: SSIM's window. */
export const leastSsimSide = 11;

/** @throws DataError for fewer images than neighbors */
export function expectEnough(where: string, count: number): void {
  if (count >= leastImages) return;
  throw new DataError(`${where}: expected at least ${leastImages} pictures, got ${count}. Some hundreds tell more.`);
}

/** How features of some images differ from those of real ones. Without the overlap for fewer than 6 images. */
export interface FeatureDistances extends Partial<Overlap> {
  /** FD-MNv2 (96-d). Not FID. */
  readonly fd: number;
}

/** Distances between features of real and other images. */
export function featureDistances(real: FeatureStatistics, other: FeatureStatistics): FeatureDistances {
  const fd = frechetDistance(real.statistics, other.statistics);
  if ([real, other].some(({ statistics }) => statistics.count < leastImages)) return { fd };
  return { fd, ...featureOverlap(real.features, other.features, { dim: featureCount }) };
}

/** Images → reconstruction, code ids where there are codes, and terms to average over batches. */
export type Reconstruct = (images: Tensor) => {
  readonly reconstruction: Tensor;
  readonly codes?: Tensor | undefined;
  readonly terms?: Readonly<Record<string, Tensor>>;
};

/** Receives a batch of images [n, 3, size, size], not clamped, which is freed afterwards. */
export type OnImages = (images: Tensor) => Promise<void> | void;

/** What `measureReconstruction` returns. */
export interface Reconstruction {
  /** dB, over all images */
  readonly psnr: number;
  /** FD-MNv2 (96-d) between reconstructions and originals. Not FID. */
  readonly fd: number;
  /**
   * `codesUsed` and `perplexity` of a model with a codebook; `ssim`, of images from 11 pixels on; `precision`, `recall`,
   * `density`, `coverage`, of 6 images and more; the terms.
   */
  readonly [figure: string]: number;
}

/**
 * Reconstructs a whole set and measures it against the originals' features.
 *
 * @param onImages  receives each batch of reconstructions
 * @throws NonFiniteError when a pixel is NaN or infinite
 */
export async function measureReconstruction(
  trunk: MobileNetTrunk,
  originals: FeatureStatistics,
  set: ImageSet,
  codebookSize: number,
  reconstruct: Reconstruct,
  onImages?: OnImages,
): Promise<Reconstruction> {
  const error = new SquaredError();
  const usage = new CodebookUsage(codebookSize);
  const statistics = new FeatureStatistics(trunk);
  const sums: Record<string, number> = {};
  const isLargeEnough = set.size >= leastSsimSide;
  let similarity = 0;
  for (const { images, labels } of inOrder(set, batchSize(set))) {
    const { reconstruction, codes, terms = {} } = noGrad(() => tidy(() => reconstruct(images)));
    const pixels = await reconstruction.data();
    const bad = firstNonFiniteIndex(pixels);
    if (bad >= 0) {
      throw new NonFiniteError(
        `evaluation: expected finite pixels, got ${pixels[bad]}. Are the model's weights damaged?`,
      );
    }
    const originalPixels = await images.data();
    error.add(originalPixels, pixels);
    if (isLargeEnough) similarity += ssim(originalPixels, pixels, images.shape).reduce((a, b) => a + b) / set.count;
    if (codes) usage.add(await codes.data());
    await statistics.add(reconstruction);
    await onImages?.(reconstruction);
    for (const [name, t] of Object.entries(terms)) {
      sums[name] = (sums[name] ?? 0) + ((await t.item()) * images.shape[0]) / set.count;
      t.dispose();
    }
    for (const t of [images, labels, reconstruction, codes]) t?.dispose();
  }
  const { fd, ...overlap } = featureDistances(originals, statistics);
  const codes = usage.used > 0 && { codesUsed: usage.used, perplexity: usage.perplexity };
  return { psnr: error.psnr, fd, ...codes, ...sums, ...(isLargeEnough && { ssim: similarity }), ...overlap };
}
