/** Fused ops said with elementary ones: what their results and gradients are held against. */
import {
  add,
  attention,
  div,
  mergeHeads,
  split,
  splitHeads,
  sqrt,
  sub,
  type Tensor,
  variance,
} from '../../../core/index.ts';

/** (x − mean) / √(variance + eps) over axes: layer norm without its affine map. */
export const standardize = (x: Tensor, axes: number | readonly number[], eps: number): Tensor =>
  div(sub(x, x.mean(axes, true)), sqrt(add(variance(x, axes, true, 0), eps)));

/** selfAttention over heads on an axis of their own. */
export function unfusedSelfAttention(qkv: Tensor, heads: number): Tensor {
  const [q, k, v] = split(splitHeads(qkv, 3 * heads), 3, 1);
  return mergeHeads(attention(q, k, v));
}
