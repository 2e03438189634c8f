/** A lean teacher's start: the principal components of image patches. */
import { expectOption, type Tensor } from '../core/index.ts';
import { LeanDecoder, LeanEncoder } from './lean-teacher.ts';
import { imageToPatches } from './patches.ts';
import { principalComponents } from './pca.ts';
import type { Teacher } from './teacher.ts';

/**
 * Sets a lean teacher's linear path to the projection on the principal components of patches, and the last convolutions
 * to zero. Before training, the reconstruction then is the best linear one from `dim` numbers per patch.
 *
 *   z = P (patch − mean);   patch = Pᵀ z + mean
 *
 * @param images [n, 3, size, size] in 0..1; a few hundred are enough
 * @throws OptionError when the teacher is not a lean one, or its dim exceeds the numbers of a patch
 */
export async function startFromPca({ config, encoder, decoder }: Teacher, images: Tensor): Promise<void> {
  const lean = encoder instanceof LeanEncoder && decoder instanceof LeanDecoder;
  expectOption(config.kind === 'lean' && lean, 'startFromPca', "a teacher of kind 'lean'", config.kind);
  const { stem, dim } = config;
  const f = 2 ** stem.length;
  const size = 3 * f * f;
  expectOption(dim <= size, 'lean teacher dim', `at most the ${size} numbers of a patch`, dim);
  const patches = imageToPatches(images, f);
  const { mean, components } = principalComponents(await patches.data(), size, dim);
  patches.dispose();

  const project = new Float32Array(dim * size); // [dim, color, y, x]
  const restore = new Float32Array(size * dim); // [(y, x, color), dim]
  const offset = new Float32Array(dim);
  for (const [d, component] of components.entries()) {
    for (const [i, weight] of component.entries()) {
      const [pixel, color] = [Math.floor(i / 3), i % 3];
      project[d * size + color * f * f + pixel] = weight;
      restore[i * dim + d] = weight;
      offset[d] -= weight * mean[i];
    }
  }
  encoder.patch_path.weight.assign(project);
  encoder.patch_path.bias!.assign(offset);
  decoder.patch_path.weight.assign(restore);
  decoder.patch_path.bias!.assign(mean);
  for (const conv of [encoder.conv_out, decoder.up.at(-1)!]) {
    conv.weight.assign(new Float32Array(conv.weight.size));
    conv.bias!.assign(new Float32Array(conv.bias!.size));
  }
}
