/** The outside of a model's file: what it is, and whether its bytes are those that were written. Nothing here knows settings. */
import { CheckpointError } from '../core/index.ts';
import { crc32, parseSafetensors, unpackWeights, type WeightGroups } from '../data/browser.ts';

export const format = 'titok-ts model';
export const version = '1';

/** Whether a safetensors file's metadata is that of a model of ours. */
export const isModel = (metadata: Readonly<Record<string, string>>): boolean => metadata['format'] === format;

/** Of the metadata's JSON and all values, 8 hex digits. */
export const checksum = (meta: string, values: readonly Uint8Array[]): string =>
  crc32(new TextEncoder().encode(meta), ...values);

/**
 * What a model's file holds: its metadata as JSON says it, unchecked, and its weights.
 *
 * @param where  names the file in errors
 * @throws CheckpointError when it is a file of another kind, or damaged
 */
export function unpackModel(bytes: Uint8Array, where: string): { meta: unknown; groups: WeightGroups } {
  const { tensors, metadata } = parseSafetensors(bytes, where);
  const meta = metaOf(metadata, where);
  const header = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true); // parsed, so it has less than 4 GB
  if (metadata['crc32'] !== checksum(metadata['meta'], [bytes.subarray(8 + header)])) {
    throw new CheckpointError(
      `${where}: expected the bytes that were written, got others, as their checksum says. Take another copy of the file.`,
    );
  }
  return { meta, groups: unpackWeights(tensors, where) };
}

function metaOf(metadata: Readonly<Record<string, string>>, where: string): unknown {
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
  try {
    return JSON.parse(metadata['meta'] ?? '');
  } catch {
    throw expected('meta as JSON', `${metadata['meta']?.slice(0, 40) ?? 'none'}. Is the file damaged?`);
  }
}
