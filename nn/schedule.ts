/** Learning-rate schedules. */
import { expectKnown, expectNumber, expectWhole } from '../core/index.ts';

/** Learning rate of the next update, by the number of updates already done. */
export type LearningRateSchedule = (step: number) => number;

/** Options of `cosineSchedule`. */
export interface CosineOptions {
  /** Highest learning rate. */
  readonly lr: number;
  /** Updates during which the rate rises linearly from 0, which is the rate of the first update. Default 0. */
  readonly warmupSteps?: number;
  /** Updates planned. Beyond them the rate stays at `endLr`. */
  readonly totalSteps: number;
  /** Learning rate at `totalSteps`. Default 0. */
  readonly endLr?: number;
}

/**
 * Linear warm-up over w updates, then half a cosine down to `endLr`, which holds from update T = `totalSteps` on.
 *
 *   t < w: lr · t / w;   w ≤ t < T: endLr + (lr − endLr) · ½ (1 + cos π (t − w) / (T − w));   T ≤ t: endLr
 *
 * The published code lets the cosine rise again beyond T.
 *
 * @throws OptionError for an unknown option, a rate that is no number ≥ 0, or updates that are no whole number ≥ 0
 * @see Loshchilov and Hutter 2017, arXiv:1608.03983
 */
export function cosineSchedule(options: CosineOptions): LearningRateSchedule {
  expectKnown('cosineSchedule', options, ['lr', 'warmupSteps', 'totalSteps', 'endLr']);
  const { lr, warmupSteps = 0, totalSteps, endLr = 0 } = options;
  expectRate('cosineSchedule, lr', lr);
  expectRate('cosineSchedule, endLr', endLr);
  expectUpdates('cosineSchedule, warmupSteps', warmupSteps);
  expectUpdates('cosineSchedule, totalSteps', totalSteps);
  return (step) => {
    if (step >= totalSteps) return endLr;
    if (step < warmupSteps) return (lr * step) / warmupSteps;
    const progress = (step - warmupSteps) / (totalSteps - warmupSteps);
    return endLr + (lr - endLr) * 0.5 * (1 + Math.cos(Math.PI * progress));
  };
}

/** Linear warm-up over `warmupSteps` updates (default 0), then constant. @throws OptionError as `cosineSchedule` */
export function constantSchedule(options: { lr: number; warmupSteps?: number }): LearningRateSchedule {
  expectKnown('constantSchedule', options, ['lr', 'warmupSteps']);
  const { lr, warmupSteps = 0 } = options;
  expectRate('constantSchedule, lr', lr);
  expectUpdates('constantSchedule, warmupSteps', warmupSteps);
  return (step) => (step < warmupSteps ? (lr * step) / warmupSteps : lr);
}

const expectRate = (where: string, rate: number): void => expectNumber(where, rate, 0, Number.MAX_VALUE);
const expectUpdates = (where: string, count: number): void => expectWhole(where, count, 0, Number.MAX_SAFE_INTEGER);
