/** Lookup tables. */
import { embedding, type Rng, randn, type Tensor } from '../core/index.ts';
import { parameter } from './init.ts';

/** ids [...] (int32, 0..count−1) → rows [..., dim] of the table. Entries start as N(0, 1). */
export class Embedding {
  readonly weight: Tensor; // [count, dim]

  constructor(count: number, dim: number, rng: Rng) {
    this.weight = parameter(() => randn([count, dim], rng));
  }

  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids);
  }
}
