/**
 * The safetensors format, on bytes in memory. Runs in browsers too; files are in safetensors-file.ts.
 *
 *   8 bytes   length n of the header, little endian
 *   n bytes   JSON: { "name": { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, …, "__metadata__": {…} }
 *   the rest  values, row-major, little endian; the tensors cover it without holes or overlaps
 *
 * A header may be hostile. Everything in it is checked against the real size of the file before memory is allocated.
 * @see https://github.com/huggingface/safetensors
 */
import { CheckpointError } from '../core/index.ts';
import { megabytes } from './errors.ts';
import { fileKind, gotInstead, headBytes } from './file-kind.ts';
import { duplicateKey } from './json-keys.ts';
import { decodeValues, encodeValues, type FileDType, isFileDType, itemSize, type RawData } from './values.ts';

/** A tensor read from a file. `dtype` is the file's; in `data`, 8-, 16- and 64-bit numbers are already int32 or float32. */
export interface RawTensor {
  readonly dtype: FileDType;
  readonly shape: readonly number[];
  readonly data: RawData;
}

/** A tensor to write: float32 as F32 (or `dtype` 'F16'), int32 as I32 (or 'I64', 'I8'), bytes as U8 (or 'BOOL'). */
export interface WritableTensor {
  readonly shape: readonly number[];
  readonly data: RawData;
  readonly dtype?: string;
}

/** All tensors of a file by name, and its `__metadata__`. */
export interface SafetensorsContent {
  readonly tensors: Record<string, RawTensor>;
  readonly metadata: Record<string, string>;
}

/** A tensor that a file lists. */
export interface ListedTensor {
  /** The file's word for the number format; those of `FileDType` can be read. */
  readonly dtype: string;
  readonly shape: readonly number[];
}

/** A tensor's place in a file: `begin` and `end` count from the first byte after the header. */
export interface TensorEntry extends ListedTensor {
  readonly name: string;
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: readonly TensorEntry[];
  readonly metadata: Record<string, string>;
}

const lengthBytes = 8;
const maxHeaderBytes = 100_000_000; // the limit of the reference implementation

/**
 * Reads all tensors from a file's bytes.
 * @param where  name of the file in error messages
 * @throws CheckpointError when the bytes are not a valid safetensors file
 */
export function parseSafetensors(bytes: Uint8Array, where = 'safetensors'): SafetensorsContent {
  const headerBytes = headerLength(bytes.subarray(0, headBytes), bytes.length, where);
  const start = lengthBytes + headerBytes;
  const { entries, metadata } = parseHeader(bytes.subarray(lengthBytes, start), bytes.length - start, where);
  const tensors = entries.map((entry): [string, RawTensor] => [
    entry.name,
    readEntry(entry, new Uint8Array(bytes.subarray(start + entry.begin, start + entry.end)), where),
  ]);
  return { tensors: Object.fromEntries(tensors), metadata };
}

/**
 * The length of the header.
 * @param head  the first `headBytes` bytes, so that a file of another kind is named
 */
export function headerLength(head: Uint8Array, fileBytes: number, where: string): number {
  const length =
    head.length < lengthBytes ? 0 : Number(new DataView(head.buffer, head.byteOffset).getBigUint64(0, true));
  const fits = length > 0 && length <= fileBytes - lengthBytes && length <= maxHeaderBytes;
  const plausible = head[lengthBytes] === 0x7b && length < 2 ** 40; // 7b: the header's {
  const kind = plausible ? undefined : fileKind(head);
  if (kind) throw new CheckpointError(`${where}: expected a safetensors file, ${gotInstead(kind)}`);
  if (fileBytes < lengthBytes) {
    throw new CheckpointError(`${where}: expected a safetensors file, got only ${fileBytes} bytes. Is it complete?`);
  }
  if (!fits) {
    throw new CheckpointError(
      `${where}: expected a header within its ${fileBytes} bytes, got a header length of ${length}. ` +
        'Is the file complete, and is it safetensors?',
    );
  }
  return length;
}

