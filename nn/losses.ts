/** Losses for any pair of tensors of one shape. */
import type { Tensor } from '../core/index.ts';

/** Mean squared error, mean((a − b)²), as one element. */
export const mse = (a: Tensor, b: Tensor): Tensor => a.sub(b).square().mean();

/** Mean absolute error, mean(|a − b|), as one element. */
export const l1 = (a: Tensor, b: Tensor): Tensor => a.sub(b).abs().mean();
