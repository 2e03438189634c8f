/** `loadModel` in Node. */
import { fileURLToPath } from 'node:url';
import { isBoxName } from './box.ts';
import { fetchModel } from './load-model-browser.ts';
import type { Model } from './model.ts';
import { parseModel } from './model-file.ts';
import { isRunFolder, openModel, openModelFile } from './open-model.ts';
import { type LoadPublishedOptions, localOptions, localPath, parseHubName } from './published-names.ts';
import { openRun } from './run.ts';
import { modelOf } from './run-model.ts';

/**
 * Loads a tokenizer and its generator.
 *
 *   const model = await loadModel();
 *   const cats = await generate(model, 'cat', { count: 12 });
 *   const [{ output, psnr }] = await reconstruct(model.tokenizer, [await decodeImage('photo.png')]);
 *   const published = await loadModel('yucornetto/tokenizer_titok_s128_imagenet');
 *
 * @param from       a model in the box by its name ('emoji-32'), a file that `titok export` wrote, by its path (which has a dot
 *                   or a slash), URL or bytes, the folder of a run, published weights by their path, or their name on the
 *                   Hugging Face hub, from where they are fetched once; default: the model in the box that its index names
 * @param folder     the box, if it is not the package's folder `models`
 * @param published  of published weights: their configuration, if it is not beside them, and a generator's tokenizer
 * @throws OptionError when the box has no such model, CheckpointError when a file is missing, of another kind or damaged,
 *   DataError when the hub does not have it or cannot be reached
 */
export async function loadModel(
  from?: string | URL | Uint8Array,
  folder?: string,
  published: LoadPublishedOptions = {},
): Promise<Model> {
  if (from instanceof Uint8Array) return parseModel(from);
  if (from instanceof URL)
    return from.protocol === 'file:' ? loadModel(fileURLToPath(from), folder, published) : fetchModel(from);
  if (from !== undefined && /^https?:/.test(from)) return fetchModel(from);
  if (from !== undefined && isRunFolder(from)) return modelOf(await openRun(from));
  if (from === undefined || isBoxName(from)) return openModel(from, folder);
  const model = openModelFile(await localPath(from, published), await localOptions(from, published));
  return parseHubName(from) ? { ...model, metadata: { ...model.metadata, name: from } } : model;
}
