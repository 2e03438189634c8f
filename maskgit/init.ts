/** How a generator's weights start. */
import type { Rng } from '../core/index.ts';
import { stateDict } from '../nn/index.ts';

/** Matrices and embeddings N(0, std²), biases 0; layer norms keep their 1 and 0. */
export function initializeWeights(model: object, std: number, rng: Rng): void {
  for (const [name, p] of Object.entries(stateDict(model))) {
    if (p.rank > 1) p.assign(() => rng.normals(p.size).map((v) => v * std));
    else if (name.endsWith('bias')) p.assign(new Float32Array(p.size));
  }
}
