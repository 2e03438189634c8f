/** A tokenizer from a file: a checkpoint of ours, a model that was exported, or published weights. */
import { CheckpointError } from '../core/index.ts';
import { loadCheckpoint } from '../data/index.ts';
import type { TiTok } from '../titok/index.ts';
import { isModelFile, openModelFile } from './open-model.ts';
import { expectPixelHead, isPublished, openPublishedTokenizer, type PublishedOptions } from './published.ts';
import { metaOf, savedModel } from './run-folder.ts';
import { loadTiTok } from './titok-stage.ts';

/**
 * Loads a tokenizer that gives pixels.
 *
 * @param published  of published weights: where their sizes are from, if not from a configuration beside them; a checkpoint of
 *   ours knows its sizes
 * @throws CheckpointError when the file does not fit; OptionError for an unknown preset
 */
export function loadTokenizerFile(path: string, published: PublishedOptions = {}): TiTok {
  if (isPublished(path)) return openPublishedTokenizer(path, published);
  if (isModelFile(path)) return openModelFile(path).tokenizer;
  const { meta, groups } = loadCheckpoint(path, {}, (meta) => metaOf(path, meta));
  const saved = savedModel(path, meta, groups);
  if (saved.settings['model']) return expectPixelHead(loadTiTok(saved), path);
  throw new CheckpointError(`${saved.source}: expected a TiTok, got the stage ${meta['stage']}.`);
}
