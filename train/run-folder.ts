/** The files of a run: a checkpoint per stage, each with the fingerprints of the models that it was made with. */
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { CheckpointError } from '../core/index.ts';
import { type Checkpoint, loadCheckpoint, loadCheckpointMeta, lockFolder } from '../data/index.ts';
import { stateDict } from '../nn/index.ts';
import { forgetFrames } from './film.ts';
import type { Spent } from './loop.ts';
import { originSchema } from './origin.ts';
import { forgetEvents } from './report/events.ts';
import { savedPart } from './saved.ts';
import { knownSettings, merge } from './settings.ts';
import { type ChangesOf, type SavedModel, type Stage, type StageName, stageNames } from './stage.ts';
import { stages } from './stages.ts';
import { type StepReport, savedState } from './training.ts';

/** The part of a checkpoint that the loop needs to go on. */
export interface LoopState extends Spent {
  /** The last 50 updates. */
  readonly recent: readonly StepReport[];
}

const words = z.array(z.int()).length(4); // state of a generator of random numbers
const index = z.int().min(0);
/** A place in batches of images, or of token rows. */
const position = z.looseObject({
  count: index.optional(),
  position: index,
  epoch: z.union([index, words], { error: 'a whole number, or four' }),
  order: words.optional(),
  draws: words.optional(),
});

/** What a checkpoint says beside its tensors. Versions up to 0.1.0 did not keep their seed and images. */
const savedMeta = z.looseObject({
  stage: z.enum(stageNames),
  preset: z.string().optional(),
  origin: originSchema.optional(),
  settings: z.record(z.string(), z.unknown()),
  madeWith: z.record(z.string(), z.string()).default({}),
  loop: z
    .strictObject({
      seconds: z.number().min(0),
      images: z.int().min(0),
      recent: z.array(z.object({ loss: z.number() }).catchall(z.number())),
    })
    .default({ seconds: 0, images: 0, recent: [] }),
  state: savedState.extend({ streams: z.looseObject({ data: position, rng: words.optional() }) }),
});
/** Preset, settings, fingerprints and state of a training. */
export type SavedMeta = z.output<typeof savedMeta>;

/** The settings in a checkpoint that its stage still knows. */
export const settingsBefore = (stage: Stage, meta: SavedMeta): object =>
  merge((stage.earlier as object | undefined) ?? {}, knownSettings(stage.settings, meta.settings));

export interface OpenedStage {
  readonly saved: SavedModel;
  readonly loop: LoopState;
  readonly meta: SavedMeta;
}

type Named = { readonly name: StageName };

/** The checkpoints of a run: one file per stage, loaded and compared by fingerprint. */
export class RunFolder {
  readonly folder: string;
  #locks = 0;
  #release = () => {};

  constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Keeps other processes from training in this run, until the lock is disposed or this process ends. `train` locks by
   * itself; a program that trains several stages can hold the lock between them: `using _ = run.lock()`.
   *
   * @throws CheckpointError when another process trains in this run, or when its folder cannot be written to
   */
  lock(): Disposable {
    if (this.#locks === 0) this.#release = lockFolder(this.folder);
    this.#locks++;
    return {
      [Symbol.dispose]: () => {
        if (--this.#locks === 0) this.#release();
      },
    };
  }

  /** Where a stage's checkpoint is, or will be. */
  checkpoint(stage: Named): string {
    return join(this.folder, `${stage.name}.safetensors`);
  }

  /** Whether a stage has a checkpoint. */
  has(stage: Named): boolean {
    return existsSync(this.checkpoint(stage));
  }

  /** The stages that have a checkpoint. */
  get trained(): readonly StageName[] {
    return stageNames.filter((name) => this.has({ name }));
  }

  /** The settings that a stage was trained with, if it was. */
  settingsOf<S extends Stage>(stage: S): ChangesOf<S> | undefined {
    if (!this.has(stage)) return undefined;
    return settingsBefore(stage, this.meta(stage)) as ChangesOf<S>;
  }

  /** @throws CheckpointError when the stage has no checkpoint, or a damaged one */
  open(stage: Named): OpenedStage {
    const path = this.checkpoint(stage);
    this.#expectFile(stage);
    const { meta: read, groups } = loadCheckpoint(path, { stage: stage.name }, (meta) => metaOf(path, meta));
    const meta = metaOf(path, read);
    return { meta, loop: meta.loop as LoopState, saved: savedModel(path, meta, groups) };
  }

  /** What a checkpoint says beside its tensors, which are not read. @throws CheckpointError as `open` */
  meta(stage: Named): SavedMeta {
    this.#expectFile(stage);
    const path = this.checkpoint(stage);
    return metaOf(path, loadCheckpointMeta(path, { stage: stage.name }, (meta) => metaOf(path, meta)) ?? {});
  }

  #expectFile(stage: Named): void {
    if (this.has(stage)) return;
    throw new CheckpointError(
      `checkpoint ${this.checkpoint(stage)}: expected the result of 'titok train ${stage.name}', got no file. Run that first, or give another --name.`,
    );
  }

  /**
   * What the run says about a stage before it trains: its own checkpoint if there is one, else that of the nearest stage
   * before it, else of one after it. Unreadable files are passed over.
   */
  before(stage: StageName = stageNames[0]): SavedMeta | undefined {
    const at = stageNames.indexOf(stage);
    const nearest = [...stageNames.slice(0, at + 1).reverse(), ...stageNames.slice(at + 1)];
    for (const name of nearest) {
      const meta = this.readableMeta(name);
      if (meta) return meta;
    }
    return undefined;
  }

  /** What a stage's checkpoint says; nothing when there is none, or none that can be read. */
  readableMeta(name: StageName): SavedMeta | undefined {
    try {
      return this.has({ name }) ? this.meta({ name }) : undefined;
    } catch (error) {
      if (error instanceof CheckpointError) return undefined;
      throw error;
    }
  }

  /** @throws CheckpointError when a stage was trained with other models than these parts of the run */
  async expectMadeWith(stage: Stage, parts: Readonly<Record<string, object>>): Promise<void> {
    const { madeWith } = this.meta(stage);
    for (const [part, fingerprint] of Object.entries(await fingerprints(parts))) {
      if (madeWith[part] === undefined || madeWith[part] === fingerprint) continue;
      throw new CheckpointError(
        `checkpoint ${this.checkpoint(stage)}: expected to be made with the run's ${part}, got one made with another ${part}, which has been trained again since. ` +
          `Run 'titok train ${stage.name} --overwrite'.`,
      );
    }
  }

  /** Pixels of the images that the run was trained on, as far as a readable checkpoint says. */
  get imageSize(): number | undefined {
    for (const name of stageNames) {
      const { origin, settings = {} } = this.readableMeta(name) ?? {};
      const model = settings['model'] as { imageSize: number } | undefined; // versions without an origin
      const size = origin?.data.imageSize ?? settings['imageSize'] ?? model?.imageSize;
      if (size !== undefined) return size as number;
    }
    return undefined;
  }

  /** Training time that the checkpoints record, in seconds. */
  get secondsSpent(): number {
    return this.trained.reduce((sum, name) => sum + this.meta({ name }).loop.seconds, 0);
  }

  /** Deletes checkpoints, log, figures and what shows them. @param kept  a stage whose checkpoint stays, and the log with it */
  clear(kept?: Named): void {
    for (const name of stageNames.filter((name) => name !== kept?.name)) {
      rmSync(this.checkpoint({ name }), { force: true });
      forgetFrames(this.folder, name, 0);
      forgetEvents(this.folder, name, 0);
    }
    for (const file of ['metrics.json', 'results.json', ...(kept ? [] : ['log.jsonl', 'report.html'])])
      rmSync(join(this.folder, file), { force: true });
  }
}

/** The metadata of a checkpoint, checked. @throws CheckpointError naming the value that is wrong */
export function metaOf(path: string, meta: Checkpoint['meta']): SavedMeta {
  const source = `checkpoint ${path}`;
  const saved = savedPart(savedMeta, meta, source);
  const stage = stages[saved.stage];
  savedPart(stage.model, saved.settings, source, 'settings');
  savedPart(stage.settings, knownSettings(stage.settings, saved.settings), source, 'settings', { alone: true });
  return saved;
}

/** A checkpoint's model part. @throws CheckpointError when it is not one of our trainings */
export function savedModel(path: string, meta: Checkpoint['meta'], groups: Checkpoint['groups']): SavedModel {
  return { settings: metaOf(path, meta).settings, groups, source: `checkpoint ${path}` };
}

/** 16 hex digits per model, from its weights: a checkpoint can tell whether it was made with this one. */
export async function fingerprints(models: Readonly<Record<string, object>>): Promise<Record<string, string>> {
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
