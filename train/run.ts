/** A run is a folder runs/NAME with one checkpoint per stage. Here models come back out of it. */
import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  CheckpointError,
  type DeviceOptions,
  OptionError,
  openDevice,
  outsideScopes,
  Rng,
  setDefaultDevice,
} from '../core/index.ts';
import { type Checkpoint, loadCheckpoint, mobilenetTrunkPath, readSafetensors } from '../data/index.ts';
import { createGenerator, type Generator, type GeneratorConfig } from '../maskgit/index.ts';
import { loadStateDict, stateDict } from '../nn/index.ts';
import {
  type AnyTeacher,
  createTeacher,
  MobileNetTrunk,
  presets as models,
  type PixelDecoderConfig,
  parameterShapes,
  TiTok,
  type TiTokConfig,
} from '../titok/index.ts';

export const runFolder = (name: string): string => join('runs', name);
export const stageFile = (folder: string, stage: string): string => join(folder, `${stage}.safetensors`);

/** Opens the device that everything then runs on. */
export async function useDevice(name: string, options: DeviceOptions = {}) {
  const device = await openDevice(name, options);
  await device.sync(); // with all its threads from the first op on, as rounding depends on them
  setDefaultDevice(device);
  return device;
}

/** The frozen network behind the perceptual loss and the Fréchet distance; it comes with the package. */
export function loadTrunk(): MobileNetTrunk {
  return outsideScopes(() => new MobileNetTrunk(readSafetensors(mobilenetTrunkPath)));
}

/** The trainings in the order in which they build on each other. */
export const stages = ['teacher', 'warmup', 'finetune', 'single', 'generator'] as const;
export type Stage = (typeof stages)[number];

/** A run that starts again has nothing of the one before: a later stage would continue with another teacher. */
export function startAgain(folder: string): void {
  for (const stage of stages) rmSync(stageFile(folder, stage), { force: true });
  for (const file of ['log.jsonl', 'metrics.json']) rmSync(join(folder, file), { force: true });
}

/** Seconds of training that the checkpoints of a run tell of. */
export function secondsSpent(folder: string): number {
  const paths = stages.map((stage) => stageFile(folder, stage)).filter((path) => existsSync(path));
  const seconds = (path: string) =>
    (loadCheckpoint(path).meta['loop'] as { seconds: number } | undefined)?.seconds ?? 0;
  return paths.reduce((sum, path) => sum + seconds(path), 0);
}

/** What a stage of the run was trained with, if it was. */
export function storedSettings<T>(folder: string, stage: Stage): T | undefined {
  return existsSync(stageFile(folder, stage)) ? (open(folder, stage).settings as T) : undefined;
}

interface Stored {
  readonly checkpoint: Checkpoint;
  readonly settings: Record<string, unknown>;
  readonly source: string;
}

function open(folder: string, stage: Stage): Stored {
  const path = stageFile(folder, stage);
  if (!existsSync(path)) {
    throw new CheckpointError(
      `checkpoint ${path}: expected the result of 'titok train ${stage}', got no file. Run that first, or give another --name.`,
    );
  }
  return stored(path, loadCheckpoint(path, { stage }));
}

function stored(path: string, checkpoint: Checkpoint): Stored {
  const source = `checkpoint ${path}`;
  const { settings } = checkpoint.meta;
  if (typeof settings !== 'object' || settings === null) {
    throw new CheckpointError(`${source}: expected the settings of a training in its metadata, got none.`);
  }
  return { checkpoint, settings: settings as Record<string, unknown>, source };
}

export function loadTeacher(folder: string): AnyTeacher {
  const { checkpoint, settings, source } = open(folder, 'teacher');
  const teacher = createTeacher(settings['teacher'] as PixelDecoderConfig, new Rng(0));
  loadStateDict(teacher, checkpoint.groups['model'] ?? {}, { source });
  return teacher;
}

/** The tokenizer as one of the stages left it. */
export const loadTiTok = (folder: string, stage: 'warmup' | 'finetune' | 'single'): TiTok =>
  titokOf(open(folder, stage));

