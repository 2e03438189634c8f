/**
 * The emoji as rows of tokens, which the generator learns from: web/assets/emoji-rows.safetensors, written by `npm run web:tokens`.
 *
 *   train, heldOut               U8 [n, bytes], one row each, packed as `packRow` does
 *   trainLabels, heldOutLabels   U8 [n], classes
 *   metadata                     tokens, codes, crc32 of the model that made them (8 hex digits)
 */
import { parseSafetensors } from '../../data/browser.ts';
import { unpackRow } from '../link.ts';

/** Token rows and their classes. */
export interface Rows {
  /** n·K ids */
  readonly tokens: Int32Array;
  readonly labels: Int32Array;
}

export interface TokenRows {
  readonly train: Rows;
  readonly heldOut: Rows;
  /** Of the file of the model whose tokens these are. */
  readonly crc32: string;
}

/** @throws CheckpointError when the bytes are no safetensors */
export function parseTokenRows(bytes: Uint8Array): TokenRows {
  const { tensors, metadata } = parseSafetensors(bytes, 'token rows');
  const [tokens, codes] = [Number(metadata['tokens']), Number(metadata['codes'])];
  const rows = (name: string): Rows => {
    const { shape, data } = tensors[name];
    const [count, width] = shape;
    const ids = new Int32Array(count * tokens);
    for (let n = 0; n < count; n++)
      ids.set(unpackRow(Uint8Array.from(data.subarray(n * width, (n + 1) * width)), tokens, codes), n * tokens);
    return { tokens: ids, labels: Int32Array.from(tensors[`${name}Labels`].data) };
  };
  return { train: rows('train'), heldOut: rows('heldOut'), crc32: metadata['crc32'] };
}
