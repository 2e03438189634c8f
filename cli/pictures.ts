/** Tensors as pictures. */
import type { Tensor } from '../core/index.ts';
import { imagesOf, type RgbImage } from '../data/index.ts';

/** Images of a batch [n, 3, height, width] in 0..1 (clamped), for grids and files. */
export async function picturesOf(images: Tensor): Promise<RgbImage[]> {
  return imagesOf(Float32Array.from(await images.data()), images.shape);
}