/** Reads and checks a header that is followed by `dataBytes` bytes of values. */
export function parseHeader(header: Uint8Array, dataBytes: number, where: string): SafetensorsHeader {
  const fail = (expected: string, got: string) => {
    throw new CheckpointError(`${where}: expected ${expected}, got ${got}. Is the file damaged?`);
  };
  let text = '';
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(header);
    json = JSON.parse(text);
  } catch {
    fail('a header of JSON', JSON.stringify(text.slice(0, 40)));
  }
  if (!isRecord(json)) return fail('a header of named tensors', typeof json);
  const repeated = duplicateKey(text);
  if (repeated !== undefined) fail('each name once in the header', `'${repeated}' twice`);

  const { __metadata__, ...named } = json;
  const metadata = __metadata__ ?? {}; // some writers put null
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    fail('__metadata__ of strings', JSON.stringify(metadata).slice(0, 80));
  }
  const entries = Object.entries(named).map(([name, claim]) => checkEntry(name, claim, dataBytes, where));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin < covered) fail(`'${name}' to begin at byte ${covered} of the values`, `${begin}, inside its neighbor`);
    if (begin > covered) fail(`'${name}' to begin at byte ${covered} of the values`, `${begin}, after a hole`);
    covered = end;
  }
  if (covered !== dataBytes) fail(`${covered} bytes of values`, `${dataBytes}`);
  return { entries, metadata: metadata as Record<string, string> };
}

function checkEntry(name: string, claim: unknown, dataBytes: number, where: string): TensorEntry {
  const fail = (expected: string, got: unknown) => {
    const shown = JSON.stringify(got) ?? 'nothing';
    throw new CheckpointError(`${where}: expected '${name}' to have ${expected}, got ${shown.slice(0, 80)}.`);
  };
  if (!isRecord(claim)) return fail('a dtype, shape and data_offsets', claim);
  const { dtype, shape, data_offsets: offsets } = claim;
  if (typeof dtype !== 'string' || !/^[A-Z]\w{0,31}$/.test(dtype)) return fail("a dtype such as 'F32'", dtype);
  if (!isSizes(shape)) return fail('a shape of whole numbers ≥ 0', shape);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return fail('data_offsets [begin, end]', offsets);
  }
  const [begin, end] = offsets as [number, number];
  if (end > dataBytes) {
    throw new CheckpointError(
      `${where}: expected '${name}' to end at byte ${end} of the values, got only ${dataBytes} bytes ` +
        `(${megabytes(dataBytes)}). Was the download or copy cut short?`,
    );
  }
  if (!isFileDType(dtype)) return { name, dtype, shape, begin, end }; // listed; `readEntry` refuses it
  const bytes = shape.includes(0) ? 0 : shape.reduce((product, d) => product * d, itemSize[dtype]);
  if (bytes !== end - begin) fail(`${bytes} bytes for ${dtype} [${shape.join(', ')}]`, end - begin);
  return { name, dtype, shape, begin, end };
}

/**
 * The values of one entry. `bytes` must start at the beginning of its buffer (a copy, not a view).
 * @throws CheckpointError for a number format that cannot be read, or an integer that does not fit into int32
 */
export function readEntry(entry: TensorEntry, bytes: Uint8Array, where: string): RawTensor {
  const { name, dtype, shape } = entry;
  if (!isFileDType(dtype)) {
    const known = Object.keys(itemSize).join(', ');
    throw new CheckpointError(`${where}: expected '${name}' in one of ${known}, got ${dtype}. Save it as F32.`);
  }
  return { dtype, shape, data: decodeValues(dtype, bytes, `${where}: '${name}'`) };
}

/**
 * The bytes of a safetensors file, in pieces to write one after the other. Tensors are sorted by item size (largest first),
 * then by name, and the header is padded to 8 bytes, so that every tensor is aligned.
 * @throws CheckpointError when a shape does not fit its values
 */
export function serializeSafetensors(
  tensors: Record<string, WritableTensor>,
  metadata: Record<string, string> = {},
  where = 'safetensors',
): Uint8Array[] {
  const pieces = Object.entries(tensors).map(([name, tensor]) => {
    const count = tensor.shape.reduce((product, d) => product * d, 1);
    if (name === '__metadata__') throw new CheckpointError(`${where}: '__metadata__' cannot be a tensor's name.`);
    if (!isSizes(tensor.shape) || count !== tensor.data.length) {
      throw new CheckpointError(
        `${where}: expected ${count} values for '${name}' [${tensor.shape.join(', ')}], got ${tensor.data.length}.`,
      );
    }
    return { name, shape: tensor.shape, ...encodeValues(tensor.data, tensor.dtype, `${where}: '${name}'`) };
  });
  pieces.sort((a, b) => itemSize[b.dtype] - itemSize[a.dtype] || (a.name < b.name ? -1 : 1));

  let offset = 0;
  const entries = pieces.map(({ name, dtype, shape, bytes }): [string, unknown] => {
    const begin = offset;
    offset += bytes.length;
    return [name, { dtype, shape, data_offsets: [begin, offset] }];
  });
  if (Object.keys(metadata).length > 0) entries.unshift(['__metadata__', metadata]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const header = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20); // spaces
  header.set(json);
  const length = new Uint8Array(lengthBytes);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  return [length, header, ...pieces.map(({ bytes }) => bytes)];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((d) => Number.isSafeInteger(d) && d >= 0);
}
