/** Soft assignments of latents to codes, as the published teacher defines them. */
import { matmul, reshape, softmax, type Tensor, transpose } from '../../core/index.ts';

/**
 * Probabilities of the codes: the softmax of negative squared distances.
 *
 *   p_v = softmax_v(2 z·e_v − |e_v|²)       |z|² is the same for every code and drops out
 *
 * @param z         [batch, dim, g, g]
 * @param codebook  [codebookSize, dim]
 * @returns [batch, g·g, codebookSize]
 */
export function softCodes(z: Tensor, codebook: Tensor): Tensor {
  const [batch, dim] = z.shape;
  const rows = transpose(reshape(z, [batch, dim, -1])); // [batch, g·g, dim]
  const squares = codebook.square().sum(1);
  return softmax(matmul(rows, codebook, { transposeB: true }).mul(2).sub(squares), -1);
}
