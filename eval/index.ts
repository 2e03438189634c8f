/** Reconstruction and generation metrics, computed on the host in float64 from images, features and code ids. */
export { symmetricEigenvalues } from './eigen.ts';
export * from './frechet.ts';
export * from './inception-score.ts';
export * from './linear-probe.ts';
export * from './psnr.ts';
export * from './usage.ts';
