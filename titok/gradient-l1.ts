/** A loss on edges. */
import { ShapeError, sameShape, show, type Tensor, zeros } from '../core/index.ts';
import { l1 } from '../nn/index.ts';

/**
 * L1 distance between image gradients: horizontal differences plus vertical ones, so that edges count and not colors alone.
 *
 *   mean|∂x(a − b)| + mean|∂y(a − b)|        a, b [batch, channels, H, W]; one element
 *
 * Along a side of 1 pixel there is no difference, and its term is 0.
 *
 * @throws ShapeError unless a and b are of one such shape
 */
export function gradientL1(a: Tensor, b: Tensor): Tensor {
  if (a.rank !== 4 || !sameShape(a.shape, b.shape))
    throw new ShapeError(
      `gradientL1: expected a and b of one shape [batch, channels, H, W], got a ${show(a.shape)} and b ${show(b.shape)}.`,
    );
  const difference = a.sub(b);
  const along = (axis: number) => {
    const n = difference.shape[axis] - 1;
    if (n === 0) return zeros([], { device: a.device });
    return l1(difference.narrow(axis, 1, n), difference.narrow(axis, 0, n));
  };
  return along(3).add(along(2));
}
