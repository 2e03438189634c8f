/**
 * Keeping a codebook alive at laptop scale. Trained by gradient from its published start, a small one collapses to a
 * dozen codes; started by k-means, averaged and with its dead codes revived, all of it stays in use.
 */
import {
  defineUpdate,
  embedding,
  noGrad,
  oneHot,
  type Rng,
  ShapeError,
  show,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../core/index.ts';
import { parameter } from './init.ts';
import { type KMeansOptions, kMeans } from './k-means.ts';
import type { VectorQuantizer } from './quantizer.ts';
import { moveTowards, overwrite } from './updates.ts';

export interface EmaCodebookOptions {
  /** Share of the averages that survives one update. */
  decay?: number;
  /** A code is dead, and starts again from a latent, when its average share falls below this part of 1/codebookSize. */
  reviveBelow?: number;
}

/**
 * A codebook that follows its latents instead of a gradient: each entry is the running mean of what it was chosen for.
 *
 *   share_j ← γ share_j + (1 − γ) [rows with code j] / [rows]
 *   sum_j ← γ sum_j + (1 − γ) Σ_{rows with code j} z̃ / [rows];   e_j = sum_j / share_j
 *
 * Train the rest with the quantizer's `commitmentLoss` alone and leave `embedding.weight` to this class. Its tensors
 * are part of a checkpoint: `stateDict(emaCodebook)`.
 *
 * @see van den Oord et al. 2017, arXiv:1711.00937, appendix A
 */
export class EmaCodebook {
  readonly share: Tensor; // [codebookSize, 1]
  readonly sum: Tensor; // [codebookSize, dim]
  readonly #quantizer: VectorQuantizer;
  readonly #decay: number;
  readonly #threshold: number;

  constructor(quantizer: VectorQuantizer, { decay = 0.97, reviveBelow = 0.03 }: EmaCodebookOptions = {}) {
    const { codebookSize, dim } = quantizer;
    this.#quantizer = quantizer;
    this.#decay = decay;
    this.#threshold = reviveBelow / codebookSize;
    this.share = parameter(() => zeros([codebookSize, 1]));
    this.sum = parameter(() => zeros([codebookSize, dim]));
    this.#follow();
  }

  /**
   * Moves the codebook after a step; nothing is read back.
   *
   * @param z        the latents that were quantized, [batch, dim, 1, tokens]
   * @param indices  their codes, [batch, 1, tokens]
   * @param rng      chooses the latents that dead codes start from
   */
  update(z: Tensor, indices: Tensor, rng: Rng): void {
    const { codebookSize } = this.#quantizer;
    const { weight } = this.#quantizer.embedding;
    noGrad(() =>
      tidy(() => {
        const rows = latentRows(this.#quantizer, z); // [R, dim]
        const count = rows.shape[0];
        const chosen = oneHot(indices.reshape([count]), codebookSize).mul(1 / count); // [R, codebookSize]
        const rest = 1 - this.#decay;
        moveTowards({ x: this.share, seen: chosen.sum(0).unsqueeze(1) }, { rest });
        moveTowards({ x: this.sum, seen: chosen.matmul(rows, { transposeA: true }) }, { rest });

        const candidates = Int32Array.from({ length: codebookSize }, () => rng.int(count));
        const fresh = embedding(rows, tensor(candidates, [codebookSize], { device: z.device })); // one for each code
        const share = this.share.expand(weight.shape);
        const scalars = { threshold: this.#threshold, uniform: 1 / codebookSize };
        setCodes({ e: weight, sum: this.sum, share, fresh }, scalars);
        revive({ share: this.share }, scalars);
      }),
    );
  }

  /**
   * Starts the codebook from k-means centers of encoder outputs (about 16 for each code).
   *
   * @param latents  [rows, dim], row-major
   */
  async warmStart(latents: ArrayLike<number>, rng: Rng, options?: KMeansOptions): Promise<void> {
    const { codebookSize, dim } = this.#quantizer;
    const { weight } = this.#quantizer.embedding;
    const rows = tidy(() =>
      this.#quantizer.normalize(tensor(latents, [latents.length / dim, dim], { device: weight.device })),
    );
    const points = await rows.data();
    rows.dispose();
    weight.assign(await kMeans(Float32Array.from(points), dim, codebookSize, rng, options));
    this.#follow();
  }

  /** Makes the averages agree with the codebook as it is. */
  #follow(): void {
    const { codebookSize } = this.#quantizer;
    const { weight } = this.#quantizer.embedding;
    this.share.assign(new Float32Array(codebookSize).fill(1 / codebookSize));
    noGrad(() => tidy(() => overwrite({ x: this.sum, y: weight.mul(1 / codebookSize) }, {})));
  }
}

/** z [batch, dim, 1, tokens] → what the codebook is compared with, [batch·tokens, dim]. */
export function latentRows(quantizer: VectorQuantizer, z: Tensor): Tensor {
  if (z.rank !== 4 || z.shape[1] !== quantizer.dim) {
    throw new ShapeError(`latentRows: expected z [batch, ${quantizer.dim}, 1, tokens], got ${show(z.shape)}.`);
  }
  return quantizer.normalize(z.permute([0, 2, 3, 1]).reshape([-1, quantizer.dim]));
}

/** Dead codes take a fresh latent, as if it had had a uniform share all along. `share` still holds the old shares. */
const setCodes = defineUpdate('setCodes', ['sum', 'e'], ['share', 'fresh'], ['threshold', 'uniform'], {
  sum: 'where(share < threshold, fresh * uniform, sum)',
  e: 'where(share < threshold, fresh, sum / share)',
});
const revive = defineUpdate('revive', ['share'], [], ['threshold', 'uniform'], {
  share: 'where(share < threshold, uniform, share)',
});
