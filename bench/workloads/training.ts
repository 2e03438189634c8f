/** What the training workloads share. */
import type { Tensor } from '../../core/index.ts';
import type { ImageSource } from '../../train/index.ts';

/** Settings under which every update is like the first: a constant learning rate. */
export const steady = { learningRate: 1e-3, warmupSteps: 0, scheduleSteps: 1e9, steps: 1e9 };

/** The same batch for ever. */
export const always = (images: Tensor): ImageSource => ({ next: () => ({ images }), state: null });

/** Both sides must agree on the losses of three updates: on forward pass, gradients and optimizer. */
export const firstLosses = async (step: () => Promise<number>): Promise<number[]> => [
  await step(),
  await step(),
  await step(),
];
