/**
 * A codebook that stays in use at laptop scale. Trained by gradient from its published start, a small codebook collapses
 * to a dozen codes. Started by k-means, averaged, and with dead codes revived, nearly all of it stays in use.
 */
import {
  defineUpdate,
  embedding,
  expectKnown,
  expectNumber,
  expectOption,
  expectRng,
  noGrad,
  OptionError,
  oneHot,
  type Rng,
  type Tensor,
  tensor,
  tidy,
  zeros,
} from '../../core/index.ts';
import { parameter } from '../init.ts';
import { type KMeansOptions, kMeans } from '../k-means.ts';
import { moveTowards, overwrite } from '../updates.ts';
import { rowsOf } from './quantizer.ts';
import type { VectorQuantizer } from './vq.ts';

/** Options of `EmaCodebook`. */
export interface EmaCodebookOptions {
  /** γ, the share of the averages that survives one update. Default 0.97. */
  readonly decay?: number;
  /** A code is dead, and is revived, when its average share falls below this fraction of 1/codebookSize. Default 0.03. */
  readonly reviveBelow?: number;
}

/**
 * Moves a quantizer's codes without gradients: each code is the running mean of the latents that chose it.
 *
 *   share_j ← γ share_j + (1 − γ) [rows with code j] / [rows]
 *   sum_j ← γ sum_j + (1 − γ) Σ_{rows with code j} z̃ / [rows];   e_j = sum_j / share_j
 *
 * Train the model with the quantizer's `commitmentLoss` alone, and leave `embedding.weight` out of the optimizer. The
 * averages belong in the checkpoint: `stateDict(emaCodebook)`.
 *
 * @see van den Oord et al. 2017, arXiv:1711.00937, appendix A
 */
export class EmaCodebook {
  readonly share: Tensor; // [codebookSize, 1]
  readonly sum: Tensor; // [codebookSize, dim]
  readonly #quantizer: VectorQuantizer;
  readonly #decay: number;
  readonly #threshold: number;

  constructor(quantizer: VectorQuantizer, options: EmaCodebookOptions = {}) {
    expectKnown('EmaCodebook', options, ['decay', 'reviveBelow']);
    const { decay = 0.97, reviveBelow = 0.03 } = options;
    expectOption(decay >= 0 && decay <= 1, 'EmaCodebook, decay', 'a number in 0..1', decay);
    expectNumber('EmaCodebook, reviveBelow', reviveBelow, 0, 1);
    expectOwnCodes(quantizer);
    const { codebookSize, dim } = quantizer;
    this.#quantizer = quantizer;
    this.#decay = decay;
    this.#threshold = reviveBelow / codebookSize;
    this.share = parameter(() => zeros([codebookSize, 1]));
    this.sum = parameter(() => zeros([codebookSize, dim]));
    this.#follow();
  }

  /**
   * Moves the codes after a training step, and revives dead ones. Nothing is read back from the device.
   *
   * @param z        the latents that were quantized, [batch, dim, 1, tokens]
   * @param indices  their codes, [batch, 1, tokens]
   * @param rng      draws the latents that dead codes start from
   */
  update(z: Tensor, indices: Tensor, rng: Rng): void {
    expectRng('EmaCodebook.update', rng);
    const { codebookSize } = this.#quantizer;
    const { weight } = this.#quantizer.embedding;
    noGrad(() =>
      tidy(() => {
        const rows = latentRows(this.#quantizer, z); // [R, dim]
        const count = rows.shape[0];
        if (count === 0) return;
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
   * Starts the codes from k-means centers of encoder outputs.
   *
   * @param latents  [rows, dim], row-major; about 16 rows for each code
   */
  async warmStart(latents: ArrayLike<number>, rng: Rng, options?: KMeansOptions): Promise<void> {
    expectRng('EmaCodebook.warmStart', rng);
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

  /** Resets the averages to the current codes, each with the share 1/codebookSize. */
  #follow(): void {
    const { codebookSize } = this.#quantizer;
    const { weight } = this.#quantizer.embedding;
    this.share.assign(new Float32Array(codebookSize).fill(1 / codebookSize));
    noGrad(() => tidy(() => overwrite({ x: this.sum, y: weight.mul(1 / codebookSize) }, {})));
  }
}

/**
 * Latents as the quantizer compares them with its codes: z [batch, dim, 1, tokens] → z̃ [batch · tokens, dim].
 *
 * @throws ShapeError for another shape
 */
export const latentRows = (quantizer: VectorQuantizer, z: Tensor): Tensor =>
  quantizer.normalize(rowsOf('latentRows', z, quantizer.dim));

function expectOwnCodes(quantizer: VectorQuantizer): void {
  const { codes, embedding } = quantizer;
  if (codes === embedding.weight) return;
  codes.dispose();
  throw new OptionError(
    `EmaCodebook: expected a quantizer whose codes are its embedding.weight, got a ${quantizer.constructor.name}. Train it by gradient.`,
  );
}

/** Revives dead codes from random latents, with the share 1/codebookSize. Runs before `revive`, which updates `share`. */
const setCodes = defineUpdate('setCodes', ['sum', 'e'], ['share', 'fresh'], ['threshold', 'uniform'], {
  sum: 'where(share < threshold, fresh * uniform, sum)',
  e: 'where(share < threshold, fresh, where(share < 1e-30, e, sum / share))', // one that is never chosen stays
});
const revive = defineUpdate('revive', ['share'], [], ['threshold', 'uniform'], {
  share: 'where(share < threshold, uniform, share)',
});
