/** What a stage of training is: settings, how it starts, and how its result is loaded, measured and shown. */
import type { z } from 'zod';
import type { StateValue } from '../nn/index.ts';
import type { Run } from './run.ts';
import type { Training } from './training.ts';

/** The stages in the order in which they build on each other. */
export const stageNames = ['teacher', 'warmup', 'finetune', 'single', 'generator'] as const;
export type StageName = (typeof stageNames)[number];

/** A checkpoint of a stage, as far as its model goes. */
export interface SavedModel {
  /** Those that the stage was trained with. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Weights by group: 'model', 'ema.model'. */
  readonly groups: Readonly<Record<string, Readonly<Record<string, StateValue>>>>;
  /** For error messages: 'checkpoint runs/mine/warmup.safetensors' */
  readonly source: string;
}

/** Figures on held-out images: psnr, fd, codesUsed, perplexity, …; null where a stage has none. */
export type Figures = Readonly<Record<string, number | null>>;

/** A training that is ready to run, and what its checkpoint says beside weights and settings. */
export interface Started<Model> {
  readonly training: Training<Model>;
  /** Added to the stored settings, so that `load` can rebuild the model. */
  readonly stored?: Readonly<Record<string, unknown>>;
  /** Models of earlier stages that this one builds on, by name: their fingerprints are stored and compared. */
  readonly madeWith?: Readonly<Record<string, object>>;
}

export interface Stage<Schema extends z.ZodType = z.ZodType, Model = unknown> {
  readonly name: StageName;
  /** One line for --help. */
  readonly about: string;
  readonly settings: Schema;
  /** Loads data and earlier models and builds the training. */
  start(run: Run, settings: z.output<Schema>): Promise<Started<Model>>;
  /** The trained model from a checkpoint. @throws CheckpointError when it does not fit */
  load(saved: SavedModel): Model;
  /** Measures a model on the run's held-out images. */
  evaluate(run: Run, model: Model): Promise<Figures>;
  /** Writes a picture of what the model can do into the run's folder. */
  draw(run: Run, model: Model): Promise<void>;
}

/** The full settings of a stage. */
export type SettingsOf<S> = S extends Stage<infer Schema, infer _> ? z.output<Schema> : never;
/** What may be given: every setting is optional. */
export type ChangesOf<S> = S extends Stage<infer Schema, infer _> ? z.input<Schema> : never;
export type ModelOf<S> = S extends Stage<infer _, infer Model> ? Model : never;

/** Infers a stage's types from its declaration. */
export const defineStage = <Schema extends z.ZodType, Model>(stage: Stage<Schema, Model>): Stage<Schema, Model> =>
  stage;
