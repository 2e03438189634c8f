import { join } from 'node:path';
import type { z } from 'zod';
import { CheckpointError, outsideScopes, Rng, type Tensor } from '../core/index.ts';
import {
  batches,
  type ImageDataset,
  loadCheckpoint,
  mobilenetTrunkPath,
  type RgbImage,
  readSafetensors,
  removeLeftovers,
  saveCheckpoint,
  writePng,
} from '../data/index.ts';
import { NonFiniteError, type StateValue } from '../nn/index.ts';
import { MobileNetTrunk, type TiTok } from '../titok/index.ts';
import {
  type FeatureStatistics,
  measureReconstruction,
  type Reconstruct,
  type Reconstruction,
  statisticsOf,
} from './evaluate.ts';
import { finetune } from './finetune.ts';
import { expectFits } from './fits.ts';
import { flippable } from './flips.ts';
import { generator } from './generator.ts';
import { Guards } from './guards.ts';
import { measureHeldOut } from './held-out.ts';
import { type Progress, trainingLoop } from './loop.ts';
import type { Model } from './model.ts';
import { isRunFolder, openModel } from './open-model.ts';
import { expectImages } from './origin.ts';
import { drawReconstructions, drawSheet } from './pictures.ts';
import { writeReport } from './report/report.ts';
import { readResults, writeResult } from './results.ts';
import { fingerprints, type LoopState, RunFolder } from './run-folder.ts';
import { type ImageOptions, RunImages } from './run-images.ts';
import { openRunModel } from './run-model.ts';
import { group, merge, parseSettings, seed, updates } from './settings.ts';
import type { Sheet } from './sheet.ts';
import { single } from './single.ts';
import type { ChangesOf, Figures, RunContext, Stage, StageName, StageRow, Started } from './stage.ts';
import type { AnySettings } from './together.ts';
import { Watch } from './watch.ts';

/** Options of `openRun`. What is left out is as in the run's checkpoints, if there are any. */
export interface RunOptions extends ImageOptions {
  /** Of weights, data order and samples. Default 0. */
  readonly seed?: number;
  /** Continue stages that have a checkpoint. Default true; false trains them again. */
  readonly resume?: boolean;
  /** Updates between checkpoints; 0: only at the end. Default 250. */
  readonly saveEvery?: number;
  /** Updates between pictures; 0: only at the end. Default 0. */
  readonly pictureEvery?: number;
  /** Updates between looks at held-out images, for the log; 0: none. Default 100. */
  readonly measureEvery?: number;
  /** Also writes event files for TensorBoard. Default false. */
  readonly tensorboard?: boolean;
  /** The command that trains, for report.html. */
  readonly command?: string;
  /** Stored in checkpoints; a checkpoint of another preset is not resumed. */
  readonly preset?: string;
  /** Receives messages: about long preparations, settings without effect, images that are not mirrored. */
  readonly notify?: (message: string) => void;
}

/**
 * Opens or creates a run.
 *
 * @param folder  for its checkpoints, log and pictures; created when a stage trains
 * @throws OptionError for a seed or a number of updates out of range
 */
export async function openRun(folder: string, options: RunOptions = {}): Promise<Run> {
  return new Run(folder, options);
}

const runSettings = group({
  seed: seed(0, 'of weights, data order and samples'),
  saveEvery: updates(250, 'updates between checkpoints; 0: only at the end'),
  pictureEvery: updates(0, 'updates between pictures; 0: only at the end'),
  measureEvery: updates(100, 'updates between looks at held-out images; 0: none'),
});

export class Run extends RunFolder implements RunContext {
  readonly seed: number;
  readonly notify: (message: string) => void;
  readonly #options: RunOptions;
  readonly #settings: z.output<typeof runSettings>;
  readonly #models = new Map<StageName, unknown>();
  readonly #modelsFrom = new Map<string, Model>();
  #tokenizerFrom: string | undefined;
  readonly #images: RunImages;
  #trunk: MobileNetTrunk | undefined;
  #originals: FeatureStatistics | undefined;
  #startsAgain = false;
  #caption = ''; // of what is drawn while training

