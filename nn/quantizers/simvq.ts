/** SimVQ: a codebook that moves as a whole, so that no code is left behind. */
import { type Rng, randn, type Tensor } from '../../core/index.ts';
import { parameter } from '../init.ts';
import { Linear } from '../linear.ts';
import { VectorQuantizer, type VectorQuantizerOptions } from './vq.ts';

/**
 * A vector quantizer whose codes are fixed random vectors through one learned matrix:
 *
 *   e_j = W c_j,   c_j ~ N(0, 1/dim), fixed;   everything else as in `VectorQuantizer`
 *
 * Each update moves W, and with it all codes, also those that no latent chose. Leave `embedding.weight` (c) out of the
 * optimizer.
 *
 * @see Zhu et al. 2024, Addressing Representation Collapse in Vector Quantized Models with One Linear Layer,
 *   arXiv:2411.02038, section 4
 */
export class SimVQ extends VectorQuantizer {
  readonly embedding_proj: Linear; // W [dim, dim]

  constructor(codebookSize: number, dim: number, rng: Rng, options: Omit<VectorQuantizerOptions, 'clusteringVQ'> = {}) {
    super(codebookSize, dim, rng, options);
    const normal = parameter(() => randn([codebookSize, dim], rng).mul(dim ** -0.5));
    this.embedding.weight.assign(normal);
    normal.dispose();
    this.embedding_proj = new Linear(dim, dim, rng, { bias: false });
  }

  override get codes(): Tensor {
    return this.embedding_proj.forward(this.embedding.weight);
  }
}
