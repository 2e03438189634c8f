/**
 * The library without its Node parts: tensors and gradients, layers, TiTok, MaskGIT. Datasets, images and checkpoints
 * are in `titok-ts/data`, metrics in `titok-ts/eval`.
 */
export * from './core/index.ts';
export * from './maskgit/index.ts';
export * from './nn/index.ts';
export * from './titok/index.ts';
