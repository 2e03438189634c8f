/** Images as grids of square patches, and back. */
import { permute, reshape, type Tensor } from '../core/index.ts';

/** Patches side by side: [batch, f·f·3, G, G] → [batch, 3, G·f, G·f]. Channels are (row, column, color), color last. */
export function patchesToImage(x: Tensor): Tensor {
  const [batch, channels, h, w] = x.shape;
  const f = Math.sqrt(channels / 3);
  const patches = reshape(x, [batch, f, f, 3, h, w]);
  return reshape(permute(patches, [0, 3, 4, 1, 5, 2]), [batch, 3, h * f, w * f]);
}

/** The inverse, one row per patch: [batch, 3, size, size] → [batch·G·G, f·f·3]. */
export function imageToPatches(images: Tensor, f: number): Tensor {
  const [batch, , size] = images.shape;
  const g = size / f;
  const patches = reshape(images, [batch, 3, g, f, g, f]);
  return reshape(permute(patches, [0, 2, 4, 3, 5, 1]), [batch * g * g, f * f * 3]);
}
