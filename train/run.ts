/**
 * A run is a folder with one checkpoint per stage, a log and pictures.
 *
 *   const run = await openRun('runs/mine', { dataset: await loadEmoji(32) });
 *   for await (const { step, loss } of run.train(teacher)) console.log(step, loss); // saves; resumes when called again
 *   console.log(await run.evaluate(teacher));
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { CheckpointError, DataError, OptionError, outsideScopes, Rng, type Tensor } from '../core/index.ts';
import {
  batches,
  type Checkpoint,
  type ImageDataset,
  loadCheckpoint,
  mobilenetTrunkPath,
  readSafetensors,
  saveCheckpoint,
} from '../data/index.ts';
import { NonFiniteError, type StateValue, stateDict } from '../nn/index.ts';
import { MobileNetTrunk, type TiTok } from '../titok/index.ts';
import {
  type FeatureStatistics,
  measureReconstruction,
  type Reconstruct,
  type Reconstruction,
  statisticsOf,
} from './evaluate.ts';
import { finetune } from './finetune.ts';
import { flippable } from './flips.ts';
import { RunLog } from './log.ts';
import { type Progress, type Spent, trainingLoop } from './loop.ts';
import { drawReconstructions } from './pictures.ts';
import { knownSettings, merge, parseSettings } from './settings.ts';
import { single } from './single.ts';
import {
  type ChangesOf,
  type Figures,
  type SavedModel,
  type Stage,
  type StageName,
  type Started,
  stageNames,
} from './stage.ts';
import type { StepReport } from './training.ts';

export interface RunOptions {
  /** Images to train on and to hold out; a function is called with the image size when a stage first needs them. */
  readonly dataset?: ImageDataset | ((imageSize: number) => Promise<ImageDataset>);
  /** Of weights, data order and samples. Default 0. */
  readonly seed?: number;
  /** Continue stages that have a checkpoint. Default true; false trains them again. */
  readonly resume?: boolean;
  /** Updates between checkpoints; 0: only at the end. Default 250. */
  readonly saveEvery?: number;
  /** Updates between pictures; 0: only at the end. Default 0. */
  readonly pictureEvery?: number;
  /** Stored in checkpoints; a checkpoint of another preset is not resumed. */
  readonly preset?: string;
  /** Receives messages about long preparations. */
  readonly notify?: (message: string) => void;
}

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

/** Part of a checkpoint that the loop needs to go on. */
interface LoopState extends Spent {
  /** The last 50 updates. */
  readonly recent: readonly StepReport[];
}

/**
 * Opens or creates a run.
 *
 * @param folder  for its checkpoints, log and pictures; created when a stage trains
 */
export async function openRun(folder: string, options: RunOptions = {}): Promise<Run> {
  return new Run(folder, options);
}

export class Run {
  readonly folder: string;
  readonly seed: number;
  readonly notify: (message: string) => void;
  readonly #options: RunOptions;
  readonly #models = new Map<StageName, unknown>();
  #dataset: ImageDataset | undefined;
  #trunk: MobileNetTrunk | undefined;
  #originals: FeatureStatistics | undefined;

  /** Use `openRun`. */
  constructor(folder: string, options: RunOptions) {
    this.folder = folder;
    this.seed = options.seed ?? 0;
    this.notify = options.notify ?? (() => {});
    this.#options = options;
    if (!Number.isSafeInteger(this.seed) || this.seed < 0)
      throw new OptionError(`openRun, seed: expected a whole number ≥ 0, got ${this.seed}.`);
  }

  /** Where a stage's checkpoint is, or will be. */
  checkpoint(stage: { readonly name: StageName }): string {
    return join(this.folder, `${stage.name}.safetensors`);
  }

  /** Whether a stage has a checkpoint. */
  has(stage: { readonly name: StageName }): boolean {
    return existsSync(this.checkpoint(stage));
  }