  /** Use `openRun`. */
  constructor(folder: string, options: RunOptions) {
    super(folder);
    const { seed = this.before()?.origin?.seed, saveEvery, pictureEvery, measureEvery } = options;
    this.#settings = parseSettings(runSettings, { seed, saveEvery, pictureEvery, measureEvery }, 'openRun');
    this.seed = this.#settings.seed;
    this.notify = options.notify ?? (() => {});
    this.#options = options;
    this.#images = new RunImages(this, options, this.seed, this.notify);
  }

  /**
   * Trains a stage to its end, or until the reader leaves the loop; either way the last thing it does is to save.
   * Continues from the stage's checkpoint if there is one (see `resume`).
   *
   * @param changes  settings that differ from the checkpoint's when resuming, else from the stage's defaults
   * @throws OptionError for settings, CheckpointError for earlier stages that are missing or have changed, or that were
   *   trained on other images, NonFiniteError when a loss or gradient is NaN: the last checkpoint is as it was
   */
  async *train<S extends Stage>(stage: S, changes: ChangesOf<S> = {} as ChangesOf<S>): AsyncGenerator<Progress, void> {
    using _ = this.lock();
    removeLeftovers(this.folder);
    const { resume = true, tensorboard = false, command } = this.#options;
    const { saveEvery, pictureEvery, measureEvery } = this.#settings;
    const { name } = stage;
    const path = this.checkpoint(stage);
    const preset = this.#options.preset ?? this.before(name)?.preset;
    const earlier = resume && this.has(stage) ? this.meta(stage) : undefined;
    const settings = parseSettings(stage.settings, merge(this.base(stage), changes), `${name} settings`);
    const origin = await expectFits(this, stage, settings as AnySettings, this.#images, earlier, this.#options.preset);

    const started = (await stage.start(this, settings)) as Started<object>;
    this.#models.delete(name);
    const { training } = started;
    const { state, steps } = training;
    const madeWith = await fingerprints(started.madeWith ?? {});
    const watched = { done: earlier?.state.done ?? 0, pictureEvery, tensorboard, command };
    const watch = new Watch(this.folder, name, watched);
    let kept: LoopState = { seconds: 0, images: 0, recent: [] };
    let saved: number | undefined;
    if (earlier) {
      kept = this.#restore(stage, started, madeWith);
      saved = state.done;
      this.notify(`${name}: ${state.done} of ${steps} updates are done`);
    }
    let isFirstSave = true;
    const recent = [...kept.recent];
    const guards = new Guards(name);
    const meta = {
      stage: name,
      ...(preset !== undefined && { preset }),
      origin,
      settings: { ...(settings as object), ...started.stored },
      madeWith,
    };
    const save = async () => {
      const loop = { ...kept, recent: [...recent] };
      await saveCheckpoint(path, { groups: state.groups(), meta: { ...meta, loop, state: state.values() } });
      saved = state.done;
      if (isFirstSave) this.#replaceEarlier(stage, watch);
      isFirstSave = false;
    };
    const draw = async () => {
      this.#caption = `${name}, update ${state.done} of ${steps}`;
      const picture = () => stage.draw(this, training.model);
      await (training.ema ? training.ema.evaluate(picture) : picture()).finally(() => {
        this.#caption = '';
      });
      watch.picture(state.done, join(this.folder, stage.picture), state.done === steps);
    };
    const look = async (step: number) => {
      if (!training.measure || measureEvery === 0 || (step % measureEvery !== 0 && step < steps)) return;
      const { measure, ema } = training;
      const { validation } = await this.dataset();
      const seen = await measureHeldOut({ measure, ...(ema && { ema }) }, validation);
      watch.heldOut(step, seen);
      heldOut = seen.figures;
    };

    let heldOut: Progress['heldOut'];
    let isBetweenUpdates = false;
    let hasFailed = false;
    try {
      for await (const progress of trainingLoop(training, kept)) {
        isBetweenUpdates = true;
        const { step, seconds, images, figures } = progress;
        recent.push(figures);
        if (recent.length > 50) recent.shift();
        kept = { seconds, images, recent };
        const warning = guards.look(step, figures);
        watch.update(step, seconds, figures, warning);
        if (warning !== undefined) this.notify(`${name}, update ${step}: ${warning}`);
        await look(step);
        yield { ...progress, ...(heldOut && { heldOut }) };
        const isDue = (every: number) => every > 0 && step % every === 0 && step < steps;
        const isPictured = isDue(pictureEvery) || (pictureEvery > 0 && step === 1 && step < steps);
        if (isDue(saveEvery)) await save();
        if (isPictured) await draw();
        if (isPictured || isDue(saveEvery)) watch.report(true);
        isBetweenUpdates = false;
      }
      isBetweenUpdates = true;
    } catch (error) {
      hasFailed = true;
      if (!(error instanceof NonFiniteError)) throw error;
      watch.error(state.done + 1, error.message);
      throw stopped(error, state.done + 1, name, path, saved);
    } finally {
      if (isBetweenUpdates && saved !== state.done) await save();
      if (!hasFailed && state.done < steps) watch.report(false); // the reader left
    }
    await draw();
    watch.report(false);
    training.ema?.copyToModel(); // evaluated and sampled with the averaged weights
    this.#models.set(name, training.model);
  }

  /** The settings that a stage's changes are applied to: its checkpoint's when resuming, and the size of the run's images. */
  base<S extends Stage>(stage: S): ChangesOf<S> {
    const { resume = true } = this.#options;
    const size = this.#startsAgain ? this.#images.givenSize : this.#images.size;
    const sized = size === undefined ? {} : (stage.sized?.(size) ?? {});
    return merge(sized, (resume && this.settingsOf(stage)) || {}) as ChangesOf<S>;
  }

  /** The next checkpoint replaces all checkpoints of the run, its log and its figures. Until then they stay. */
  startAgain(): void {
    this.#startsAgain = true;
  }

  /** Trains a stage to its end without looking, and measures it. */
  async fit<S extends Stage>(stage: S, changes?: ChangesOf<S>): Promise<StageRow> {
    for await (const _ of this.train(stage, changes));
    return this.evaluate(stage);
  }

  /** Figures of a trained stage on the held-out images. */
  async evaluate(stage: Stage): Promise<StageRow> {
    const { saved, loop, meta } = this.open(stage);
    const { origin } = await this.#images.at();
    if (meta.origin) expectImages(meta.origin, origin, saved.source);
    const { seconds, images, recent } = loop;
    const loss = recent.reduce((sum, r) => sum + r.loss, 0) / recent.length;
    const figures: Figures = await stage.evaluate(this, this.model(stage));
    const row = {
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
    const { commands = [] } = readResults(this.folder)[stage.name] ?? {};
    if (writeResult(this.folder, stage.name, { commands, row }))
      writeReport(join(this.folder, 'report.html'), [this.folder]);
    return row;
  }

  /** The model of a stage: the one trained in this process, or from its checkpoint. @throws CheckpointError when there is none */
  model<M>(stage: Stage<z.ZodType, M>): M {
    const { name } = stage;
    if (!this.#models.has(name))
      this.#models.set(
        name,
        outsideScopes(() => stage.load(this.open(stage).saved)),
      );
    return this.#models.get(name) as M;
  }

  /** The best tokenizer that turns tokens into pixels: fine-tuned, or single-stage; else that of the model `from`. */
  pixelTokenizer(from?: string): TiTok {
    const stage = [finetune, single].find((s) => this.has(s));
    if (stage) return this.model(stage);
    this.#tokenizerFrom =
      from || this.#tokenizerFrom || (this.has(generator) && this.settingsOf(generator)?.from) || undefined;
    if (this.#tokenizerFrom) return this.modelFrom(this.#tokenizerFrom).tokenizer;
    throw new CheckpointError(
      `run ${this.folder}: expected finetune.safetensors or single.safetensors, got neither. Run 'npm run quickstart' or 'titok train finetune' first, or give another --name.`,
    );
  }

  /** The model that --from names: in the box, a file, or the folder of another run. */
  modelFrom(from: string): Model {
    const model = this.#modelsFrom.get(from) ?? (isRunFolder(from) ? openRunModel(new Run(from, {})) : openModel(from));
    this.#modelsFrom.set(from, model);
    return model;
  }

  /** The run's images at a size, loaded once. @throws OptionError when the run has images of another size */
  async dataset(imageSize?: number): Promise<ImageDataset> {
    return (await this.#images.at(imageSize)).dataset;
  }

  override clear(kept?: Pick<Stage, 'name'>): void {
    super.clear(kept);
    this.#models.clear();
  }

  // What stages use, see RunContext.

  rng(stage: number): Rng {
    return new Rng(this.seed + stage);
  }

  async batches(imageSize: number, batchSize: number, stream: number) {
    const dataset = await this.dataset(imageSize);
    const { count } = dataset.train;
    if (batchSize > count)
      this.notify(`batchSize ${batchSize}: there are only ${count} training images, so each batch repeats some.`);
    return batches(dataset.train, { batchSize, seed: 1000 * this.seed + stream, flip: flippable(dataset) });
  }

  weightsOf(path: string): Readonly<Record<string, StateValue>> {
    return loadCheckpoint(path).groups['model'] ?? {};
  }

  get trunk(): MobileNetTrunk {
    this.#trunk ??= outsideScopes(() => new MobileNetTrunk(readSafetensors(mobilenetTrunkPath)));
    return this.#trunk;
  }

  async originals(): Promise<FeatureStatistics> {
    this.#originals ??= await statisticsOf(this.trunk, (await this.dataset()).validation);
    return this.#originals;
  }

  async evaluateReconstruction(codebookSize: number, reconstruct: Reconstruct): Promise<Reconstruction> {
    const { validation } = await this.dataset();
    return measureReconstruction(this.trunk, await this.originals(), validation, codebookSize, reconstruct);
  }

  async drawSheet(file: string, sheet: Sheet, labels: readonly string[], pictures: readonly RgbImage[]): Promise<void> {
    await writePng(join(this.folder, file), await drawSheet(sheet, labels, pictures, this.#caption));
  }

  async drawReconstructions(
    file: string,
    models: Readonly<Record<string, (images: Tensor) => Tensor>>,
    columns?: number,
  ): Promise<void> {
    const { validation } = await this.dataset();
    await drawReconstructions(join(this.folder, file), validation, models, { columns, caption: this.#caption });
  }

  /** After a training's first checkpoint: what it replaces is forgotten. */
  #replaceEarlier(stage: Stage, watch: Watch): void {
    if (this.#startsAgain) this.clear(stage);
    watch.forgetEarlier(this.#startsAgain);
    this.#startsAgain = false;
  }

  /** Puts a training back to where its checkpoint was saved. */
  #restore(stage: Stage, { training }: Started<object>, madeWith: Readonly<Record<string, string>>): LoopState {
    const { saved, loop, meta } = this.open(stage);
    const other = Object.keys(madeWith).find((part) => meta.madeWith[part] !== madeWith[part]);
    if (other !== undefined) {
      throw new CheckpointError(
        `${saved.source}: expected a training with the run's ${other}, got one with another ${other}. ` +
          'Train again with --overwrite.',
      );
    }
    training.state.restore(saved.groups, meta.state, saved.source);
    return loop;
  }
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
