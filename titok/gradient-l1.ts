/** A loss on edges. */
import type { Tensor } from '../core/index.ts';
import { l1 } from '../nn/index.ts';

/**
 * L1 distance between image gradients: horizontal differences plus vertical ones, so that edges count and not colors alone.
 *
 *   mean|∂x(a − b)| + mean|∂y(a − b)|        a, b [batch, channels, H, W]; one element
 */
export function gradientL1(a: Tensor, b: Tensor): Tensor {
  const difference = a.sub(b);
  const along = (axis: number) => {
    const n = difference.shape[axis] - 1;
    return l1(difference.narrow(axis, 1, n), difference.narrow(axis, 0, n));
  };
  return along(3).add(along(2));
}
