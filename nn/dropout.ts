/** Dropout. */
import { expectRng, type Rng, type Tensor, tensor } from '../core/index.ts';

/**
 * Sets each value to 0 with probability p and scales the others by 1 / (1 − p). Pass a generator while training; without
 * one, x is returned as it is. There is no hidden train/eval flag.
 *
 * @param p  in 0..1, 1 excluded
 * @throws RangeError for another p; OptionError for an rng that is no generator
 * @see Srivastava et al. 2014, JMLR 15
 */
export function dropout(x: Tensor, p: number, rng: Rng | undefined): Tensor {
  if (!(p >= 0 && p < 1)) throw new RangeError(`dropout: expected a probability in 0..1 (1 excluded), got ${p}.`);
  if (!rng) return x;
  expectRng('dropout', rng);
  if (p === 0) return x;
  const mask = rng.zeroed(x.size, p, 1 / (1 - p));
  return x.mul(tensor(mask, x.shape, { device: x.device }));
}
