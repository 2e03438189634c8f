/**
 * A training as PyTorch goes on with it: a folder that `exportTorch` writes.
 *
 *   titok.py, tensors.py, train.py, verify.py   the model, files, the training and its check, in Python
 *   training.json         what they read: sizes, settings, updates done
 *   data.safetensors      training images; for stage 1 also the teacher's codes of them
 *   run/                  checkpoints of the run: the stage's, and its teacher's
 *   model.safetensors, config.yaml      weights and sizes as the paper's code has them
 *   official/             its configurations, a script and shards, for a model that it knows: official.ts
 *   trained.safetensors   written by train.py
 *   verify.safetensors    written by `verifyTorch`
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { CheckpointError, OptionError } from '../../core/index.ts';
import { writeFileAtomic } from '../../data/index.ts';
import type { RunFolder } from '../run-folder.ts';
import { parseSettings } from '../settings.ts';
import { type SingleSettings, single } from '../single.ts';
import type { StageName } from '../stage.ts';
import { type WarmupSettings, warmup } from '../warmup.ts';

/** The stages that PyTorch can go on with. */
export const torchStages = { warmup, single } as const;
/** 'warmup' or 'single'. */
export type TorchStageName = keyof typeof torchStages;

/** The stage of a run that PyTorch goes on with: the one that is named, else stage 1, else the single stage. */
export function torchStageOf(run: RunFolder, name?: TorchStageName): TorchStageName {
  const names = Object.keys(torchStages) as TorchStageName[];
  const found = names.find((other) => run.has(torchStages[other]) && (name === undefined || name === other));
  if (found) return found;
  throw new CheckpointError(
    `run ${run.folder}: expected a checkpoint of ${name ?? names.join(' or ')} for PyTorch to go on with, got none. Run 'titok train ${name ?? 'warmup'}' first.`,
  );
}

export const pythonFiles = ['titok.py', 'tensors.py', 'train.py', 'verify.py'] as const;

/** What PyTorch writes into an export: hours of training. */
const madeThere = ['trained.safetensors', join('official', 'stage1'), join('official', 'stage2')];

/**
 * Creates the folder with the Python files, or clears that of an earlier export.
 *
 * @throws OptionError when there is a file of that name, another folder, or an export that PyTorch has trained
 */
export function beginFolder(folder: string): void {
  const there = statSync(folder, { throwIfNoEntry: false });
  const isOurs = ['training.json', pythonFiles[0]].some((name) => existsSync(join(folder, name))); // whole, or interrupted
  const isEmpty = there?.isDirectory() && readdirSync(folder).length === 0;
  if (there && !isOurs && !isEmpty)
    throw new OptionError(
      `--output: expected a new or empty folder, or one of an earlier export, got ${folder}, which is something else.`,
    );
  const made = madeThere.find((name) => existsSync(join(folder, name)));
  if (made !== undefined)
    throw new OptionError(
      `--output: expected a new folder, got ${folder}, in which PyTorch has made ${made}. Bring that back with titok import, and delete the folder or give another one.`,
    );
  for (const name of ['training.json', 'verify.safetensors', 'log.jsonl', 'official', 'run'])
    rmSync(join(folder, name), { recursive: true, force: true });
  mkdirSync(join(folder, 'run'), { recursive: true });
  for (const name of pythonFiles)
    copyFileSync(fileURLToPath(new URL(`./python/${name}`, import.meta.url)), join(folder, name));
}

const trainingSchema = z.looseObject({ stage: z.enum(['warmup', 'single']) });

/** The folder that a file is in, or below. @throws CheckpointError when no export wrote it */
export function exportedFolder(path: string): { readonly folder: string; readonly stage: TorchStageName } {
  if (!existsSync(path))
    throw new CheckpointError(`${path}: expected a folder that 'titok export --to torch' wrote, got nothing there.`);
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const file = join(folder, 'training.json');
    if (existsSync(file))
      return { folder: isAbsolute(path) ? folder : relative('', folder) || '.', stage: stageIn(file) };
    if (folder === dirname(folder)) break;
  }
  throw new CheckpointError(
    `${path}: expected a folder that 'titok export --to torch' wrote, or a file in it, got one without training.json.`,
  );
}

function stageIn(file: string): TorchStageName {
  try {
    return trainingSchema.parse(JSON.parse(readFileSync(file, 'utf8'))).stage;
  } catch (error) {
    throw new CheckpointError(`${file}: expected the JSON that 'titok export --to torch' wrote, got another file.`, {
      cause: error,
    });
  }
}

/** Writes training.json, the last of the files. */
export const writeTraining = (folder: string, training: object): void =>
  writeFileAtomic(join(folder, 'training.json'), [new TextEncoder().encode(`${JSON.stringify(training, null, 2)}\n`)]);

/** Copies a stage's checkpoint to `folder`/run. */
export const copyCheckpoint = (run: RunFolder, folder: string, name: StageName): void =>
  copyFileSync(run.checkpoint({ name }), join(folder, 'run', `${name}.safetensors`));

/** The settings that a run's stage was trained with. */
export const torchSettings = (run: RunFolder, stage: TorchStageName): WarmupSettings | SingleSettings =>
  stage === 'warmup'
    ? parseSettings(warmup.settings, run.settingsOf(warmup) ?? {}, 'warmup settings')
    : parseSettings(single.settings, run.settingsOf(single) ?? {}, 'single settings');
