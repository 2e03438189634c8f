/** Held-out images and what models make of them, as a picture. */
import { concat, firstNonFiniteIndex, noGrad, type Tensor, tidy } from '../core/index.ts';
import { batchOf, type ImageSet, imageGrid, type RgbImage, toImages, writePng } from '../data/index.ts';
import { NonFiniteError } from '../nn/index.ts';

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

/** Writes a PNG: images [n, 3, size, size] in rows of `columns`, each row with a label. */
export async function drawGrid(
  path: string,
  images: Tensor,
  columns: number,
  rowLabels: readonly string[],
): Promise<void> {
  await writePng(path, await imageGrid(await picturesOf(images), columns, { rowLabels }));
}

/**
 * Writes a PNG: held-out images in the first row, what each model makes of them in a row of its own.
 *
 * @param models  row label → images [n, 3, size, size] to images
 */
export async function drawReconstructions(
  path: string,
  set: ImageSet,
  models: Readonly<Record<string, (images: Tensor) => Tensor>>,
  columns = 10,
): Promise<void> {
  const images = spread(set, columns);
  const all = noGrad(() => tidy(() => concat([images, ...Object.values(models).map((f) => tidy(() => f(images)))])));
  await drawGrid(path, all, images.shape[0], ['input', ...Object.keys(models)]);
  for (const t of [images, all]) t.dispose();
}

/** The same images every time, spread over the set. */
function spread(set: ImageSet, count: number): Tensor {
  const shown = Math.min(count, set.count);
  const step = Math.floor(set.count / shown);
  const { images, labels } = batchOf(
    set,
    Array.from({ length: shown }, (_, i) => ({ index: i * step, mirrored: false })),
  );
  labels.dispose();
  return images;
}
