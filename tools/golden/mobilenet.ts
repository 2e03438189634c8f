/** mobilenetv2: features, distances and gradients of the small pretrained network. Its weights are another file. */
import { add, grad, mean, type Tensor, tensorScope } from '../../core/index.ts';
import { parseSafetensors } from '../../data/browser.ts';
import { MobileNetTrunk, perceptualDistances } from '../../titok/index.ts';
import { type CheckOptions, type Comparison, TOLERANCE } from './comparison.ts';
import type { GoldenFile } from './file.ts';

export async function mobilenet(file: GoldenFile, check: Comparison): Promise<void> {
  await withWeights(file, check, 'weights_file', '');
  await withWeights(file, check, 'full_precision_weights_file', 'full_precision/');
}

/** Compares the keys under a prefix, if the file of their weights exists. */
async function withWeights(file: GoldenFile, check: Comparison, key: string, prefix: string): Promise<void> {
  const name = file.text(key)?.split('/').pop();
  const weights = name && (await file.source.beside(name));
  if (!weights) return; // the keys then are left over, and reported as unsupported
  const trunk = new MobileNetTrunk(parseSafetensors(weights, name));
  for (const size of file.metadata<number[]>('sizes')) await compare(file, check, trunk, `s${size}`, prefix);
}

async function compare(
  file: GoldenFile,
  check: Comparison,
  trunk: MobileNetTrunk,
  size: string,
  prefix: string,
): Promise<void> {
  using _ = tensorScope();
  const a = file.tensor(`${size}/in/a`);
  const b = file.tensor(`${size}/in/b`);
  const out = `${prefix}${size}/out/`;
  for (const [side, images] of [
    ['a', a],
    ['b', b],
  ] as const) {
    for (const [tap, features] of Object.entries(trunk.features(images))) {
      await check.check(`${out}${side}/${tap}`, features);
      await check.check(`${out}${side}/${tap}_pooled`, mean(features, [2, 3]));
    }
  }
  const distances = perceptualDistances(trunk, a, b, Object.keys(trunk.taps));
  await check.checkAll(`${out}distance/`, distances);
  const total = file.metadata<string[]>('distance_taps').reduce<Tensor | undefined>((sum, tap) => {
    const distance = distances[tap];
    return sum ? add(sum, distance) : distance;
  }, undefined)!;
  await check.check(`${out}distance_total`, total);
  if (!file.has(`${prefix}${size}/grad/b`)) return;
  const { b: gradient } = grad(total.sum(), { b });
  await check.check(`${prefix}${size}/grad/b`, gradient, gradientOptions(file, size));
}

/**
 * relu6 has corners: when an activation sits on one, rounding decides whether a pixel gets a gradient. The file says
 * how much noise of 3e-7 changes the gradient. If that is near the tolerance, compares the norm of the difference
 * instead of each pixel.
 */
function gradientOptions(file: GoldenFile, size: string): CheckOptions {
  const key = 'gradient_change_under_3e-7_activation_noise_max_and_l2';
  const change = file.hasMetadata(key) ? file.metadata<Record<string, [number, number]>>(key)[size] : undefined;
  const steady = change ? change[0] < TOLERANCE / 2 : size !== 's96';
  return steady ? {} : { tolerance: 1e-2, norm: 'l2' };
}
