/** Quantizers of one bit per channel: lookup-free (LFQ) and binary spherical (BSQ) quantization. */
import {
  embedding,
  expectKnown,
  expectNumber,
  expectOption,
  l2Normalize,
  less,
  log,
  nearestCode,
  noGrad,
  OptionError,
  sigmoid,
  softmax,
  stopGradient,
  type Tensor,
  tensor,
  tidy,
  where,
  zeros,
} from '../../core/index.ts';
import { parameter } from '../init.ts';
import { mse } from '../losses.ts';
import { latentsLike, likeLatents, type Quantized, type Quantizer, rowsOf } from './quantizer.ts';

/** Options of `BinaryQuantizer`. */
export interface BinaryQuantizerOptions {
  /** Latents and codes on the unit sphere: BSQ. Default false: LFQ. */
  readonly spherical?: boolean;
  /** β, the weight of the commitment term. Default 0.25. */
  readonly commitmentCost?: number;
  /** γ, the weight of the entropy term. Default 0.1. */
  readonly entropyCost?: number;
  /** τ of the entropy term's soft assignment. Default 1 for LFQ and 1/dim for BSQ: its codes are smaller by √dim. */
  readonly temperature?: number;
}

/**
 * Takes the sign of each channel; the codes are the corners of a cube.
 *
 *   LFQ  u = z,      q_i = ±1          BSQ  u = z/|z|,  q_i = ±1/√dim          q_i > 0 where u_i > 0;  id = Σ_i 2^i [u_i > 0]
 *   z_q = u + sg[q − u]
 *   loss = β mean((sg[q] − u)²) + γ (E[H(p)] − H(E[p])),   p(c|u) = softmax_c(−|u − c|²/τ),   E over all latents
 *
 * The entropy term makes each latent sure of its code, and all codes equally likely. p is a product over channels of
 * σ(4 u_i |q_i|/τ), so E[H(p)] is a sum over channels. H(E[p]) is exact for LFQ, by all codes, and for BSQ the sum over
 * channels, an upper bound, as published.
 *
 * The published temperature 0.01 leaves a gradient to latents within 0.01 of a boundary only; long trainings with large
 * batches have enough of these.
 *
 * @see Yu et al. 2023, Language Model Beats Diffusion, arXiv:2310.05737, section 3.1 (LFQ); Zhao et al. 2024, Image and
 *   Video Tokenization with Binary Spherical Quantization, arXiv:2406.07548, section 3 (BSQ)
 */
export class BinaryQuantizer implements Quantizer {
  readonly codebookSize: number;
  readonly dim: number;
  readonly spherical: boolean;
  readonly commitmentCost: number;
  readonly entropyCost: number;
  readonly temperature: number;
  readonly #table: Tensor; // [codebookSize, dim]
  readonly #side: number; // |q_i|

  /** @param bits  channels of a latent, 1 to 16; 2^bits codes */
  constructor(bits: number, options: BinaryQuantizerOptions = {}) {
    expectKnown('BinaryQuantizer', options, ['spherical', 'commitmentCost', 'entropyCost', 'temperature']);
    expectOption(
      Number.isInteger(bits) && bits >= 1 && bits <= 16,
      'BinaryQuantizer bits',
      'a whole number from 1 to 16',
      bits,
    );
    const { spherical = false, commitmentCost = 0.25, entropyCost = 0.1 } = options;
    const { temperature = spherical ? 1 / bits : 1 } = options;
    expectNumber('BinaryQuantizer, commitmentCost', commitmentCost, 0, Number.MAX_VALUE);
    expectNumber('BinaryQuantizer, entropyCost', entropyCost, 0, Number.MAX_VALUE);
    expectOption(
      temperature > 0 && temperature < Infinity,
      'BinaryQuantizer temperature',
      'a finite number above 0',
      temperature,
    );
    this.codebookSize = 2 ** bits;
    this.dim = bits;
    this.spherical = spherical;
    this.commitmentCost = commitmentCost;
    this.entropyCost = entropyCost;
    this.temperature = temperature;
    this.#side = spherical ? bits ** -0.5 : 1;
    const codes = Float32Array.from({ length: this.codebookSize * bits }, (_, n) =>
      Math.floor(n / bits) & (1 << (n % bits)) ? this.#side : -this.#side,
    );
    this.#table = parameter(() => tensor(codes, [this.codebookSize, bits]));
  }

