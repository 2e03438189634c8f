/** A run is a folder runs/NAME with one checkpoint per stage. Here models come back out of it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type DeviceOptions, openDevice, outsideScopes, Rng, setDefaultDevice } from '../core/index.ts';
import {
  type Checkpoint,
  CheckpointError,
  loadCheckpoint,
  mobilenetTrunkPath,
  readSafetensors,
} from '../data/index.ts';
import { createGenerator, type Generator, type GeneratorConfig } from '../maskgit/index.ts';
import { loadStateDict } from '../nn/index.ts';
import {
  type AnyTeacher,
  createTeacher,
  MobileNetTrunk,
  presets as models,
  type PixelDecoderConfig,
  TiTok,
  type TiTokConfig,
} from '../titok/index.ts';

export const runFolder = (name: string): string => join('runs', name);
export const stageFile = (folder: string, stage: string): string => join(folder, `${stage}.safetensors`);

/** Opens the device that everything then runs on. */
export async function useDevice(name: string, options: DeviceOptions = {}) {
  const device = await openDevice(name, options);
  setDefaultDevice(device);
  return device;
}

/** The frozen network behind the perceptual loss and the Fréchet distance; it comes with the package. */
export function loadTrunk(): MobileNetTrunk {
  return outsideScopes(() => new MobileNetTrunk(readSafetensors(mobilenetTrunkPath)));
}

interface Stored {
  readonly checkpoint: Checkpoint;
  readonly settings: Record<string, unknown>;
  readonly path: string;
}

function open(path: string, stage: string): Stored {
  if (!existsSync(path)) {
    throw new CheckpointError(
      `checkpoint ${path}: expected the result of 'titok train ${stage}', got no file. Run that first, or give another --name.`,
    );
  }
  const checkpoint = loadCheckpoint(path, { stage });
  return { checkpoint, settings: checkpoint.meta['settings'] as Record<string, unknown>, path };
}

export function loadTeacher(folder: string): AnyTeacher {
  const { checkpoint, settings, path } = open(stageFile(folder, 'teacher'), 'teacher');
  const teacher = createTeacher(settings['teacher'] as PixelDecoderConfig, new Rng(0));
  loadStateDict(teacher, checkpoint.groups['model']!, { source: `checkpoint ${path}` });
  return teacher;
}

/** The tokenizer as one of the stages left it. */
export function loadTiTok(folder: string, stage: 'warmup' | 'finetune' | 'single'): TiTok {
  const { checkpoint, settings, path } = open(stageFile(folder, stage), stage);
  const model = new TiTok(settings['model'] as TiTokConfig, new Rng(0));
  loadStateDict(model, checkpoint.groups['model']!, { source: `checkpoint ${path}` });
  return model;
}

/** The generator with its averaged weights, and the classes that it was trained on. */
export function loadGenerator(folder: string): {
  generator: Generator;
  classes: string[];
  settings: Record<string, unknown>;
} {
  const { checkpoint, settings, path } = open(stageFile(folder, 'generator'), 'generator');
  const generator = createGenerator(settings['generator'] as GeneratorConfig, new Rng(0));
  loadStateDict(generator, checkpoint.groups['ema.model']!, { source: `checkpoint ${path}` });
  return { generator, classes: settings['classes'] as string[], settings };
}

/** The best tokenizer of a run that turns tokens into pixels: fine-tuned, or single-stage. */
export function loadPixelTokenizer(folder: string): TiTok {
  const stage = (['finetune', 'single'] as const).find((s) => existsSync(stageFile(folder, s)));
  if (!stage) {
    throw new CheckpointError(
      `run ${folder}: expected finetune.safetensors or single.safetensors, got neither. Run 'npm run quickstart', or 'titok train finetune'.`,
    );
  }
  return loadTiTok(folder, stage);
}

/** Published weights: plain names, sizes from a preset. */
export function loadPublished(path: string, preset: string): TiTok {
  const config = (models as Record<string, TiTokConfig>)[preset];
  if (!config)
    throw new CheckpointError(
      `--preset: expected one of ${Object.keys(models).join(', ')} for published weights, got '${preset}'.`,
    );
  const model = new TiTok(config, new Rng(0));
  loadStateDict(model, loadCheckpoint(path).groups['model']!, { source: `checkpoint ${path}` });
  return model;
}
