/**
 * Training: one file per stage, the loop, runs, and what trained models are for.
 *
 * Reading order: settings, training, loop, teacher, warmup, finetune, generator, single, stage, run, generate.
 *
 * @module
 */

export * from './browser.ts';
export { type DatasetOptions, loadDataset, withHeldOut } from './datasets.ts';
export type { Flip } from './flips.ts';
export {
  classIndex,
  type GenerateOptions,
  generate,
  type Reconstructed,
  reconstruct,
  tokenize,
} from './generate.ts';
export { imagesAtOnce, inParts, picturesOf } from './image-batches.ts';
export type { DataSource, Origin } from './origin.ts';
export { drawReconstructions, drawSheet } from './pictures.ts';
export { openRun, Run, type RunOptions } from './run.ts';
export { fingerprint, metaOf, RunFolder, type SavedMeta } from './run-folder.ts';
export type { OnProgress, TrainedGenerator } from './samples.ts';
export { planSheet, type Sheet } from './sheet.ts';
export { tableCells } from './table.ts';
export { loadTokenizerFile } from './tokenizer-file.ts';
export { usual } from './usual.ts';
