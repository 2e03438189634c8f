/** Blocks of deep networks, and whether a training keeps what they compute inside. */
import { expectNoPromise, isRecording, type Rng, recompute, type Tensor } from '../core/index.ts';

let recomputing = false;

/**
 * Runs f, a forward pass, without keeping what the blocks of its networks compute inside: transformer blocks, residual blocks.
 * The backward pass computes it again, so an update takes about a third longer and needs less memory. Gradients are the same to
 * the bit.
 *
 *   valueAndGrad(params, () => recomputeBlocks(true, () => mse(model.forward(x).output, x)));
 *
 * @param on  false: runs f as it is
 * @throws TypeError when f is asynchronous
 */
export function recomputeBlocks<T>(on: boolean, f: () => T): T {
  const before = recomputing;
  recomputing = on;
  try {
    return expectNoPromise('recomputeBlocks', f());
  } finally {
    recomputing = before;
  }
}

/**
 * Runs a block. f may read its own parameters, and tensors that live until the backward pass.
 *
 * @param rng  generator that f draws from
 */
export const block = (f: () => Tensor, rng?: Rng): Tensor => (recomputing && isRecording() ? recompute(f, rng) : f());