  encode(z: Tensor): Quantized & {
    /** E[H(p)] − H(E[p]), one element. */
    readonly entropyLoss: Tensor;
  } {
    const rows = rowsOf('BinaryQuantizer', z, this.dim);
    const u = this.spherical ? l2Normalize(rows, -1, 1e-12) : rows;
    const { q, ids } = noGrad(() => {
      const q = where(less(0, u), this.#side, -this.#side);
      return { q, ids: tidy(() => nearestCode(q, this.#table)) }; // exact: each row is a code
    });
    const commitmentLoss = mse(q, u).mul(this.commitmentCost);
    const entropyLoss = this.#entropyLoss(u);
    return {
      ...likeLatents(z, { rows: u.add(stopGradient(q.sub(u))), ids }),
      loss: commitmentLoss.add(entropyLoss.mul(this.entropyCost)),
      commitmentLoss,
      codebookLoss: zeros([], { device: z.device }),
      entropyLoss,
    };
  }

  /** tanh(z), which has the codes as limits; with BSQ z/|z|. */
  relax(z: Tensor): Tensor {
    const rows = rowsOf('BinaryQuantizer', z, this.dim);
    return latentsLike(z, this.spherical ? l2Normalize(rows, -1, 1e-12) : rows.tanh());
  }

  lookup(ids: Tensor): Tensor {
    return embedding(this.#table, ids);
  }

  /** The codes themselves. */
  latentsOf(ids: Tensor): Tensor {
    return this.lookup(ids);
  }

  /** E[H(p)] − H(E[p]) of rows u [rows, dim]. */
  #entropyLoss(u: Tensor): Tensor {
    const logits = u.mul((4 * this.#side) / this.temperature); // of a channel's bit, [rows, dim]
    const sure = logits.abs();
    // H of a bit with logit x: log(1 + e^−|x|) + |x| σ(−|x|)
    const each = log(sure.neg().exp().add(1))
      .add(sure.mul(sigmoid(sure.neg())))
      .sum(-1)
      .mean();
    if (!this.spherical) return each.sub(surprise(this.#assignment(u).mean(0)).sum());
    const [on, off] = [sigmoid(logits).mean(0), sigmoid(logits.neg()).mean(0)]; // [dim]
    return each.sub(surprise(on).add(surprise(off)).sum());
  }

  /** p(c|u) of all codes, [rows, codebookSize]. */
  #assignment(u: Tensor): Tensor {
    return softmax(u.matmul(this.#table, { transposeB: true }).mul(2 / this.temperature), -1); // |u|² and |c|² cancel
  }
}

/** −p log p */
const surprise = (p: Tensor): Tensor => p.mul(log(p.clamp(1e-20, 1))).neg();

/**
 * Bits of V codes.
 *
 * @throws OptionError when V is not 2, 4, 8, … 65536
 */
export function bitsFor(codebookSize: number): number {
  const bits = Math.log2(codebookSize);
  if (Number.isInteger(bits) && bits >= 1 && bits <= 16) return bits;
  throw new OptionError(
    `codebookSize: expected a power of two from 2 to 65536 for quantizer 'lfq' or 'bsq', got ${codebookSize}. Take ${binarySizesNear(codebookSize).join(' or ')}.`,
  );
}

/** The powers of two from 2 to 65536 next to V: V itself, or those below and above. */
export function binarySizesNear(codebookSize: number): number[] {
  const bits = Math.min(16, Math.max(1, Math.log2(codebookSize)));
  return [...new Set([2 ** Math.floor(bits), 2 ** Math.ceil(bits)])];
}
