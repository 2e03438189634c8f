/** Pictures against other pictures, whoever made them. */
import { DataError } from '../core/index.ts';
import { type PictureSet, toUnit } from '../data/index.ts';
import { SquaredError, ssim } from '../eval/index.ts';
import { FeatureClassifier } from './classifier.ts';
import { expectEnough, type FeatureDistances, featureDistances, leastSsimSide, statisticsOf } from './evaluate.ts';
import type { OnProgress } from './sampler.ts';
import { openTrunk } from './trunk.ts';

/** Options of `comparePictures`. */
export interface CompareOptions {
  /** Each picture is a version of the reference with its name: adds PSNR and SSIM. Default false. */
  readonly paired?: boolean;
  /** Called now and then with how many pictures went through the network, and how many will. */
  readonly onProgress?: OnProgress;
}

/** How pictures differ from reference pictures. */
export interface PictureFigures extends FeatureDistances {
  /** dB, over all pairs. */
  readonly psnr?: number;
  /** Mean over the pairs; missing below 11 pixels. */
  readonly ssim?: number;
  /** By a classifier that learned the classes of the reference pictures; missing when these have none. */
  readonly inceptionScore?: number;
  /** The reference pictures' own. */
  readonly referenceInceptionScore?: number;
}

/**
 * Compares pictures with reference pictures: samples with real ones, or reconstructions with originals.
 *
 *   const figures = await comparePictures(await loadPictureSet('real'), await loadPictureSet('samples.npz'));
 *
 * @throws DataError for fewer than 6 pictures, pictures of different sizes, or pairs that do not match
 */
export async function comparePictures(
  reference: PictureSet,
  pictures: PictureSet,
  { paired = false, onProgress }: CompareOptions = {},
): Promise<PictureFigures> {
  const [real, other] = [reference.set, pictures.set];
  expectEnough('reference', real.count);
  expectEnough('pictures', other.count);
  if (real.size !== other.size) {
    throw new DataError(
      `comparePictures: expected pictures of one size, got ${real.size}×${real.size} (reference) and ${other.size}×${other.size} pixels. Give a size (--size) to scale all of them to.`,
    );
  }
  const pairs = paired ? pairFigures(reference, pictures) : {};

  let done = 0;
  const tick = (images: number) => {
    done += images;
    onProgress?.(done, real.count + other.count);
  };
  const trunk = openTrunk();
  const [realFeatures, features] = [await statisticsOf(trunk, real, tick), await statisticsOf(trunk, other, tick)];
  const classifier =
    reference.classes > 1 ? new FeatureClassifier(realFeatures, real.labels, reference.classes) : undefined;
  return {
    ...pairs,
    ...featureDistances(realFeatures, features),
    ...(classifier && {
      inceptionScore: classifier.inceptionScore(features),
      referenceInceptionScore: classifier.inceptionScore(realFeatures),
    }),
  };
}

/** PSNR and SSIM of pictures and their references, which have the same names but for the ending. */
function pairFigures({ set: real }: PictureSet, { set: other }: PictureSet): Partial<PictureFigures> {
  const names = (list: readonly string[]) => list.map((name) => name.replace(/\.[^./]*$/, ''));
  const places = new Map(names(other.names).map((name, i) => [name, i]));
  const partners = names(real.names).map((name) => places.get(name) ?? -1);
  const alone = partners.indexOf(-1);
  const isTwice = places.size !== other.count || new Set(partners).size !== real.count;
  if (alone >= 0 || other.count !== real.count || isTwice) {
    const found = real.count === other.count ? 'two of one name' : `${real.count} and ${other.count} pictures`;
    const got = alone >= 0 ? `'${real.names[alone]}' among the reference alone` : found;
    throw new DataError(`paired: expected the same file names in both, but for their endings, got ${got}.`);
  }
  const { size } = real;
  const each = 3 * size * size;
  const error = new SquaredError();
  let similarity = 0;
  for (const [i, partner] of partners.entries()) {
    const picture = (images: Uint8Array, at: number) => toUnit(images.subarray(at * each, (at + 1) * each));
    const [a, b] = [picture(real.images, i), picture(other.images, partner)];
    error.add(a, b);
    if (size >= leastSsimSide) similarity += ssim(a, b, [1, 3, size, size])[0] / real.count;
  }
  return { psnr: error.psnr, ...(size >= leastSsimSide && { ssim: similarity }) };
}