  /** The settings that a stage was trained with, if it was. */
  settingsOf<S extends Stage>(stage: S): ChangesOf<S> | undefined {
    if (!this.has(stage)) return undefined;
    return knownSettings(stage.settings, this.#open(stage).saved.settings) as ChangesOf<S>;
  }

  /**
   * Trains a stage to its end, or until the reader leaves the loop; either way the last thing it does is to save.
   * Continues from the stage's checkpoint if there is one (see `resume`).
   *
   * @param changes  settings that differ from the checkpoint's when resuming, else from the stage's defaults
   * @throws OptionError for settings, CheckpointError for earlier stages that are missing or have changed,
   *   NonFiniteError when a loss or gradient is NaN: the last checkpoint is as it was
   */
  async *train<S extends Stage>(stage: S, changes: ChangesOf<S> = {} as ChangesOf<S>): AsyncGenerator<Progress, void> {
    const { resume = true, saveEvery = 250, pictureEvery = 0, preset } = this.#options;
    const { name } = stage;
    const path = this.checkpoint(stage);
    const stored = resume ? this.settingsOf(stage) : undefined;
    const settings = parseSettings(stage.settings, merge(stored ?? {}, changes), `${name} settings`);
    const started = (await stage.start(this, settings)) as Started<object>;
    const { training } = started;
    const { state, steps } = training;
    const madeWith = await fingerprints(started.madeWith ?? {});
    mkdirSync(this.folder, { recursive: true });
    const log = new RunLog(this.folder, name);
    let kept: LoopState = { seconds: 0, images: 0, recent: [] };
    let saved: number | undefined;
    if (resume && this.has(stage)) {
      kept = this.#restore(stage, started, madeWith);
      saved = state.done;
      this.notify(`${name}: ${state.done} of ${steps} updates are done`);
    }
    const { done } = state;
    const recent = [...kept.recent];
    const meta = {
      stage: name,
      ...(preset !== undefined && { preset }),
      settings: { ...(settings as object), ...started.stored },
      madeWith,
    };
    const save = async () => {
      const loop = { ...kept, recent: [...recent] };
      await saveCheckpoint(path, { groups: state.groups(), meta: { ...meta, loop, state: state.values() } });
      saved = state.done;
    };
    const draw = () => {
      const picture = () => stage.draw(this, training.model);
      return training.ema ? training.ema.evaluate(picture) : picture();
    };

    let failed = false;
    try {
      for await (const progress of trainingLoop(training, kept)) {
        const { step, seconds, images, figures } = progress;
        if (step === done + 1) log.forgetAfter(done); // logged by a session that did not save it
        recent.push(figures);
        if (recent.length > 50) recent.shift();
        kept = { seconds, images, recent };
        log.write(step, { seconds: Math.round(1000 * seconds) / 1000, ...figures });
        yield progress;
        const due = (every: number) => every > 0 && step % every === 0 && step < steps;
        if (due(saveEvery)) await save();
        if (due(pictureEvery)) await draw();
      }
    } catch (error) {
      failed = true;
      if (!(error instanceof NonFiniteError)) throw error;
      log.write(state.done + 1, { error: error.message });
      throw stopped(error, state.done + 1, name, path, saved);
    } finally {
      if (!failed && saved !== state.done) await save();
    }
    await draw();
    training.ema?.copyToModel(); // evaluated and sampled with the averaged weights
    this.#models.set(name, training.model);
  }

  /** Trains a stage to its end without looking, and measures it. */
  async fit<S extends Stage>(stage: S, changes?: ChangesOf<S>): Promise<StageRow> {
    for await (const _ of this.train(stage, changes));
    return this.evaluate(stage);
  }

  /** Figures of a trained stage on the held-out images. */
  async evaluate(stage: Stage): Promise<StageRow> {
    const { meta, saved } = this.#open(stage);
    const { seconds, images, recent } = (meta['loop'] ?? { seconds: 0, images: 0, recent: [] }) as LoopState;
    const loss = recent.reduce((sum, r) => sum + r.loss, 0) / recent.length;
    const figures: Figures = await stage.evaluate(this, this.model(stage));
    return {
      name: stage.name,
      steps: saved.settings['steps'] as number,
      seconds,
      imagesPerSecond: images / seconds,
      trainingLoss: loss,
      loss,
      psnr: null,
      codesUsed: null,
      perplexity: null,
      fd: Number.NaN,
      ...figures,
    };
  }

  /** The model of a stage: the one trained in this process, or from its checkpoint. @throws CheckpointError when there is none */
  model<M>(stage: Stage<z.ZodType, M>): M {
    const { name } = stage;
    if (!this.#models.has(name))
      this.#models.set(
        name,
        outsideScopes(() => stage.load(this.#open(stage).saved)),
      );
    return this.#models.get(name) as M;
  }

  /** The best tokenizer of the run that turns tokens into pixels: fine-tuned, or single-stage. */
  pixelTokenizer(): TiTok {
    const stage = [finetune, single].find((s) => this.has(s));
    if (stage) return this.model(stage);
    throw new CheckpointError(
      `run ${this.folder}: expected finetune.safetensors or single.safetensors, got neither. Run 'npm run quickstart' or 'titok train finetune' first, or give another --name.`,
    );
  }

  /** The run's images at a size, loaded once. @throws OptionError when the run has images of another size */
  async dataset(imageSize = this.#imageSize()): Promise<ImageDataset> {
    const { dataset } = this.#options;
    if (!dataset) throw new OptionError(`openRun('${this.folder}'): expected a dataset, got none. Pass { dataset }.`);
    this.#dataset ??= typeof dataset === 'function' ? await dataset(imageSize) : dataset;
    const { size, train, validation, name } = this.#dataset;
    if (size !== imageSize) {
      throw new OptionError(
        `imageSize: expected the ${size} pixels of the run's dataset, got ${imageSize}. Load the images at ${imageSize} pixels, or set imageSize (teacher) and model.imageSize (warmup, single) to ${size}.`,
      );
    }
    if (train.count < 1 || validation.count < 2) {
      throw new DataError(
        `${name}: expected training images and at least 2 held-out ones, got ${train.count} and ${validation.count}.`,
      );
    }
    return this.#dataset;
  }

  // For stages.

  /** A stage's own stream of random numbers. */
  rng(stage: number): Rng {
    return new Rng(this.seed + stage);
  }

  /** Training batches in the order of the run's seed; `stream` tells stages apart. */
  async batches(imageSize: number, batchSize: number, stream: number) {
    const dataset = await this.dataset(imageSize);
    return batches(dataset.train, { batchSize, seed: 1000 * this.seed + stream, flip: flippable(dataset) });
  }

  /** Weights from a file. */
  weightsOf(path: string): Readonly<Record<string, StateValue>> {
    return loadCheckpoint(path).groups['model'] ?? {};
  }

  /** The frozen network behind the perceptual loss and the Fréchet distance. */
  get trunk(): MobileNetTrunk {
    this.#trunk ??= outsideScopes(() => new MobileNetTrunk(readSafetensors(mobilenetTrunkPath)));
    return this.#trunk;
  }

  /** Features of the held-out images, which every stage is compared with. */
  async originals(): Promise<FeatureStatistics> {
    this.#originals ??= await statisticsOf(this.trunk, (await this.dataset()).validation);
    return this.#originals;
  }

  /** Figures of a reconstruction of all held-out images. */
  async evaluateReconstruction(codebookSize: number, reconstruct: Reconstruct): Promise<Reconstruction> {
    const { validation } = await this.dataset();
    return measureReconstruction(this.trunk, await this.originals(), validation, codebookSize, reconstruct);
  }

  /** Writes held-out images above what each model makes of them, a row per model. */
  async drawReconstructions(
    file: string,
    models: Readonly<Record<string, (images: Tensor) => Tensor>>,
    columns?: number,
  ): Promise<void> {
    const { validation } = await this.dataset();
    await drawReconstructions(join(this.folder, file), validation, models, columns);
  }

  /** @throws CheckpointError when a stage was trained with other models than these parts of the run */
  async expectMadeWith(stage: Stage, parts: Readonly<Record<string, object>>): Promise<void> {
    const { meta, saved } = this.#open(stage);
    const earlier = (meta['madeWith'] ?? {}) as Record<string, string>;
    for (const [part, fingerprint] of Object.entries(await fingerprints(parts))) {
      if (earlier[part] === undefined || earlier[part] === fingerprint) continue;
      throw new CheckpointError(
        `${saved.source}: expected to be made with the run's ${part}, got one made with another ${part}, which has been trained again since. ` +
          `Run 'titok train ${stage.name}' again.`,
      );
    }
  }

  #open(stage: { readonly name: StageName }): { meta: Checkpoint['meta']; saved: SavedModel } {
    const path = this.checkpoint(stage);
    if (!existsSync(path)) {
      throw new CheckpointError(
        `checkpoint ${path}: expected the result of 'titok train ${stage.name}', got no file. Run that first, or give another --name.`,
      );
    }
    const { meta, groups } = loadCheckpoint(path, { stage: stage.name });
    return { meta, saved: savedModel(path, meta, groups) };
  }

  /** Puts a training back to where its checkpoint was saved. */
  #restore(stage: Stage, { training }: Started<object>, madeWith: Readonly<Record<string, string>>): LoopState {
    const path = this.checkpoint(stage);
    const { groups, meta } = loadCheckpoint(path, { stage: stage.name });
    const source = `checkpoint ${path}`;
    const { preset } = this.#options;
    if (meta['preset'] !== undefined && preset !== undefined && meta['preset'] !== preset) {
      throw new CheckpointError(
        `${source}: expected a training of preset ${preset}, got one of ${meta['preset']}. ` +
          `Go on with --preset ${meta['preset']}, or leave --resume out to start again.`,
      );
    }
    const earlier = meta['madeWith'] as Record<string, string> | undefined;
    const other = Object.keys(madeWith).find((part) => earlier && earlier[part] !== madeWith[part]);
    if (other !== undefined) {
      throw new CheckpointError(
        `${source}: expected a training with the run's ${other}, got one with another ${other}. ` +
          'Leave --resume out to start again.',
      );
    }
    training.state.restore(groups, meta['state'], source);
    return (meta['loop'] as LoopState | undefined) ?? { seconds: 0, images: 0, recent: [] };
  }

  /** Image size of the data, or of the first stage that was trained. */
  #imageSize(): number {
    const { dataset } = this.#options;
    if (this.#dataset) return this.#dataset.size;
    if (typeof dataset === 'object') return dataset.size;
    const sizes = stageNames
      .filter((name) => this.has({ name }))
      .map((name) => this.#open({ name }).saved.settings)
      .map((settings) => settings['imageSize'] ?? (settings['model'] as { imageSize?: number } | undefined)?.imageSize);
    return (sizes.find((size) => size !== undefined) as number | undefined) ?? 32;
  }

  /** Deletes checkpoints, log and metrics: a run that starts again must not continue with an earlier stage's result. */
  clear(): void {
    for (const name of stageNames) rmSync(this.checkpoint({ name }), { force: true });
    for (const file of ['log.jsonl', 'metrics.json']) rmSync(join(this.folder, file), { force: true });
    this.#models.clear();
  }

  /** Training time that the checkpoints of the run record, in seconds. */
  secondsSpent(): number {
    const trained = stageNames.filter((name) => this.has({ name })).map((name) => this.#open({ name }).meta['loop']);
    return trained.reduce<number>((sum, loop) => sum + ((loop as LoopState | undefined)?.seconds ?? 0), 0);
  }
}

/** A checkpoint's model part. @throws CheckpointError when it is not one of our trainings */
export function savedModel(path: string, meta: Checkpoint['meta'], groups: Checkpoint['groups']): SavedModel {
  const source = `checkpoint ${path}`;
  const { settings } = meta;
  if (typeof settings !== 'object' || settings === null) {
    throw new CheckpointError(`${source}: expected the settings of a training in its metadata, got none.`);
  }
  return { settings: settings as Record<string, unknown>, groups, source };
}

/** 16 hex digits per model, from its weights: a checkpoint can tell whether it was made with this one. */
async function fingerprints(models: Readonly<Record<string, object>>): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const [name, model] of Object.entries(models)) result[name] = await fingerprint(model);
  return result;
}

/** 16 hex digits from the names and values of a model's weights. */
export async function fingerprint(model: object): Promise<string> {
  const hash = createHash('sha256');
  for (const [name, t] of Object.entries(stateDict(model))) {
    hash.update(name).update(new Uint8Array(Float32Array.from(await t.data()).buffer));
  }
  return hash.digest('hex').slice(0, 16);
}

function stopped(error: NonFiniteError, step: number, name: string, path: string, saved: number | undefined): Error {
  const kept =
    saved === undefined
      ? 'No checkpoint had been saved yet.'
      : `${path} holds the ${saved} updates before; go on from there with --resume.`;
  return new NonFiniteError(
    `${name}, update ${step}: ${error.message} ${kept} A lower --learning-rate is the usual cure.`,
    { cause: error },
  );
}
