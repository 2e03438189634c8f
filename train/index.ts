/**
 * Training: one file per stage, the loop, runs, and what trained models are for.
 *
 * Reading order: settings, training, loop, teacher, warmup, finetune, generator, single, stage, run, generate.
 *
 * @module
 */
export * from './browser.ts';
export { loadDataset, withHeldOut } from './datasets.ts';
export { classIndex, type GenerateOptions, generate, type Reconstructed, reconstruct, tokenize } from './generate.ts';
export { drawReconstructions, picturesOf } from './pictures.ts';
export { openRun, Run, type RunOptions } from './run.ts';
export { fingerprint, RunFolder } from './run-folder.ts';
export type { TrainedGenerator } from './samples.ts';
export { tableCells } from './table.ts';
export { loadTokenizerFile } from './tokenizer-file.ts';
