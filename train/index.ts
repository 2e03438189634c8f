/**
 * Training: one file per stage, the loop, runs, and what trained models are for.
 *
 * Reading order: settings, training, loop, teacher, warmup, finetune, generator, single, stage, run, generate. What a run shows
 * of a training: watch, log, held-out, film, report/.
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
export { type LoggedHeldOut, type LoggedUpdate, readLog, type StageLog } from './log.ts';
export type { DataSource, Origin } from './origin.ts';
export { drawReconstructions, drawSheet } from './pictures.ts';
export { binned, type Curve, curveOf, figuresOf, type Point, rangeOf, shortNumber, ticks } from './report/curves.ts';
export { type ReportOptions, writeReport } from './report/report.ts';
export { readResults, type StageResult } from './results.ts';
export { openRun, Run, type RunOptions } from './run.ts';
export { fingerprint, metaOf, RunFolder, type SavedMeta } from './run-folder.ts';
export type { OnProgress, TrainedGenerator } from './samples.ts';
export { planSheet, type Sheet } from './sheet.ts';
export { tableCells } from './table.ts';
export { loadTokenizerFile } from './tokenizer-file.ts';
export { usual } from './usual.ts';
