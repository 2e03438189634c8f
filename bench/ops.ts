/** Memory-bound ops at the sizes of the training step, beside PyTorch: softmax, layer norm, GELU, AdamW. */
import { compare } from './compare.ts';
import type { BenchOptions } from './options.ts';

const ops = {
  'softmax forward': '9312 × 97',
  'softmax backward': '9312 × 97',
  'layerNorm forward': '3104 × 192',
  'layerNorm backward': '3104 × 192',
  'gelu forward': '3104 × 768',
  'gelu backward': '3104 × 768',
  adamw: '5.3 M',
};

export async function benchOps(options: BenchOptions): Promise<void> {
  for (const [name, size] of Object.entries(ops).slice(0, options.quick ? 2 : undefined)) {
    const label = `${name}, ${size}`;
    const targets = { 1: { floor: 1 }, 2: { floor: 1 } };
    await compare({ bench: 'ops', file: 'ops', name, label, targets, rounds: 9, sliceMs: 100 }, options);
  }
}
