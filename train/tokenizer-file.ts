/** A tokenizer from a file: a checkpoint of ours, also of a teacher, a model that was exported, or published weights. */
import { CheckpointError } from '../core/index.ts';
import { loadCheckpoint } from '../data/index.ts';
import { type ImageTokenizer, SizedTeacher } from './generate.ts';
import { isModelFile, openModelFile } from './open-model.ts';
import { expectPixelHead, isPublished, openPublishedTokenizer, type PublishedOptions } from './published.ts';
import { metaOf, savedModel } from './run-folder.ts';
import { teacher, teacherSettings } from './teacher.ts';
import { loadTiTok } from './titok-stage.ts';

/**
 * Loads a tokenizer that gives pixels.
 *
 * @param published  of published weights: where their sizes are from, if not from a configuration beside them; a checkpoint of
 *   ours knows its sizes
 * @throws CheckpointError when the file does not fit; OptionError for an unknown preset
 */
export function loadTokenizerFile(path: string, published: PublishedOptions = {}): ImageTokenizer {
  if (isPublished(path)) return openPublishedTokenizer(path, published);
  if (isModelFile(path)) return openModelFile(path).tokenizer;
  const { meta, groups } = loadCheckpoint(path, {}, (meta) => metaOf(path, meta));
  const saved = savedModel(path, meta, groups);
  if (saved.settings['model']) return expectPixelHead(loadTiTok(saved), path);
  if (meta['stage'] === teacher.name)
    return new SizedTeacher(
      teacher.load(saved),
      teacherSettings.unwrap().shape.imageSize.parse(saved.settings['imageSize']),
    );
  throw new CheckpointError(`${saved.source}: expected a TiTok or a teacher, got the stage ${meta['stage']}.`);
}
