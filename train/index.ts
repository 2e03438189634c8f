/**
 * Training: one file per stage, the loop, runs, and what trained models are for.
 *
 * Reading order: settings, training, loop, teacher, warmup, finetune, generator, single, stage, run, generate, model,
 * model-file, evaluate-model, compare-pictures; official-config, published, published-names. What a run shows of a training: watch, log, held-out, film, report/.
 *
 * @module
 */

export { isBoxName } from './box.ts';
export * from './browser.ts';
export { FeatureClassifier } from './classifier.ts';
export { type CompareOptions, comparePictures, type PictureFigures } from './compare-pictures.ts';
export { type DatasetOptions, loadDataset, withHeldOut } from './datasets.ts';
export { type FeatureDistances, FeatureStatistics, type Reconstruction, statisticsOf } from './evaluate.ts';
export {
  type ClassifierFigures,
  type EvaluateOptions,
  evaluateModel,
  evaluateSettings,
  type ModelFigures,
} from './evaluate-model.ts';
export { describeRounding, type ExportOptions, exportModel } from './export-model.ts';
export type { Flip } from './flips.ts';
export { isDecidedByModel } from './from.ts';
export { imagesAtOnce, inParts, picturesOf } from './image-batches.ts';
export { type LatentProbe, probeLatents } from './latent-probe.ts';
export { loadModel } from './load-model.ts'; // files, too, in place of the browser's
export { type LoggedHeldOut, type LoggedUpdate, readLog, type StageLog } from './log.ts';
export { withGenerator } from './model.ts';
export { type OfficialModels, officialText, parseOfficial } from './official-config.ts';
export { isModelFile, modelsInBox, pathOfModel } from './open-model.ts';
export type { DataSource, Origin } from './origin.ts';
export { drawReconstructions, drawSheet } from './pictures.ts';
export {
  isPublished,
  openPublished,
  openPublishedTeacher,
  type PublishedOptions,
  publishedFamily,
  recognize,
} from './published.ts';
export { type LoadPublishedOptions, localOptions, localPath, parseHubName } from './published-names.ts';
export { binned, type Curve, curveOf, figuresOf, type Point, rangeOf, shortNumber, ticks } from './report/curves.ts';
export { type ReportOptions, reportPage, writeReport } from './report/report.ts';
export { readResults, type StageResult } from './results.ts';
export { openRun, Run, type RunOptions } from './run.ts';
export { fingerprint, metaOf, RunFolder, type SavedMeta } from './run-folder.ts';
export { modelOf, modelSoFar, stagesOf } from './run-model.ts';
export {
  evaluateSamples,
  type MeasuredSamples,
  measureRunSamples,
  type SampleFigures,
  samplePictures,
  spread,
} from './samples.ts';
export { planSheet, type Sheet } from './sheet.ts';
export { stages } from './stages.ts';
export { tableCells } from './table.ts';
export { loadTokenizerFile } from './tokenizer-file.ts';
export { exportTorch } from './torch/export.ts';
export type { TorchStageName } from './torch/folder.ts';
export { type Imported, importTorch } from './torch/import.ts';
export { verifyTorch } from './torch/verify.ts';
export { openTrunk } from './trunk.ts';
export { usual } from './usual.ts';
