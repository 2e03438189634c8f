/** Training steps beside PyTorch: a TiTok of 5.4 M parameters from pixels, and the laptop preset's warm-up and diffusion. */
import { compare } from './compare.ts';
import type { BenchOptions } from './options.ts';

export async function benchStep(options: BenchOptions): Promise<void> {
  await compare(
    {
      bench: 'step',
      file: 'step',
      name: 's1',
      label: 'TiTok step, width 192, batch 32',
      targets: { 1: { floor: 1.6, reach: 1.2 }, 2: { floor: 1.4, reach: 1 } },
      images: 32,
      heavy: true,
      high: true,
      speedup: 1.8,
      profile: true,
      rounds: 9,
      sliceMs: 400,
    },
    options,
  );
  await compare(
    {
      bench: 'step-tiny',
      file: 'step',
      name: 'tiny',
      label: 'TiTok warm-up step, preset tiny, batch 16',
      targets: { 1: { floor: 1.1, reach: 0.8 }, 2: { floor: 1.1, reach: 0.8 } },
      images: 16,
      high: true,
      rounds: 9,
      sliceMs: 400,
    },
    options,
  );
  await compare(
    {
      bench: 'step-dit',
      file: 'step',
      name: 'dit',
      label: 'DiT step, preset tiny, batch 32',
      targets: { 1: { floor: 1.2, reach: 1 }, 2: { floor: 1.2, reach: 1 } },
      images: 32,
      high: true,
      rounds: 9,
      sliceMs: 400,
    },
    options,
  );
}
