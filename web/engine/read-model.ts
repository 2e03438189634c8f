/** Models for the page, read without the library's check of every setting, which is a quarter of its code. */
import { CheckpointError, outsideScopes, Rng } from '../../core/index.ts';
import { createGenerator, type GeneratorConfig, type SamplingOptions } from '../../maskgit/index.ts';
import { loadStateDict } from '../../nn/index.ts';
import { TiTok, type TiTokConfig } from '../../titok/index.ts';
import type { Model, ModelMetadata } from '../../train/browser.ts';
import { unpackModel } from '../../train/model-bytes.ts';

/** Settings as `titok export` writes them: complete, and checked by the training that they come from. */
interface Settings {
  readonly model: TiTokConfig;
  readonly generator?: GeneratorConfig;
  readonly classes?: readonly string[];
  readonly sampling?: SamplingOptions;
}

/** As `parseModel`. @throws CheckpointError when it is a file of another kind, or damaged */
export function readModel(bytes: Uint8Array, where: string): Model {
  const { meta, groups } = unpackModel(bytes, where);
  const metadata = meta as ModelMetadata;
  const { model, generator: config, classes = [], sampling = {} } = metadata.settings as unknown as Settings;
  if (!model) throw new CheckpointError(`${where}: expected a tokenizer's settings, got none. Is the file damaged?`);
  return outsideScopes(() => {
    const tokenizer = new TiTok(model, new Rng(0));
    loadStateDict(tokenizer, groups['tokenizer'] ?? {}, { source: where });
    if (!config) return { tokenizer, classes: [], sampling: {}, metadata };
    const generator = createGenerator(config, new Rng(0));
    loadStateDict(generator, groups['generator'] ?? {}, { source: where });
    return { tokenizer, generator, classes, sampling, metadata };
  });
}
