/** What a stage of training is: settings, how it starts, and how its result is loaded, measured and shown. */
import type * as z from 'zod';
import type { Rng, Tensor } from '../core/index.ts';
import type { Batches, Dataset, RgbImage } from '../data/browser.ts';
import type { StateValue } from '../nn/index.ts';
import type { MobileNetTrunk, PublishedPerceptualLoss, TiTok } from '../titok/index.ts';
import type { FeatureStatistics, Reconstruct, Reconstruction } from './evaluate.ts';
import type { Model } from './model.ts';
import type { Sampler } from './sampler.ts';
import type { Sheet } from './sheet.ts';
import type { TokenRows } from './token-batches.ts';
import type { Training } from './training.ts';

/** The stages in the order in which they build on each other. */
export const stageNames = ['teacher', 'warmup', 'finetune', 'single', 'generator', 'generator2d', 'diffusion'] as const;
/** 'teacher', 'warmup', 'finetune', 'single', 'generator', 'generator2d' or 'diffusion'. */
export type StageName = (typeof stageNames)[number];
/** Those that draw pictures of classes. */
export const drawingStages = ['generator', 'generator2d', 'diffusion'] as const satisfies readonly StageName[];

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

/** A stage's figures at the end of its training: one row of the results table. */
export interface StageRow {
  readonly name: string;
  readonly steps: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Mean of the last 50 updates, or a stage's loss on held-out images. */
  readonly loss: number;
  /** dB on held-out images; null for a generator. */
  readonly psnr: number | null;
  readonly codesUsed: number | null;
  readonly perplexity: number | null;
  /** FD-MNv2 (96-d) against the held-out images. Not FID. */
  readonly fd: number;
  readonly [more: string]: number | string | null;
}

/** A training that is ready to run, and what its checkpoint says beside weights and settings. */
export interface Started<Model> {
  readonly training: Training<Model>;
  /** Added to the stored settings, so that `load` can rebuild the model. */
  readonly stored?: Readonly<Record<string, unknown>>;
  /** Models of earlier stages that this one builds on, by name: their fingerprints are stored and compared. */
  readonly madeWith?: Readonly<Record<string, object>>;
}

/** What a run offers to its stages. `Run` is one. */
export interface RunContext {
  readonly folder: string;
  readonly seed: number;
  /** Receives messages about long preparations. */
  readonly notify: (message: string) => void;
  /** Pixels of the images that earlier stages were trained on, if there are any. */
  readonly imageSize: number | undefined;
  /** The frozen network behind the perceptual loss and the Fréchet distance. */
  readonly trunk: MobileNetTrunk;
  /** A perceptual loss of the paper's code. @throws OptionError when no file has the weights of one of its networks */
  perceptual(name: string, files: readonly string[]): PublishedPerceptualLoss;
  /** A stage's own stream of random numbers. */
  rng(stage: number): Rng;
  /** The run's images, loaded once; by default at the size that they have, or that earlier stages used. */
  dataset(imageSize?: number): Promise<Dataset>;
  /** Whether images were given, for trainings that can do without them. */
  readonly hasImages: boolean;
  /**
   * Token rows and their classes from a file.
   *
   * @param madeBy  the tokenizer, with its sizes
   * @throws DataError when they are not that tokenizer's, as far as the file tells
   */
  tokensFrom(
    path: string,
    madeBy: { readonly model: object; readonly latentTokens: number; readonly codebookSize: number },
  ): Promise<TokenRows & { readonly classes: readonly string[] }>;
  /** Training batches in the order of the run's seed; `stream` tells stages apart. */
  batches(imageSize: number, batchSize: number, stream: number): Promise<Batches>;
  /** Weights from a file. */
  weightsOf(path: string): Readonly<Record<string, StateValue>>;
  /** The model of a stage. @throws CheckpointError when it has not been trained */
  model<M>(stage: Stage<z.ZodType, M>): M;
  /** The model that --from names: in the box, a file, the folder of another run, or fetched from the hub. Not to be changed. @throws CheckpointError */
  modelFrom(from: string): Model;
  /**
   * The best tokenizer that turns tokens into pixels: the run's own, else that of the model `from`.
   *
   * @param from  default: the model that the run's generator began from
   * @throws CheckpointError when there is none
   */
  pixelTokenizer(from?: string): TiTok;
  /** @throws CheckpointError when a stage was trained with other models than these parts of the run */
  expectMadeWith(stage: Stage, parts: Readonly<Record<string, object>>): Promise<void>;
  /** Features of the held-out images, which every stage is compared with. */
  originals(): Promise<FeatureStatistics>;
  /** Figures of a reconstruction of all held-out images. */
  evaluateReconstruction(codebookSize: number, reconstruct: Reconstruct): Promise<Reconstruction>;
  /** Writes a PNG: pictures of several kinds, each with a label. */
  drawSheet(file: string, sheet: Sheet, labels: readonly string[], pictures: readonly RgbImage[]): Promise<void>;
  /** Writes held-out images above what each model makes of them, a row per model. */
  drawReconstructions(file: string, models: Readonly<Record<string, (images: Tensor) => Tensor>>): Promise<void>;
}

