/** The part of this folder that needs no file system: `titok-ts/train` in a browser. */

export { type CodebookSettings, CodebookTraining } from './codebook.ts';
export { type CodedBatches, type CodedSource, codedBatches } from './coded-batches.ts';
export { type DiffusionSettings, diffusion, diffusionSampling, trainDiffusion } from './diffusion.ts';
export { type FinetuneSettings, finetune, trainFinetune } from './finetune.ts';
export {
  classIndex,
  type Generated,
  type GenerateOptions,
  generate,
  generateEach,
  type ImageTokenizer,
  latentsOf,
  mostGenerated,
  mostOfClass,
  type Reconstructed,
  reconstruct,
  SizedTeacher,
  samplerOf,
  tokenize,
} from './generate.ts';
export {
  type GeneratorSettings,
  generator,
  type TokenGeneratorSettings,
  trainGenerator,
} from './generator.ts';
export { generator2d } from './generator2d.ts';
export type { Judges } from './judges.ts';
export { LatentBatches, type LatentSource } from './latent-batches.ts';
export { loadModel } from './load-model-browser.ts';
export { type Progress, type Spent, trainingLoop } from './loop.ts';
export type { Model, ModelMetadata } from './model.ts';
export { parseModel, serializeModel } from './model-file.ts';
export type { PartsSettings } from './parts.ts';
export { type Preset, type PresetName, presets } from './presets.ts';
export type { OnProgress, Sampler } from './sampler.ts';
export type { SampleFigures } from './samples.ts';
export { fromText } from './setting-text.ts';
export {
  checked,
  count,
  group,
  type Mistake,
  merge,
  oneOf,
  parseSettings,
  part,
  type Setting,
  seed,
  settingsOf,
  updates,
} from './settings.ts';
export { type SingleSettings, single, trainSingle } from './single.ts';
export {
  type ChangesOf,
  defineStage,
  drawingStages,
  type Figures,
  type ModelOf,
  type RunContext,
  type SavedModel,
  type SettingsOf,
  type Stage,
  type StageName,
  type StageRow,
  type Started,
  stageNames,
} from './stage.ts';
export { type TeacherSettings, teacher, teacherConfigs, trainTeacher } from './teacher.ts';
export { pixelsOf } from './titok-stage.ts';
export { TokenBatches, type TokenSource } from './token-batches.ts';
export { samplingSettings, type TrainedGenerator } from './token-sampler.ts';
export { type ImageSource, type Json, type StepReport, type Training, TrainingState } from './training.ts';
export { trainWarmup, type WarmupSettings, warmup } from './warmup.ts';
