/** Images that go through a model in batches which fit into memory, when nothing is trained. */
import { firstNonFiniteIndex, type Tensor } from '../core/index.ts';
import { type RgbImage, toImages } from '../data/browser.ts';
import { NonFiniteError } from '../nn/index.ts';

/** As many images as have some 800,000 values: 256 of 32 × 32 pixels, 4 of 256 × 256. Published decoders need 1.4 GiB for them. */
export const imagesAtOnce = (size: number): number => Math.max(1, Math.floor((256 * 32 * 32) / (size * size)));

/** Consecutive parts of about equal length, at most `most` items long. */
export function inParts<T>(items: readonly T[], most: number): T[][] {
  const count = Math.ceil(items.length / most);
  const length = Math.ceil(items.length / count);
  return Array.from({ length: count }, (_, i) => items.slice(i * length, (i + 1) * length));
}

/**
 * Pictures of a batch [n, 3, height, width] in 0..1 (clamped), for grids and files.
 *
 * @throws NonFiniteError when a pixel is NaN or infinite, as damaged weights make it
 */
export async function picturesOf(images: Tensor): Promise<RgbImage[]> {
  const pixels = Float32Array.from(await images.data());
  const at = firstNonFiniteIndex(pixels);
  if (at >= 0) {
    throw new NonFiniteError(`pictures: expected finite pixels, got ${pixels[at]}. Are the model's weights damaged?`);
  }
  return toImages(pixels, images.shape);
}
