/** The settings of sampling, and the temperatures of each step. */
import type { Guidance } from './guidance.ts';
import type { MaskingSchedule } from './masking.ts';
import type { SamplingOrder } from './order.ts';

/** How to sample; defaults are `samplingDefaults`. */
export interface SamplingOptions {
  /** T: how many times the generator predicts. */
  readonly steps?: number;
  /** How the push towards the class changes over the steps. */
  readonly guidance?: Guidance;
  /** g of `Guidance`: how strong the push is. */
  readonly guidanceScale?: number;
  /** p of power-cosine. */
  readonly guidancePower?: number;
  /** τ₀: step s has Gumbel noise of scale τ₀ (1 − (s+1)/T), so that the last step takes the likeliest tokens. */
  readonly randomizeTemperature?: number;
  /** Divides the logits of step s by 0.5 + 0.8 (1 − (s+1)/T). */
  readonly annealing?: boolean;
  /** How many tokens stay masked after each step. */
  readonly schedule?: MaskingSchedule;
  /** Which of the predicted tokens a step keeps. */
  readonly order?: SamplingOrder;
  /** Draws from the k likeliest tokens only; 0: from all. */
  readonly topK?: number;
  /** Draws from the likeliest tokens only, as many as have this probability together; 1: from all. */
  readonly topP?: number;
}

/** Eight steps without guidance; `publishedSampling` and `laptopSampling` have good settings. */
export const samplingDefaults: Required<SamplingOptions> = {
  steps: 8,
  guidance: 'constant',
  guidanceScale: 0,
  guidancePower: 3,
  randomizeTemperature: 1,
  annealing: false,
  schedule: 'arccos',
  order: 'confidence',
  topK: 0,
  topP: 1,
};

/** The scale of step `step`'s noise for τ₀ = 1: falls from nearly 1 to 0, where it stays. */
export const noiseTemperature = (step: number, steps: number): number => Math.max(0, 1 - (step + 1) / steps);
/** What `annealing` divides the logits of step `step` by: falls from nearly 1.3 to 0.5. */
export const softmaxTemperature = (step: number, steps: number): number => 0.5 + 0.8 * noiseTemperature(step, steps);
