/**
 * The library without its Node parts: tensors and gradients, layers, TiTok, MaskGIT. Datasets, images and checkpoints
 * are in `titok-ts/data`, metrics in `titok-ts/eval`.
 */
export * from './core/index.ts';
export type { Schedule as MaskingSchedule } from './maskgit/index.ts';
export * from './maskgit/index.ts';
export type { Schedule } from './nn/index.ts'; // of learning rates; both folders have one
export * from './nn/index.ts';
export * from './titok/index.ts';