/** A stage of training: its settings, how it starts, and how its model is loaded, measured and shown. */
export interface Stage<Schema extends z.ZodType = z.ZodType, Model = unknown> {
  readonly name: StageName;
  /** One line for --help. */
  readonly about: string;
  readonly settings: Schema;
  /** What follows from the size of the run's images, where settings do not say it: `{ imageSize }`. */
  sized?(imageSize: number): z.input<Schema>;
  /**
   * Pixels of the images that it trains on. Loads earlier models, and no images.
   *
   * @throws CheckpointError when an earlier stage is missing, OptionError when settings do not fit it
   */
  imageSize(run: RunContext, settings: z.output<Schema>): number;
  /** The values that must stay as they are when a training is resumed: what its model is made of. */
  fixed(settings: z.output<Schema>): Readonly<Record<string, unknown>>;
  /** Settings that only the first update reads: 'model.init'. */
  readonly initial: readonly string[];
  /** How a checkpoint was trained that says nothing about a setting because it is older than it. */
  readonly earlier?: z.input<Schema>;
  /**
   * Loads data and earlier models and builds the training.
   *
   * @param before  what the checkpoint that the training goes on from has stored: settings, and `Started.stored`
   */
  start(
    run: RunContext,
    settings: z.output<Schema>,
    before?: Readonly<Record<string, unknown>>,
  ): Promise<Started<Model>>;
  /** The settings, among those in its checkpoint, that `load` needs. */
  readonly model: z.ZodType;
  /** The trained model from a checkpoint. @throws CheckpointError when it does not fit */
  load(saved: SavedModel): Model;
  /** Measures a model on the run's held-out images. */
  evaluate(run: RunContext, model: Model): Promise<Figures>;
  /** Draws images of classes; only of stages that train a model for it. */
  sampler?(run: RunContext, model: Model): Sampler;
  /** The file that `draw` writes. */
  readonly picture: string;
  /** Writes a picture of what the model can do into the run's folder. */
  draw(run: RunContext, model: Model): Promise<void>;
}

/** The full settings of a stage. */
export type SettingsOf<S> = S extends Stage<infer Schema, infer _> ? z.output<Schema> : never;
/** What may be given: every setting is optional. */
export type ChangesOf<S> = S extends Stage<infer Schema, infer _> ? z.input<Schema> : never;
/** What a stage trains. */
export type ModelOf<S> = S extends Stage<infer _, infer Model> ? Model : never;

/** Infers a stage's types from its declaration. */
export const defineStage = <Schema extends z.ZodType, Model>(stage: Stage<Schema, Model>): Stage<Schema, Model> =>
  stage;
