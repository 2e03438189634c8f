/**
 * Reconstruction and generation metrics, computed on the host in float64 from images, features and code ids.
 *
 * @module
 */

export { ClassVariance } from './class-variance.ts';
export { FrechetStatistics, frechetDistance, type Gaussian } from './frechet.ts';
export { inceptionScore } from './inception-score.ts';
export { LinearProbe, type LinearProbeOptions } from './linear-probe.ts';
export { psnr, psnrOf, SquaredError } from './psnr.ts';
export { CodebookUsage } from './usage.ts';
