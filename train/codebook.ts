/** The codebook's part in a training: continuous latents first, then a start from k-means, then averages or the gradient. */
import { concat, noGrad, type Rng, type Tensor, tensorScope, tidy } from '../core/index.ts';
import { EmaCodebook, latentRows, NonFiniteError, pick, type StateDict, type VectorQuantizer } from '../nn/index.ts';
import type { RunContext } from './stage.ts';
import { viewsOf } from './views.ts';

export interface CodebookSettings {
  /** 'average': each code follows the mean of its latents. 'gradient': trained by the quantizer loss, as published. */
  readonly codebook: 'average' | 'gradient';
  /** Updates without quantization, after which the codebook starts from k-means. */
  readonly continuousSteps: number;
}

/** Says when images have fewer latents than there are codes. @param tokens  latents per image */
export async function noteUnusedCodes(
  run: RunContext,
  imageSize: number,
  codebookSize: number,
  tokens: number,
): Promise<void> {
  const latents = viewsOf(await run.dataset(imageSize)).length * tokens;
  if (codebookSize <= latents) return;
  run.notify(
    `codebookSize ${codebookSize}: the training images have only ${latents} latents, so most codes stay unused.`,
  );
}

const latentsPerCode = 16; // fewer make k-means centers noisy

export class CodebookTraining {
  /** Running means of the codes, for the checkpoint. */
  readonly averages: EmaCodebook;
  readonly #averaged: boolean;
  readonly #continuousSteps: number;
  readonly #quantizer: VectorQuantizer;
  readonly #rng: Rng;

  constructor(quantizer: VectorQuantizer, { codebook, continuousSteps }: CodebookSettings, rng: Rng) {
    this.averages = new EmaCodebook(quantizer);
    this.#averaged = codebook === 'average';
    this.#continuousSteps = continuousSteps;
    this.#quantizer = quantizer;
    this.#rng = rng;
  }

  /** The parameters that the optimizer trains: without the codes if these follow averages. */
  optimized(params: StateDict): StateDict {
    return this.#averaged ? pick(params, (name) => !name.startsWith('quantize.')) : params;
  }

  /** Whether the update after `done` others quantizes. */
  isQuantized(done: number): boolean {
    return done >= this.#continuousSteps;
  }

  /** The loss term that pulls latents to their codes, and codes to their latents unless averages do that. */
  lossOf({ commitmentLoss, quantizerLoss }: { commitmentLoss: Tensor; quantizerLoss: Tensor }): Tensor {
    return this.#averaged ? commitmentLoss : quantizerLoss;
  }

  /**
   * Before the first quantized update, moves the codes to k-means centers of some 16 latents each.
   *
   * @param encode  latents of the next batch, [batch, dim, 1, tokens]
   * @throws NonFiniteError, with the codebook untouched, when the encoder gives NaN or infinity
   */
  async start(done: number, encode: () => Tensor): Promise<void> {
    if (done !== this.#continuousSteps || done === 0) return;
    using _ = tensorScope();
    const { codebookSize, dim } = this.#quantizer;
    const batches: Tensor[] = [];
    for (let count = 0; count < latentsPerCode * codebookSize; ) {
      const rows = noGrad(() => tidy(() => latentRows(this.#quantizer, encode()))); // [batch · tokens, dim]
      batches.push(rows);
      count += rows.size / dim;
    }
    const latents = await tidy(() => concat(batches)).data();
    if (!latents.every(Number.isFinite)) {
      throw new NonFiniteError('The codebook cannot start from latents that are NaN or infinite.');
    }
    await this.averages.warmStart(latents, this.#rng);
  }

  /**
   * After an update, moves averaged codes towards the latents that chose them.
   *
   * @param z        [batch, dim, 1, tokens]
   * @param indices  [batch, 1, tokens]; undefined for a continuous update
   */
  update(z: Tensor, indices: Tensor | undefined): void {
    if (this.#averaged && indices) this.averages.update(z, indices, this.#rng);
  }
}
