/**
 * Diffusion: grids of numbers from a class, by removing noise step by step. Knows nothing about images.
 *
 * Reading order: config, noise, embeddings, block, dit, sampler.
 *
 * @module
 */
export { DiTBlock } from './block.ts';
export { checkDiTConfig, type DiTConfig, type Prediction, predictions, tokensOf } from './config.ts';
export { type Denoiser, DiT } from './dit.ts';
export {
  addNoise,
  type NoiseSchedule,
  type NoiseScheduleName,
  noiseSchedule,
  noiseSchedules,
  targetOf,
} from './noise.ts';
export {
  type DiffusionOptions,
  type DiffusionWork,
  denoise,
  diffusionDefaults,
  sampleLatents,
  samplingTimes,
} from './sampler.ts';
