/** Learning-rate schedules. */

/** Learning rate of the next update, by the number of updates already done. */
export type LearningRateSchedule = (step: number) => number;

/** Options of `cosineSchedule`. */
export interface CosineOptions {
  /** Highest learning rate. */
  readonly lr: number;
  /** Updates during which the rate rises linearly from 0, which is the rate of the first update. Default 0. */
  readonly warmupSteps?: number;
  /** Updates planned. Beyond them the cosine rises again, as published. */
  readonly totalSteps: number;
  /** Learning rate at `totalSteps`. Default 0. */
  readonly endLr?: number;
}

/**
 * Linear warm-up over w updates, then half a cosine down to `endLr`.
 *
 *   t < w: lr · t / w;   then endLr + (lr − endLr) · ½ (1 + cos π (t − w) / (T − w))
 *
 * @see Loshchilov and Hutter 2017, arXiv:1608.03983
 */
export function cosineSchedule({ lr, warmupSteps = 0, totalSteps, endLr = 0 }: CosineOptions): LearningRateSchedule {
  return (step) => {
    if (step < warmupSteps) return (lr * step) / warmupSteps;
    const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return endLr + (lr - endLr) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}

/** Linear warm-up over `warmupSteps` updates (default 0), then constant. */
export const constantSchedule =
  ({ lr, warmupSteps = 0 }: { lr: number; warmupSteps?: number }): LearningRateSchedule =>
  (step) =>
    step < warmupSteps ? (lr * step) / warmupSteps : lr;
