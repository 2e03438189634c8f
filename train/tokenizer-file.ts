/** A tokenizer from a file: a checkpoint of ours, a model that was exported, or published weights. */
import { CheckpointError, OptionError, Rng, suggestion } from '../core/index.ts';
import { loadCheckpoint } from '../data/index.ts';
import { loadStateDict, parameterShapes } from '../nn/index.ts';
import { presets as models, TiTok, type TiTokConfig } from '../titok/index.ts';
import { isModelFile, openModelFile } from './open-model.ts';
import { metaOf, savedModel } from './run-folder.ts';
import { loadTiTok } from './titok-stage.ts';

/**
 * Loads a tokenizer that gives pixels.
 *
 * @param preset  sizes of published weights: 's128', 'b64', 'l32', …; a checkpoint of ours knows its sizes
 * @throws CheckpointError when the file does not fit; OptionError for an unknown preset
 */
export function loadTokenizerFile(path: string, preset?: string): TiTok {
  if (isModelFile(path)) return openModelFile(path).tokenizer;
  const { published, meta, groups } = loadCheckpoint(path, {}, (meta) => metaOf(path, meta));
  if (published) return withPixels(publishedTiTok(path, groups['model'] ?? {}, preset), path);
  const saved = savedModel(path, meta, groups);
  if (saved.settings['model']) return withPixels(loadTiTok(saved), path);
  throw new CheckpointError(`${saved.source}: expected a TiTok, got the stage ${meta['stage']}.`);
}

type Tensors = ReturnType<typeof loadCheckpoint>['groups'][string];

function publishedTiTok(path: string, tensors: Tensors, preset: string | undefined): TiTok {
  const known: Readonly<Record<string, TiTokConfig>> = models;
  const config = preset !== undefined && Object.hasOwn(known, preset) ? known[preset] : undefined;
  if (!config) {
    throw new OptionError(
      `--preset: expected the sizes of the published weights in ${path}, one of ${Object.keys(models).join(', ')}, got ${preset ?? 'none'}${suggestion(preset ?? '', Object.keys(models))}.`,
    );
  }
  const misfit = (other: TiTokConfig) =>
    Object.entries(parameterShapes(() => new TiTok(other, new Rng(0)))).find(
      ([name, shape]) => `${tensors[name]?.shape}` !== `${shape}`,
    );
  const wrong = misfit(config);
  if (wrong) {
    const [name, shape] = wrong;
    const got = tensors[name] ? `is [${tensors[name].shape.join(', ')}] in the file` : 'is missing from the file';
    const fits = Object.entries(models).find(([, other]) => !misfit(other));
    throw new CheckpointError(
      `checkpoint ${path}: '${name}' ${got}, [${shape.join(', ')}] in the model of preset ${preset}.` +
        (fits ? ` Was it saved with preset ${fits[0]}?` : ' Was it saved with another preset?'),
    );
  }
  const model = new TiTok(config, new Rng(0));
  loadStateDict(model, tensors, { source: `checkpoint ${path}` });
  return model;
}

function withPixels(model: TiTok, path: string): TiTok {
  if (model.config.head === 'pixels' || model.config.pixelDecoder) return model;
  throw new CheckpointError(
    `checkpoint ${path}: expected a model that gives pixels (finetune or single), got stage 1, which gives a teacher's codes.`,
  );
}
