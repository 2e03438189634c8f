/** Images from classes: eight guided MaskGIT steps and the decoder, laptop preset, beside PyTorch in eager mode. */
import { compare } from './compare.ts';
import type { BenchOptions } from './options.ts';

export async function benchSample(options: BenchOptions): Promise<void> {
  for (const batch of options.quick ? [1] : [16, 1]) {
    await compare(
      {
        bench: 'sample',
        file: 'sample',
        name: `b${batch}`,
        label: `sampling, preset tiny, batch ${batch}`,
        targets: { 2: { floor: 1, reach: 0.7 } },
        images: batch,
        high: true,
        rounds: 11,
        sliceMs: 800,
      },
      options,
    );
  }
}
