/** Vector quantization: latents become entries of a learned codebook. */
import {
  defineUpdate,
  embedding,
  expectKnown,
  expectNumber,
  expectOption,
  expectRng,
  expectWhole,
  l2Normalize,
  nearestCode,
  noGrad,
  oneHot,
  type Rng,
  stopGradient,
  type Tensor,
  tidy,
  uniform,
  zeros,
} from '../../core/index.ts';
import { parameter } from '../init.ts';
import { mse } from '../losses.ts';
import { moveTowards } from '../updates.ts';
import { likeLatents, type Quantized, type Quantizer, rowsOf } from './quantizer.ts';
import { rotated } from './rotation.ts';

/** Options of `VectorQuantizer`. */
export interface VectorQuantizerOptions {
  /** Scales latents and codes to length 1, so that only directions are compared. Default false. */
  readonly l2Norm?: boolean;
  /** β, the weight of the commitment term. Default 0.25. */
  readonly commitmentCost?: number;
  /** Counts in the buffer `embed_prob` how often codes are used, so that `reseed` can pull the rare ones to latents. Default false. */
  readonly clusteringVQ?: boolean;
  /** How the decoder's gradient reaches a latent: as it is, or turned as its code is (`rotated`). Default: as it is. */
  readonly gradient?: 'straight-through' | 'rotation';
}

/**
 * Nearest codebook entry for each latent, with straight-through gradients.
 *
 *   z̃ = n(z), ẽ = n(e);   n(v) = v / max(|v|, 1e-12) with l2Norm, else v
 *   i = argmin_j |z̃|² + |ẽ_j|² − 2 z̃·ẽ_j;   q = ẽ_i
 *   commitment = β mean((sg[q] − z̃)²);   codebook = mean((q − sg[z̃])²)
 *   z_q = z̃ + sg[q − z̃], or rotated(z̃, q)
 *
 * Means run over all values (batch, tokens and channels).
 *
 * @see van den Oord et al. 2017, arXiv:1711.00937; Yu et al. 2022, arXiv:2110.04627 for l2Norm; Zheng and Vedaldi 2023,
 *   arXiv:2307.15139 for clusteringVQ
 */
export class VectorQuantizer implements Quantizer {
  readonly embedding: { readonly weight: Tensor }; // [codebookSize, dim]
  readonly embed_prob?: Tensor; // [codebookSize]: how often each code is used, for clusteringVQ
  readonly codebookSize: number;
  readonly dim: number;
  readonly l2Norm: boolean;
  readonly commitmentCost: number;
  readonly gradient: 'straight-through' | 'rotation';

  constructor(codebookSize: number, dim: number, rng: Rng, options: VectorQuantizerOptions = {}) {
    expectRng('VectorQuantizer', rng);
    expectKnown('VectorQuantizer', options, ['l2Norm', 'commitmentCost', 'clusteringVQ', 'gradient']);
    const { l2Norm = false, commitmentCost = 0.25, clusteringVQ = false, gradient = 'straight-through' } = options;
    const gradients = ['straight-through', 'rotation'];
    expectOption(gradients.includes(gradient), 'VectorQuantizer, gradient', gradients.join(' or '), gradient);
    expectNumber('VectorQuantizer, commitmentCost', commitmentCost, 0, Number.MAX_VALUE);
    expectWhole('VectorQuantizer, codebookSize', codebookSize, 1, 2 ** 31 - 1);
    expectWhole('VectorQuantizer, dim', dim, 1, 2 ** 31 - 1);
    this.embedding = {
      weight: parameter(() => uniform([codebookSize, dim], -1 / codebookSize, 1 / codebookSize, rng)),
    };
    if (clusteringVQ) this.embed_prob = parameter(() => zeros([codebookSize]));
    this.codebookSize = codebookSize;
    this.dim = dim;
    this.l2Norm = l2Norm;
    this.commitmentCost = commitmentCost;
    this.gradient = gradient;
  }

  /** All codes before normalization, [codebookSize, dim]. */
  get codes(): Tensor {
    return this.embedding.weight;
  }

  /**
   * @param z  [batch, dim, 1, tokens]
   * @throws ShapeError when dim differs from the codebook's
   */
  encode(z: Tensor): Quantized {
    const rows = this.normalize(rowsOf('VectorQuantizer', z, this.dim)); // z̃, [batch·tokens, dim]
    const ids = this.nearest(rows);
    const q = this.lookup(ids);
    const commitmentLoss = mse(stopGradient(q), rows).mul(this.commitmentCost);
    const codebookLoss = mse(q, stopGradient(rows));
    const passed = this.gradient === 'rotation' ? rotated(rows, q) : rows.add(stopGradient(q.sub(rows)));
    return {
      ...likeLatents(z, { rows: passed, ids }),
      loss: commitmentLoss.add(codebookLoss),
      commitmentLoss,
      codebookLoss,
    };
  }

  /** z, of length 1 along `dim` with l2Norm. */
  relax(z: Tensor): Tensor {
    return this.l2Norm ? l2Normalize(z, 1) : z;
  }

  /** Ids of the nearest codes. Normalized rows [R, dim] → [R], int32 */
  nearest(rows: Tensor): Tensor {
    return noGrad(() => tidy(() => nearestCode(rows, this.normalize(this.codes))));
  }

  /** Codes by id, of length 1 with l2Norm. ids [...] → [..., dim] */
  lookup(ids: Tensor): Tensor {
    return this.normalize(embedding(this.codes, ids));
  }

  /** The codes themselves: each is nearest to itself. */
  latentsOf(ids: Tensor): Tensor {
    return this.lookup(ids);
  }

  /** Mixtures of codes, of length 1 with l2Norm. weights [..., codebookSize], each row with sum 1 → [..., dim] */
  softLookup(weights: Tensor): Tensor {
    return this.normalize(weights.matmul(this.codes));
  }

  /** Scales the last axis to length 1 with l2Norm; otherwise returns the rows as they are. */
  normalize(rows: Tensor): Tensor {
    return this.l2Norm ? l2Normalize(rows, -1, 1e-12) : rows;
  }

  /**
   * After a training step, moves each code towards the latent nearest to it; the rarer the code, the further. Only with
   * clusteringVQ.
   *
   *   p ← γ p + (1 − γ) frequency;   a = exp(−10 V p / (1 − γ) − 1e-3);   e ← (1 − a) e + a z,   γ = 0.99
   *
   * @param z        the latents that were quantized, [batch, dim, 1, tokens]
   * @param indices  their codes, [batch, 1, tokens]
   * @throws OptionError without clusteringVQ
   */
  reseed(z: Tensor, indices: Tensor): void {
    const probability = this.embed_prob;
    expectOption(probability !== undefined, 'reseed', 'a quantizer with clusteringVQ', 'one without');
    noGrad(() =>
      tidy(() => {
        const rows = rowsOf('VectorQuantizer', z, this.dim);
        const frequency = oneHot(indices.reshape([-1]), this.codebookSize).mean(0);
        moveTowards({ x: probability, seen: frequency }, { rest: 1 - 0.99 });
        const pull = probability
          .mul((-10 * this.codebookSize) / (1 - 0.99))
          .sub(1e-3)
          .exp(); // a
        const { weight } = this.embedding;
        const nearest = nearestCode(this.normalize(weight), this.normalize(rows));
        moveCodes({ e: weight, z: embedding(rows, nearest), a: pull.unsqueeze(1).expand(weight.shape) }, {});
      }),
    );
  }
}

const moveCodes = defineUpdate('moveCodes', ['e'], ['z', 'a'], [], { e: '(1 - a) * e + a * z' });
