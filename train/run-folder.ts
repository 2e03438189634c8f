/** The files of a run: a checkpoint per stage, each with the fingerprints of the models that it was made with. */
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../core/index.ts';
import { type Checkpoint, loadCheckpoint } from '../data/index.ts';
import { stateDict } from '../nn/index.ts';
import type { Spent } from './loop.ts';
import { knownSettings } from './settings.ts';
import { type ChangesOf, type SavedModel, type Stage, type StageName, stageNames } from './stage.ts';
import type { StepReport } from './training.ts';

/** The part of a checkpoint that the loop needs to go on. */
export interface LoopState extends Spent {
  /** The last 50 updates. */
  readonly recent: readonly StepReport[];
}

export interface OpenedStage {
  readonly saved: SavedModel;
  readonly loop: LoopState;
  /** Preset, fingerprints, state of the training. */
  readonly meta: Checkpoint['meta'];
}

type Named = { readonly name: StageName };

/** The checkpoints of a run: one file per stage, loaded and compared by fingerprint. */
export class RunFolder {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Where a stage's checkpoint is, or will be. */
  checkpoint(stage: Named): string {
    return join(this.folder, `${stage.name}.safetensors`);
  }

  /** Whether a stage has a checkpoint. */
  has(stage: Named): boolean {
    return existsSync(this.checkpoint(stage));
  }

  /** The settings that a stage was trained with, if it was. */
  settingsOf<S extends Stage>(stage: S): ChangesOf<S> | undefined {
    if (!this.has(stage)) return undefined;
    return knownSettings(stage.settings, this.open(stage).saved.settings) as ChangesOf<S>;
  }

  /** @throws CheckpointError when the stage has no checkpoint, or a damaged one */
  open(stage: Named): OpenedStage {
    const path = this.checkpoint(stage);
    if (!existsSync(path)) {
      throw new CheckpointError(
        `checkpoint ${path}: expected the result of 'titok train ${stage.name}', got no file. Run that first, or give another --name.`,
      );
    }
    const { meta, groups } = loadCheckpoint(path, { stage: stage.name });
    const loop = (meta['loop'] ?? { seconds: 0, images: 0, recent: [] }) as LoopState;
    return { meta, loop, saved: savedModel(path, meta, groups) };
  }

  /** @throws CheckpointError when a stage was trained with other models than these parts of the run */
  async expectMadeWith(stage: Stage, parts: Readonly<Record<string, object>>): Promise<void> {
    const { meta, saved } = this.open(stage);
    const earlier = (meta['madeWith'] ?? {}) as Record<string, string>;
    for (const [part, fingerprint] of Object.entries(await fingerprints(parts))) {
      if (earlier[part] === undefined || earlier[part] === fingerprint) continue;
      throw new CheckpointError(
        `${saved.source}: expected to be made with the run's ${part}, got one made with another ${part}, which has been trained again since. ` +
          `Run 'titok train ${stage.name}' again.`,
      );
    }
  }

  /** Image size of the first stage that was trained, pixels. */
  get imageSize(): number | undefined {
    const sizes = stageNames
      .filter((name) => this.has({ name }))
      .map((name) => this.open({ name }).saved.settings)
      .map((settings) => settings['imageSize'] ?? (settings['model'] as { imageSize?: number } | undefined)?.imageSize);
    return sizes.find((size) => size !== undefined) as number | undefined;
  }

  /** Training time that the checkpoints record, in seconds. */
  get secondsSpent(): number {
    const trained = stageNames.filter((name) => this.has({ name }));
    return trained.reduce((sum, name) => sum + this.open({ name }).loop.seconds, 0);
  }

  /** Deletes checkpoints, log and metrics: a run that starts again must not continue with an earlier stage's result. */
  clear(): void {
    for (const name of stageNames) rmSync(this.checkpoint({ name }), { force: true });
    for (const file of ['log.jsonl', 'metrics.json']) rmSync(join(this.folder, file), { force: true });
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
