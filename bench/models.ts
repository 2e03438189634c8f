/** Whole models beside PyTorch: published tokenizers and generators at full size, and training steps of the convolutional teachers. */
import { compare } from './compare.ts';
import type { BenchOptions } from './options.ts';

export async function benchModels(options: BenchOptions): Promise<void> {
  const teacherTargets = { 2: { floor: 2, reach: 1.5 } };
  const shared = { bench: 'models', file: 'models', sliceMs: 400 };
  await compare(
    {
      ...shared,
      name: 's128',
      label: 'S-128 encode + decode, one 256² image',
      targets: { 2: { floor: 1.6, reach: 1.2 } },
      high: true,
      rounds: 7,
      heavy: true,
    },
    options,
  );
  for (const [name, label] of full)
    await compare(
      { ...shared, name, label, targets: { 2: { floor: 1.6, reach: 1.2 } }, rounds: 3, heavy: true },
      options,
    );
  await compare(
    {
      ...shared,
      name: 'lean',
      label: 'teacher step, preset tiny, batch 16',
      targets: teacherTargets,
      images: 16,
      rounds: 11,
    },
    options,
  );
  await compare(
    {
      ...shared,
      name: 'vqgan',
      label: 'VQGAN step, 54 M, one 64² image',
      targets: teacherTargets,
      rounds: 7,
      heavy: true,
    },
    options,
  );
}

/** Models whose memory counts more than their time. */
const full = [
  ['b64', 'B-64 encode + decode, one 256² image'],
  ['l32', 'L-32 encode + decode, one 256² image'],
  ['ll32vae', 'LL-32-VAE encode + decode, one 256² image'],
  ['generator-b64', 'B-64 sampling, 8 steps, one 256² image'],
  ['generator-s128', 'S-128 sampling, 8 steps, one 256² image'],
] as const;
