/** Training: one file per stage, the loop, run folders and presets. */
export * from './coded-batches.ts';
export * from './datasets.ts';
export * from './evaluate.ts';
export * from './finetune.ts';
export * from './generator.ts';
export * from './loop.ts';
export * from './pictures.ts';
export * from './presets.ts';
export * from './run.ts';
export * from './samples.ts';
export * from './single.ts';
export * from './stages.ts';
export * from './teacher.ts';
export * from './token-batches.ts';
export * from './training.ts';
export * from './views.ts';
export * from './warmup.ts';
