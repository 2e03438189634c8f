/** Models from files, in Node. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSafetensors, readFileBytes } from '../data/index.ts';
import { type Box, fileInBox, isBoxName, parseBox } from './box.ts';
import type { Model } from './model.ts';
import { isModel } from './model-bytes.ts';
import { parseModel } from './model-file.ts';

/** The package's folder of models. */
const box = fileURLToPath(new URL('../models/', import.meta.url));

/** What is in the box. */
export function modelsInBox(folder = box): Box {
  const index = join(folder, 'index.json');
  return parseBox(existsSync(index) ? readFileSync(index, 'utf8') : undefined, index);
}

/**
 * Where a model is.
 *
 * @param from  a name in the box, or a path, which has a dot or a slash; default: the box's default
 * @throws OptionError when the box has no such model
 */
export const pathOfModel = (from?: string, folder = box): string =>
  from === undefined || isBoxName(from) ? join(folder, fileInBox(modelsInBox(folder), from)) : from;

/** Reads a model. @throws OptionError as `pathOfModel`, CheckpointError when the file is of another kind or damaged */
export function openModel(from?: string, folder = box): Model {
  return openModelFile(pathOfModel(from, folder));
}

/** Reads a model by its path. @throws CheckpointError when the file is of another kind or damaged */
export const openModelFile = (path: string): Model => parseModel(readFileBytes(path), path);

/** Whether a safetensors file is a model that `titok export` wrote. @throws CheckpointError when it is no safetensors file */
export function isModelFile(path: string): boolean {
  using file = openSafetensors(path);
  return isModel(file.metadata);
}

/** Whether a text is the path of a run and not that of a file. */
export const isRunFolder = (from: string): boolean =>
  !isBoxName(from) && statSync(from, { throwIfNoEntry: false })?.isDirectory() === true;
