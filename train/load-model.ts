/** `loadModel` in Node. */
import { fileURLToPath } from 'node:url';
import { fetchModel } from './load-model-browser.ts';
import type { Model } from './model.ts';
import { parseModel } from './model-file.ts';
import { isRunFolder, openModel } from './open-model.ts';
import { openRun } from './run.ts';
import { modelOf } from './run-model.ts';

/**
 * Loads a tokenizer and its generator.
 *
 *   const model = await loadModel();
 *   const cats = await generate(model, 'cat', { count: 12 });
 *   const [{ output, psnr }] = await reconstruct(model.tokenizer, [await decodeImage('photo.png')]);
 *
 * @param from    a model in the box by its name ('emoji-32'), a file that `titok export` wrote, by its path (which has a dot or
 *                a slash), URL or bytes, or the folder of a run; default: the model in the box that its index names
 * @param folder  the box, if it is not the package's folder `models`
 * @throws OptionError when the box has no such model, CheckpointError when a file is missing, of another kind or damaged
 */
export async function loadModel(from?: string | URL | Uint8Array, folder?: string): Promise<Model> {
  if (from instanceof Uint8Array) return parseModel(from);
  if (from instanceof URL) return from.protocol === 'file:' ? loadModel(fileURLToPath(from)) : fetchModel(from);
  if (from !== undefined && /^https?:/.test(from)) return fetchModel(from);
  if (from !== undefined && isRunFolder(from)) return modelOf(await openRun(from));
  return openModel(from, folder);
}
