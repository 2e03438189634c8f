/**
 * A model as one safetensors file.
 *
 *   tokenizer/NAME    weights under their published names: encoder, codebook, decoder, pixel decoder
 *   generator/NAME    the generator's averaged weights, if there is one
 *   metadata          format 'titok-ts model', version '1';
 *                     meta    JSON, see `modelMetadata`;
 *                     crc32   of meta and of all values, 8 hex digits
 *
 * data/weights.ts says how weights look in 16 and 8 bits.
 */
import { outsideScopes } from '../core/index.ts';
import { packWeights, serializeSafetensors, type Weight } from '../data/browser.ts';
import { stateDict } from '../nn/index.ts';
import { finetune } from './finetune.ts';
import { generator } from './generator.ts';
import { type Model, type ModelMetadata, modelMetadata } from './model.ts';
import { checksum, format, unpackModel, version } from './model-bytes.ts';
import { savedPart } from './saved.ts';

/** The file of a model, with its weights in `metadata.precision`. @throws CheckpointError for weights that are NaN or infinite */
export async function serializeModel(
  { tokenizer, generator }: Pick<Model, 'tokenizer' | 'generator'>,
  metadata: ModelMetadata,
): Promise<Uint8Array[]> {
  const groups = { tokenizer: await weightsOf(tokenizer), ...(generator && { generator: await weightsOf(generator) }) };
  const tensors = packWeights(groups, metadata.precision);
  const meta = JSON.stringify(metadata);
  const [, , ...values] = serializeSafetensors(tensors);
  return serializeSafetensors(tensors, { format, version, meta, crc32: checksum(meta, values) });
}

async function weightsOf(model: object): Promise<Record<string, Weight>> {
  const weights: Record<string, Weight> = {};
  for (const [name, t] of Object.entries(stateDict(model)))
    weights[name] = { shape: t.shape, data: Float32Array.from(await t.data()) };
  return weights;
}

/**
 * The model in a file's bytes.
 *
 * @param where  names the file in errors
 * @throws CheckpointError when it is a file of another kind, or damaged
 */
export function parseModel(bytes: Uint8Array, where = 'model'): Model {
  const { meta, groups } = unpackModel(bytes, where);
  const metadata = savedPart(modelMetadata, meta, where);
  const { settings } = metadata;
  return outsideScopes(() => {
    const tokenizer = finetune.load({ settings, groups: { model: groups['tokenizer'] ?? {} }, source: where });
    const trained = settings['generator']
      ? generator.load({ settings, groups: { 'ema.model': groups['generator'] ?? {} }, source: where })
      : { classes: [], sampling: {} };
    return { tokenizer, ...trained, metadata };
  });
}
