/** The end of a continuous warm-up: a codebook starts where the latents have come to lie. */
import { concat, noGrad, type Rng, type Tensor, tensorScope, tidy } from '../core/index.ts';
import { type EmaCodebook, latentRows, NonFiniteError, type VectorQuantizer } from '../nn/index.ts';

const latentsPerCode = 16; // fewer make k-means centers noisy

/**
 * Moves the codes to k-means centers of some 16 latents for each.
 *
 * @param encode  latents of the next batch, [batch, dim, 1, tokens]
 * @throws NonFiniteError, with the codebook untouched, when the encoder gives NaN or infinity
 */
export async function startCodebook(
  codebook: EmaCodebook,
  quantizer: VectorQuantizer,
  rng: Rng,
  encode: () => Tensor,
): Promise<void> {
  using _ = tensorScope();
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
  await codebook.warmStart(latents, rng);
}
