/** Clipping gradients by their global norm. */
import {
  div,
  expectNumber,
  full,
  minimum,
  mul,
  noGrad,
  pack,
  sumOfSquares,
  type Tensor,
  tidy,
  zeros,
} from '../core/index.ts';

/**
 * √(Σ g²) over all values of all gradients, as one element on their device; 0 without any.
 *
 * @throws TypeError for a record of gradients
 */
export function globalNorm(grads: readonly Tensor[]): Tensor {
  if (!Array.isArray(grads))
    throw new TypeError('globalNorm: expected an array of gradients, got another object. Pass Object.values(grads).');
  return grads.length === 0 ? zeros([]) : noGrad(() => tidy(() => sumOfSquares(pack(grads)).sqrt()));
}

/**
 * The factor that brings gradients of this norm down to `maxNorm`; 1 for smaller norms and for maxNorm = Infinity.
 *
 *   min(1, maxNorm / (norm + 1e-6))
 *
 * Pass it to a step as `scale`, which costs no pass over the gradients:
 *
 *   const norm = globalNorm(Object.values(grads));
 *   optimizer.step(grads, { scale: clipCoefficient(norm, 1) });
 *
 * @returns one element on the norm's device; nothing waits for it
 * @throws OptionError for a negative `maxNorm`
 * @see PyTorch's `clip_grad_norm_`
 */
export function clipCoefficient(norm: Tensor, maxNorm: number): Tensor {
  expectNumber('clipCoefficient, maxNorm', maxNorm, 0, Infinity);
  if (maxNorm === Infinity) return full(norm.shape, 1, { device: norm.device });
  return noGrad(() => tidy(() => minimum(div(maxNorm, norm.add(1e-6)), 1)));
}

/**
 * Gradients scaled down together when their global norm is above `maxNorm`.
 *
 *   const { grads, norm } = clipGradNorm(valueAndGrad(params, forward).grads, 1);
 *   optimizer.step(grads);
 *
 * @returns grads, scaled copies under the same names; norm, one element, before clipping
 */
export function clipGradNorm<K extends string>(
  grads: Readonly<Record<K, Tensor>>,
  maxNorm: number,
): { grads: Record<K, Tensor>; norm: Tensor } {
  return noGrad(() =>
    tidy(() => {
      const entries = Object.entries<Tensor>(grads);
      const norm = globalNorm(entries.map(([, g]) => g));
      const scale = clipCoefficient(norm, maxNorm);
      const clipped = entries.map(([name, g]) => [name, mul(g, scale)]);
      return { grads: Object.fromEntries(clipped) as Record<K, Tensor>, norm };
    }),
  );
}
