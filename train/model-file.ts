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
import { CheckpointError, outsideScopes } from '../core/index.ts';
import {
  crc32,
  packWeights,
  parseSafetensors,
  serializeSafetensors,
  unpackWeights,
  type Weight,
} from '../data/browser.ts';
import { stateDict } from '../nn/index.ts';
import { finetune } from './finetune.ts';
import { generator } from './generator.ts';
import { type Model, type ModelMetadata, modelMetadata } from './model.ts';
import { savedPart } from './saved.ts';

const format = 'titok-ts model';
const version = '1';

/** Whether a safetensors file's metadata is that of a model of ours. */
export const isModel = (metadata: Readonly<Record<string, string>>): boolean => metadata['format'] === format;

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

const checksum = (meta: string, values: readonly Uint8Array[]): string =>
  crc32(new TextEncoder().encode(meta), ...values);

/**
 * The model in a file's bytes.
 *
 * @param where  names the file in errors
 * @throws CheckpointError when it is a file of another kind, or damaged
 */
export function parseModel(bytes: Uint8Array, where = 'model'): Model {
  const { tensors, metadata } = parseSafetensors(bytes, where);
  const meta = modelMetaOf(metadata, where);
  const header = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true); // parsed, so it has less than 4 GB
  if (metadata['crc32'] !== checksum(metadata['meta'], [bytes.subarray(8 + header)])) {
    throw new CheckpointError(
      `${where}: expected the bytes that were written, got others, as their checksum says. Take another copy of the file.`,
    );
  }
  const groups = unpackWeights(tensors, where);
  const { settings } = meta;
  const saved = { settings, groups: { model: groups['tokenizer'] ?? {}, 'ema.model': groups['generator'] ?? {} } };
  return outsideScopes(() => {
    const tokenizer = finetune.load({ ...saved, source: where });
    const trained = settings['generator'] ? generator.load({ ...saved, source: where }) : { classes: [], sampling: {} };
    return { tokenizer, ...trained, metadata: meta };
  });
}

/** What a model's file says beside its weights. @throws CheckpointError when it is a file of another kind */
function modelMetaOf(metadata: Readonly<Record<string, string>>, where: string): ModelMetadata {
  const expected = (what: string, got: string) => new CheckpointError(`${where}: expected ${what}, got ${got}`);
  if (metadata['format'] === 'titok-ts checkpoint')
    throw expected(
      'a model',
      "the checkpoint of a training. Name its run instead, or write a model with 'titok export'.",
    );
  if (!isModel(metadata))
    throw expected('a model that titok export wrote', 'other safetensors. Published weights load with --checkpoint.');
  if (metadata['version'] !== version)
    throw expected(`format version ${version}`, `${metadata['version']}. Is titok-ts up to date?`);
  let meta: unknown;
  try {
    meta = JSON.parse(metadata['meta'] ?? '');
  } catch {
    throw expected('meta as JSON', `${metadata['meta']?.slice(0, 40) ?? 'none'}. Is the file damaged?`);
  }
  return savedPart(modelMetadata, meta, where);
}
