/** Initial weights of a generator. */
import type { Rng } from '../core/index.ts';
import { stateDict } from '../nn/index.ts';

/** Matrices and embeddings start as N(0, std²) and biases as 0; layer norms keep their gain 1 and bias 0. */
export function initializeGenerator(model: object, std: number, rng: Rng): void {
  for (const [name, p] of Object.entries(stateDict(model))) {
    if (p.rank > 1) p.assign(() => rng.normals(p.size).map((v) => v * std));
    else if (name.endsWith('bias')) p.assign(new Float32Array(p.size));
  }
}
