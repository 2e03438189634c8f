/**
 * Reconstruction and generation metrics, computed on the host in float64 from images, features and code ids.
 *
 * @module
 */

export { balancedAccuracy } from './accuracy.ts';
export { ClassVariance } from './class-variance.ts';
export { FrechetStatistics, frechetDistance, type Gaussian } from './frechet.ts';
export { inceptionScore } from './inception-score.ts';
export { LinearProbe, type LinearProbeOptions } from './linear-probe.ts';
export { featureOverlap, type Overlap, type OverlapOptions } from './overlap.ts';
export { psnr, psnrOf, SquaredError } from './psnr.ts';
export { ssim } from './ssim.ts';
export { inverseTemperature } from './temperature.ts';
export { CodebookUsage } from './usage.ts';
