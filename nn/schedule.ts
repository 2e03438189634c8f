/** Learning rates as functions of `step`, the number of updates already done. */

export type Schedule = (step: number) => number;

export interface CosineOptions {
  /** The highest learning rate. */
  lr: number;
  /** Updates in which the rate rises linearly from 0; the very first update has rate 0. Default 0: none. */
  warmupSteps?: number;
  totalSteps: number;
  /** The rate at `totalSteps`, where training ends (beyond it the cosine rises again, as published). Default 0. */
  endLr?: number;
}

/**
 * Warm-up, then half a cosine.
 *
 *   t < w: lr · t / w;   then end + (lr − end) · ½ (1 + cos π (t − w) / (T − w))
 *
 * @see Loshchilov and Hutter 2017, arXiv:1608.03983
 */
export function cosineSchedule({ lr, warmupSteps = 0, totalSteps, endLr = 0 }: CosineOptions): Schedule {
  return (step) => {
    if (step < warmupSteps) return (lr * step) / warmupSteps;
    const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return endLr + (lr - endLr) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}

/** Warm-up, then constant. */
export const constantSchedule =
  ({ lr, warmupSteps = 0 }: { lr: number; warmupSteps?: number }): Schedule =>
  (step) =>
    step < warmupSteps ? (lr * step) / warmupSteps : lr;
