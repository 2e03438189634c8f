/** Helpers of the training workloads. */
import type { Tensor } from '../../core/index.ts';
import type { ImageSource } from '../../train/index.ts';

/** A constant learning rate, so that every update does the same work. */
export const steady = { learningRate: 1e-3, warmupSteps: 0, scheduleSteps: 1e9, steps: 1e9 };

/** The same batch at every update. */
export const always = (images: Tensor): ImageSource => ({ next: () => ({ images }), state: null });

/** Losses of three updates. They agree between sides only if forward pass, gradients and optimizer do. */
export const firstLosses = async (step: () => Promise<number>): Promise<number[]> => [
  await step(),
  await step(),
  await step(),
];
