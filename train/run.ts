/** Runs: the trainings of a folder, each saved, watched, and continued where it stopped. */
import { join } from 'node:path';
import type * as z from 'zod';
import { CheckpointError, OutOfMemoryError } from '../core/index.ts';
import { removeLeftovers, saveCheckpoint } from '../data/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import { expectFits } from './fits.ts';
import { Guards } from './guards.ts';
import { measureHeldOut } from './held-out.ts';
import { type Progress, trainingLoop } from './loop.ts';
import { expectImages } from './origin.ts';
import { writeReport } from './report/report.ts';
import { readResults, writeResult } from './results.ts';
import { fingerprints, type LoopState } from './run-folder.ts';
import { type PartsOptions, RunParts } from './run-parts.ts';
import { group, merge, parseSettings, seed, updates } from './settings.ts';
import type { ChangesOf, Figures, Stage, StageRow, Started } from './stage.ts';
import type { AnySettings } from './together.ts';
import { Watch } from './watch.ts';

/** Options of `openRun`. What is left out is as in the run's checkpoints, if there are any. */
export interface RunOptions extends PartsOptions {
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

/** A folder of trainings: each is saved, watched, and goes on where it stopped. Use `openRun`. */
export class Run extends RunParts {
  readonly #options: RunOptions;
  readonly #settings: z.output<typeof runSettings>;
  #startsAgain = false;

  /** Use `openRun`. */
  constructor(folder: string, options: RunOptions) {
    const { seed, saveEvery, pictureEvery, measureEvery } = options;
    const settings = parseSettings(runSettings, { seed, saveEvery, pictureEvery, measureEvery }, 'openRun');
    super(folder, options);
    this.#settings = settings;
    this.#options = options;
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
    const { from } = settings as { from?: string };
    if (from) await this.fetchFrom(from);
    const origin = await expectFits(this, stage, settings as AnySettings, this.images, earlier, this.#options.preset);

    const started = (await stage.start(this, settings, earlier?.settings)) as Started<object>;
    this.setModel(stage);
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
    const guards = new Guards(name, origin.data.train.count);
    const meta = {
      stage: name,
      ...(preset !== undefined && { preset }),
      origin,
      settings: { ...(settings as object), ...started.stored },
      madeWith: { ...earlier?.madeWith, ...madeWith },
    };
    const save = async () => {
      const loop = { ...kept, recent: [...recent] };
      await saveCheckpoint(path, { groups: state.groups(), meta: { ...meta, loop, state: state.values() } });
      saved = state.done;
      if (isFirstSave) this.#replaceEarlier(stage, watch);
      isFirstSave = false;
    };
    const draw = async () => {
      this.caption = `${name}, update ${state.done} of ${steps}`;
      const picture = () => stage.draw(this, training.model);
      await (training.ema ? training.ema.evaluate(picture) : picture()).finally(() => {
        this.caption = '';
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
      if (!(error instanceof NonFiniteError || error instanceof OutOfMemoryError)) throw error;
      watch.error(state.done + 1, error.message);
      throw stopped(error, state.done + 1, name, path, saved);
    } finally {
      if (isBetweenUpdates && saved !== state.done) await save();
      if (!hasFailed && state.done < steps) watch.report(false); // the reader left
    }
    await draw();
    watch.report(false);
    training.ema?.copyToModel(); // evaluated and sampled with the averaged weights
    this.setModel(stage, training.model);
  }

  /** The settings that a stage's changes are applied to: its checkpoint's when resuming, and the size of the run's images. */
  base<S extends Stage>(stage: S): ChangesOf<S> {
    const { resume = true } = this.#options;
    const size = this.#startsAgain ? this.images.givenSize : this.images.size;
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
    const hasImages = !meta.origin?.data.tokens || this.hasImages;
    if (meta.origin && !meta.origin.data.tokens)
      expectImages(meta.origin, (await this.images.at()).origin, saved.source);
    if (!hasImages) this.notify(`${stage.name}: no FD, as there are no images to compare with. --data gives some.`);
    const { seconds, images, recent } = loop;
    const loss = recent.reduce((sum, r) => sum + r.loss, 0) / recent.length;
    const figures: Figures = hasImages ? await stage.evaluate(this, this.model(stage)) : {};
    const row = {
      name: stage.name,
      steps: meta.state.done,
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

  /** After a training's first checkpoint: what it replaces is forgotten. */
  #replaceEarlier(stage: Stage, watch: Watch): void {
    if (this.#startsAgain) this.clear(stage);
    watch.forgetEarlier(this.#startsAgain);
    this.#startsAgain = false;
  }

  /** Puts a training back to where its checkpoint was saved. */
  #restore(stage: Stage, { training }: Started<object>, madeWith: Readonly<Record<string, string>>): LoopState {
    const { saved, loop, meta } = this.open(stage);
    const isOther = (part: string) => meta.madeWith[part] !== undefined && meta.madeWith[part] !== madeWith[part];
    const other = Object.keys(madeWith).find(isOther);
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

function stopped(
  error: NonFiniteError | OutOfMemoryError,
  step: number,
  name: string,
  path: string,
  saved: number | undefined,
): Error {
  const kept =
    saved === undefined
      ? 'No checkpoint had been saved yet.'
      : `${path} holds the ${saved} updates before; go on from there with --resume.`;
  const isFull = error instanceof OutOfMemoryError;
  const advice = isFull
    ? 'With --accumulate 4 a quarter of the batch is in memory at a time, with --recompute-activations less of each part; the model learns the same.'
    : 'A lower --learning-rate is the usual cure.';
  const message = `${name}, update ${step}: ${error.message} ${kept} ${advice}`;
  return new (isFull ? OutOfMemoryError : NonFiniteError)(message, { cause: error });
}
