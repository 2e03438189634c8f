/** The codebook's part in a training: continuous latents first, then a start from k-means, then averages or the gradient. */
import { concat, noGrad, type Rng, type Tensor, tensorScope, tidy } from '../core/index.ts';
import {
  EmaCodebook,
  fsqLevels,
  latentRows,
  NonFiniteError,
  pick,
  type Quantizer,
  SimVQ,
  type StateDict,
  VectorQuantizer,
} from '../nn/index.ts';
import type { TiTokConfig } from '../titok/index.ts';
import type { RunContext } from './stage.ts';
import { viewsOf } from './views.ts';

export interface CodebookSettings {
  /**
   * 'average': each code follows the mean of its latents. 'gradient': trained by the quantizer loss, as published. Only the
   * quantizers 'vq' and 'rotation' have a choice: 'clustering' and 'simvq' are trained by the gradient, and other codes are fixed.
   */
  readonly codebook: 'average' | 'gradient';
  /** Updates without quantization, after which codes that may move freely start from k-means. */
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

/** Says how many numbers a token has where its quantizer decides that. */
export function noteTokenSize(run: RunContext, { quantizer = 'vq', codebookSize, tokenSize }: TiTokConfig): void {
  const levels =
    quantizer === 'fsq' || quantizer === 'ifsq' ? `, one of ${fsqLevels(codebookSize).join(' · ')} levels` : '';
  const bits = quantizer === 'lfq' || quantizer === 'bsq' ? ', one bit' : '';
  if (levels || bits)
    run.notify(
      `quantizer ${quantizer}: a token of ${codebookSize} codes has ${tokenSize} numbers${levels}${bits} each.`,
    );
}

const latentsPerCode = 16; // fewer make k-means centers noisy

export class CodebookTraining {
  /** Codes that may move freely, and their running means. */
  readonly #free: { readonly quantizer: VectorQuantizer; readonly averages: EmaCodebook } | undefined;
  readonly #averaged: boolean;
  readonly #clustered: boolean;
  readonly #continuousSteps: number;
  readonly #fixed: readonly string[];
  readonly #rng: Rng;

  constructor(quantizer: Quantizer, { codebook, continuousSteps }: CodebookSettings, rng: Rng) {
    if (quantizer instanceof VectorQuantizer && !(quantizer instanceof SimVQ))
      this.#free = { quantizer, averages: new EmaCodebook(quantizer) };
    this.#clustered = this.#free?.quantizer.embed_prob !== undefined;
    this.#averaged = this.#free !== undefined && codebook === 'average' && !this.#clustered;
    this.#continuousSteps = continuousSteps;
    this.#fixed = [...(quantizer instanceof SimVQ ? ['quantize.embedding.weight'] : []), 'quantize.embed_prob'];
    this.#rng = rng;
  }

  /** What belongs into the checkpoint beside the model: running means of the codes, where these may move freely. */
  get models(): Readonly<Record<string, EmaCodebook>> {
    return this.#free ? { codebook: this.#free.averages } : {};
  }

  /**
   * The parameters that the optimizer trains: without the codes if these follow averages, without SimVQ's random vectors, and
   * without how often clustering's codes are used.
   */
  optimized(params: StateDict): StateDict {
    return pick(params, (name) => !(this.#averaged && name.startsWith('quantize.')) && !this.#fixed.includes(name));
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
   * Before the first quantized update, moves codes that may move freely to k-means centers of some 16 latents each.
   *
   * @param encode  latents of the next batch, [batch, dim, 1, tokens]
   * @throws NonFiniteError, with the codebook untouched, when the encoder gives NaN or infinity
   */
  async start(done: number, encode: () => Tensor): Promise<void> {
    if (!this.#free || done !== this.#continuousSteps || done === 0) return;
    using _ = tensorScope();
    const { quantizer, averages } = this.#free;
    const { codebookSize, dim } = quantizer;
    const batches: Tensor[] = [];
    for (let count = 0; count < latentsPerCode * codebookSize; ) {
      const rows = noGrad(() => tidy(() => latentRows(quantizer, encode()))); // [batch · tokens, dim]
      batches.push(rows);
      count += rows.size / dim;
    }
    const latents = await tidy(() => concat(batches)).data();
    if (!latents.every(Number.isFinite)) {
      throw new NonFiniteError('The codebook cannot start from latents that are NaN or infinite.');
    }
    await averages.warmStart(latents, this.#rng);
  }

  /**
   * After an update, moves averaged codes towards the latents that chose them, and rare ones of clustering towards any.
   *
   * @param z        [batch, dim, 1, tokens]
   * @param indices  [batch, 1, tokens]; undefined for a continuous update
   */
  update(z: Tensor, indices: Tensor | undefined): void {
    if (this.#averaged && indices) this.#free!.averages.update(z, indices, this.#rng);
    if (this.#clustered && indices) this.#free!.quantizer.reseed(z, indices);
  }
}
