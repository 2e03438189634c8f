/** Classifier-free guidance: how far samples are pushed from "no class" towards their class. */
import { add, mul, narrow, sub, type Tensor } from '../core/index.ts';

/**
 * How the push changes over the steps. With c and u the logits with and without the class, in step s of T:
 *
 *   constant       c + g (c − u)
 *   linear         c + g s/T (c − u)
 *   power-cosine   u + w (c − u),   w = 1 + (g − 1)(1 − cos(π (s/T)^p)) / 2
 *
 * The scales are not comparable: no guidance is g = 0 in the first two, g = 1 in the last.
 *
 * @see Ho and Salimans 2022, arXiv:2207.12598; the schedules are those of arXiv:2406.07550's code
 */
export type Guidance = (typeof guidances)[number];

/** The names of all ways. */
export const guidances = ['constant', 'linear', 'power-cosine'] as const;

/** The factor of (c − u) in step `step` of `steps`, from there on that of step `steps`; `power` is p of power-cosine. */
export function guidanceAt(guidance: Guidance, scale: number, step: number, steps: number, power = 3): number {
  const progress = Math.min(1, step / steps);
  if (guidance === 'constant') return scale;
  if (guidance === 'linear') return scale * progress;
  return 1 + ((scale - 1) * (1 - Math.cos(Math.PI * progress ** power))) / 2;
}

/** Whether a factor leaves c as it is, so that u need not be computed. */
export const isUnguided = (guidance: Guidance, factor: number): boolean =>
  factor === (guidance === 'power-cosine' ? 1 : 0);

/**
 * c or u, plus factor · (c − u).
 *
 * @param both  [2·batch, …]: c for every row, then u for every row
 * @returns     [batch, …]
 */
export function guide(both: Tensor, guidance: Guidance, factor: number): Tensor {
  const batch = both.shape[0] / 2;
  const c = narrow(both, 0, 0, batch);
  const u = narrow(both, 0, batch, batch);
  return add(guidance === 'power-cosine' ? u : c, mul(sub(c, u), factor));
}
