/** Models from files, in Node. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openTensorFile, readFileBytes, weightFiles } from '../data/index.ts';
import { type Box, fileInBox, isBoxName, parseBox } from './box.ts';
import type { Model } from './model.ts';
import { isModel } from './model-bytes.ts';
import { parseModel } from './model-file.ts';
import { isPublished, openPublished, type PublishedOptions } from './published.ts';

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
export function openModel(from?: string, folder = box, published: PublishedOptions = {}): Model {
  return openModelFile(pathOfModel(from, folder), published);
}

/** Reads a model by its path. @throws CheckpointError when the file is of another kind or damaged */
export const openModelFile = (path: string, published: PublishedOptions = {}): Model =>
  isPublished(path) ? openPublished(path, published) : parseModel(readFileBytes(path), path);

/** Whether a file of weights is a model that `titok export` wrote. @throws CheckpointError when it is no file of weights */
export function isModelFile(path: string): boolean {
  using file = openTensorFile(path);
  return isModel(file.metadata);
}

/** Whether a text is the path of a run and not that of a file, or of a folder with published weights. */
export const isRunFolder = (from: string): boolean =>
  !isBoxName(from) &&
  statSync(from, { throwIfNoEntry: false })?.isDirectory() === true &&
  !weightFiles.some((name) => existsSync(join(from, name)));
