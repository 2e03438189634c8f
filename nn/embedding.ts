/** Lookup tables. */
import { embedding, expectRng, type Rng, randn, type Tensor } from '../core/index.ts';
import { parameter } from './init.ts';

/** Table of `count` vectors, looked up by id. Entries start as N(0, 1), as in PyTorch. */
export class Embedding {
  readonly weight: Tensor; // [count, dim]

  constructor(count: number, dim: number, rng: Rng) {
    expectRng('Embedding', rng);
    this.weight = parameter(() => randn([count, dim], rng));
  }

  /**
   * @param ids  [...], int32 in 0..count−1
   * @returns    [..., dim]
   */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight, ids);
  }
}
