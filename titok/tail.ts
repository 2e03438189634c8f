/** Rows of variable length: a model trained with dropped tails decodes the first k of its K tokens, for every k. */
import { concat, mul, OptionError, type Rng, type Tensor, tensor, zeros } from '../core/index.ts';

/**
 * How many tokens each image of a batch keeps while a model of variable length is trained: all K in half of the images, and
 * in the others 1 to K, each number as likely as the others.
 *
 * @see Miwa et al. 2025, One-D-Piece, arXiv:2501.10064; Bachmann et al. 2025, FlexTok, arXiv:2502.13967
 */
export const drawTails = (batch: number, latentTokens: number, rng: Rng): Int32Array =>
  Int32Array.from({ length: batch }, () => (rng.uniform() < 0.5 ? latentTokens : 1 + rng.int(latentTokens)));

/**
 * Sets all but the first latents of each image to 0, which no code is.
 *
 * @param z       [batch, C, 1, K]
 * @param counts  for each image how many to keep, 0 to K
 */
export function keepFirst(z: Tensor, counts: ArrayLike<number>): Tensor {
  const [batch, , , tokens] = z.shape;
  const mask = new Float32Array(batch * tokens);
  for (let b = 0; b < batch; b++) mask.fill(1, b * tokens, b * tokens + counts[b]);
  return mul(z, tensor(mask, [batch, 1, 1, tokens], { device: z.device }));
}

/** [batch, C, 1, k] → [batch, C, 1, K], with 0 for the latents that are missing. */
export function padTail(z: Tensor, latentTokens: number): Tensor {
  const [batch, channels, , k] = z.shape;
  return k === latentTokens ? z : concat([z, zeros([batch, channels, 1, latentTokens - k], { device: z.device })], 3);
}

/** 1, 2, 4, … up to K: the lengths at which a model of variable length is measured and shown. */
export function tailLengths(latentTokens: number): number[] {
  const lengths: number[] = [];
  for (let k = 1; k < latentTokens; k *= 2) lengths.push(k);
  return [...lengths, latentTokens];
}

/** @throws OptionError when a model cannot decode k tokens */
export function expectLength(
  where: string,
  k: number,
  { latentTokens, variableLength }: { readonly latentTokens: number; readonly variableLength?: boolean | undefined },
): void {
  if (k === latentTokens || (variableLength && k >= 1 && k < latentTokens)) return;
  const expected = variableLength ? `1 to ${latentTokens}` : `${latentTokens}`;
  throw new OptionError(
    `${where}: expected ${expected} tokens per image, got ${k}.${!variableLength && k < latentTokens ? ' Only models trained with variableLength decode fewer.' : ''}`,
  );
}
