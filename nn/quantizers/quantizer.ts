/** What all quantizers have in common: latents become ids of codes, and ids become codes. */
import { ShapeError, show, type Tensor } from '../../core/index.ts';

/** What a quantizer makes of latents. */
export interface Quantized {
  /** The codes, with gradients for the latents, [batch, dim, 1, tokens]. */
  readonly zQuantized: Tensor;
  /** [batch, 1, tokens], int32, in 0..codebookSize−1 */
  readonly indices: Tensor;
  /** One element: what the quantizer adds to the loss of a training. */
  readonly loss: Tensor;
  /** Its part that pulls latents to their codes; 0 where nothing does. */
  readonly commitmentLoss: Tensor;
  /** Its part that pulls codes to their latents; 0 for fixed codes. */
  readonly codebookLoss: Tensor;
}

/**
 * A bottleneck of `codebookSize` codes of `dim` numbers. How many of them are in use is counted from the indices:
 *
 *   const { zQuantized, indices, loss } = quantizer.encode(z);
 *   const usage = new CodebookUsage(quantizer.codebookSize).add(await indices.data());   // of titok-ts/eval
 *   console.log(usage.used, usage.perplexity);
 */
export interface Quantizer {
  readonly codebookSize: number;
  readonly dim: number;

  /**
   * Replaces each latent by a code.
   *
   * @param z  [batch, dim, 1, tokens]
   * @throws ShapeError when dim differs
   */
  encode(z: Tensor): Quantized;

  /** What a decoder sees while a training does not quantize yet: z in the range of the codes. The shape of z stays. */
  relax(z: Tensor): Tensor;

  /** Codes by id. ids [...] → [..., dim] */
  lookup(ids: Tensor): Tensor;

  /** Latents that `encode` turns into these ids. ids [...] → [..., dim] */
  latentsOf(ids: Tensor): Tensor;
}

/**
 * One row for each latent: z [batch, dim, 1, tokens] → [batch · tokens, dim].
 *
 * @throws ShapeError for another shape
 */
export function rowsOf(where: string, z: Tensor, dim: number): Tensor {
  if (z.rank !== 4 || z.shape[1] !== dim || z.shape[2] !== 1)
    throw new ShapeError(`${where}: expected z [batch, ${dim}, 1, tokens], got ${show(z.shape)}.`);
  return z.permute([0, 2, 3, 1]).reshape([-1, dim]);
}

/** Codes and ids of all rows in the layout of the latents z that they came from. */
export function likeLatents(
  z: Tensor,
  { rows, ids }: { readonly rows: Tensor; readonly ids: Tensor },
): Pick<Quantized, 'zQuantized' | 'indices'> {
  const [batch, , , tokens] = z.shape;
  return { zQuantized: latentsLike(z, rows), indices: ids.reshape([batch, 1, tokens]) };
}

/** The opposite of `rowsOf`: [batch · tokens, dim] → [batch, dim, 1, tokens], the shape of z. */
export function latentsLike(z: Tensor, rows: Tensor): Tensor {
  const [batch, dim, , tokens] = z.shape;
  return rows.reshape([batch, 1, tokens, dim]).permute([0, 3, 1, 2]);
}
