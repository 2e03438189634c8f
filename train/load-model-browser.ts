/** `loadModel` in a browser. */
import { CheckpointError } from '../core/index.ts';
import { fileInBox, isBoxName, parseBox } from './box.ts';
import type { Model } from './model.ts';
import { parseModel } from './model-file.ts';

const here = import.meta.url; // apart, or bundlers would take the folder below for a file to bundle

/**
 * Loads a tokenizer and its generator.
 *
 *   const model = await loadModel();                                  // the default model in the box
 *   const model = await loadModel('emoji-64', '/models/');            // a copy of node_modules/titok-ts/dist/models
 *   const model = await loadModel('https://example.org/mine.safetensors');
 *
 * @param from    a model in the box by its name ('emoji-32'), or a file that `titok export` wrote, by its URL (which has a dot
 *                or a slash) or its bytes; default: the model in the box that its index names
 * @param folder  URL of the box; default: its place in the package relative to this module, which a bundler would change
 * @throws OptionError when the box has no such model, CheckpointError when a file cannot be fetched, is of another kind or
 *   damaged
 */
export async function loadModel(
  from?: string | URL | Uint8Array,
  folder: string | URL = new URL('../models/', here),
): Promise<Model> {
  if (from instanceof Uint8Array) return parseModel(from);
  if (from !== undefined && !(typeof from === 'string' && isBoxName(from))) return fetchModel(from);
  const base = `${folder}`.replace(/\/?$/, '/');
  const index = `${base}index.json`;
  const box = parseBox(new TextDecoder().decode(await fetchBytes(index)), index);
  return fetchModel(base + fileInBox(box, from));
}

/** The model in a file at a URL. */
export const fetchModel = async (url: string | URL): Promise<Model> => parseModel(await fetchBytes(url), `${url}`);

async function fetchBytes(url: string | URL): Promise<Uint8Array> {
  const fail = (got: string, cause?: unknown) =>
    new CheckpointError(`${url}: expected a model, got ${got}.`, { cause });
  const response = await fetch(url).catch((error) => {
    throw fail((error as Error).message, error);
  });
  if (!response.ok) throw fail(`HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
