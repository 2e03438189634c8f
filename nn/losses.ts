/** Losses for any pair of tensors of one shape. */
import { ShapeError, type Tensor } from '../core/index.ts';

/** Mean squared error, mean((a − b)²), as one element. @throws ShapeError unless a and b have one shape */
export const mse = (a: Tensor, b: Tensor): Tensor => difference('mse', a, b).square().mean();

/** Mean absolute error, mean(|a − b|), as one element. @throws ShapeError unless a and b have one shape */
export const l1 = (a: Tensor, b: Tensor): Tensor => difference('l1', a, b).abs().mean();

/** a − b without broadcasting: [32] and [32, 1] would be compared each with each. */
function difference(name: string, a: Tensor, b: Tensor): Tensor {
  if (`${a.shape}` === `${b.shape}`) return a.sub(b);
  throw new ShapeError(
    `${name}: expected a and b of one shape, got a [${a.shape.join(', ')}] and b [${b.shape.join(', ')}]. Reshape one of them.`,
  );
}