function titokOf({ checkpoint, settings, source }: Stored): TiTok {
  if (!settings['model']) {
    throw new CheckpointError(`${source}: expected a TiTok, got the stage ${checkpoint.meta['stage']}.`);
  }
  const model = new TiTok(settings['model'] as TiTokConfig, new Rng(0));
  loadStateDict(model, checkpoint.groups['model'] ?? {}, { source });
  return model;
}

/** The generator with its averaged weights, and the classes that it was trained on. */
export function loadGenerator(folder: string): {
  generator: Generator;
  classes: string[];
  settings: Record<string, unknown>;
} {
  const { checkpoint, settings, source } = open(folder, 'generator');
  const generator = createGenerator(settings['generator'] as GeneratorConfig, new Rng(0));
  loadStateDict(generator, checkpoint.groups['ema.model'] ?? {}, { source });
  return { generator, classes: settings['classes'] as string[], settings };
}

/** The best tokenizer of a run that turns tokens into pixels: fine-tuned, or single-stage. */
export function loadPixelTokenizer(folder: string): TiTok {
  const stage = (['finetune', 'single'] as const).find((s) => existsSync(stageFile(folder, s)));
  if (!stage) {
    throw new CheckpointError(
      `run ${folder}: expected finetune.safetensors or single.safetensors, got neither. Run 'npm run quickstart' or 'titok train finetune' first, or give another --name.`,
    );
  }
  return loadTiTok(folder, stage);
}

/** A tokenizer from a file: one of ours, which knows its sizes, or published weights, whose sizes are a preset's. */
export function loadTokenizerFile(path: string, preset: string | undefined): TiTok {
  const checkpoint = loadCheckpoint(path);
  if (!checkpoint.published) return withPixels(titokOf(stored(path, checkpoint)), path);
  const config = models[preset as keyof typeof models] as TiTokConfig | undefined;
  if (!config) {
    throw new OptionError(
      `--preset: expected the sizes of the published weights in ${path}, one of ${Object.keys(models).join(', ')}, got ${preset ?? 'none'}.`,
    );
  }
  const tensors = checkpoint.groups['model'] ?? {};
  const wrong = Object.entries(parameterShapes(config)).find(([name, s]) => `${tensors[name]?.shape}` !== `${s}`);
  if (wrong) {
    const [name, shape] = wrong;
    const got = tensors[name] ? `is [${tensors[name].shape.join(', ')}] in the file` : 'is missing from the file';
    const fits = Object.entries(models).find(([, other]) =>
      Object.entries(parameterShapes(other)).every(([key, s]) => `${tensors[key]?.shape}` === `${s}`),
    );
    throw new CheckpointError(
      `checkpoint ${path}: '${name}' ${got}, [${shape.join(', ')}] in the model of preset ${preset}.` +
        (fits ? ` Was it saved with preset ${fits[0]}?` : ' Was it saved with another preset?'),
    );
  }
  const model = new TiTok(config, new Rng(0));
  loadStateDict(model, tensors, { source: `checkpoint ${path}` });
  return withPixels(model, path);
}

function withPixels(model: TiTok, path: string): TiTok {
  if (model.config.head === 'pixels' || model.config.pixelDecoder) return model;
  throw new CheckpointError(
    `checkpoint ${path}: expected a model that gives pixels (finetune or single), got stage 1, which gives a teacher's codes.`,
  );
}

/** A model by its weights, so that a checkpoint can tell whether it was made with this one. 16 hex digits. */
export async function fingerprint(model: object): Promise<string> {
  const hash = createHash('sha256');
  for (const [name, t] of Object.entries(stateDict(model))) {
    hash.update(name).update(new Uint8Array(Float32Array.from(await t.data()).buffer));
  }
  return hash.digest('hex').slice(0, 16);
}

/** @throws CheckpointError when a stage of the run was trained with another model than this `part` of it */
export async function expectMadeWith(folder: string, stage: Stage, part: string, model: object): Promise<void> {
  const { checkpoint, source } = open(folder, stage);
  const was = (checkpoint.meta['madeWith'] as Record<string, string> | undefined)?.[part];
  if (was === undefined || was === (await fingerprint(model))) return;
  throw new CheckpointError(
    `${source}: expected to be made with the run's ${part}, got one made with another ${part}, which has been trained again since. ` +
      `Run 'titok train ${stage}' again.`,
  );
}
