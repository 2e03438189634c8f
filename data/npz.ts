/** NumPy's .npz files: a zip with an array in each entry, as np.savez writes it and np.load reads it. */
import { readFileSync, statSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';
import { DataError } from '../core/index.ts';
import { writeFileAtomic } from './atomic-write.ts';
import { crc32 } from './crc32.ts';
import { megabytes, reason } from './errors.ts';
import { mostUnpacked } from './limits.ts';

/** NumPy's types that are read and written, by what its headers call them. */
const types = {
  '|u1': Uint8Array,
  '<i4': Int32Array,
  '<i8': BigInt64Array,
  '<f4': Float32Array,
  '<f8': Float64Array,
} as const;
type Values = InstanceType<(typeof types)[keyof typeof types]>;

/** An array of a .npz file, row-major. */
export interface NpzArray {
  readonly shape: readonly number[];
  readonly data: Values;
}

const mostBytes = 2 ** 31 - 1; // what Node reads at once; the format's own limit is 4 GiB
const [localHeader, centralHeader, end] = [0x04034b50, 0x02014b50, 0x06054b50];
const [stored, deflated] = [0, 8];

/**
 * Writes arrays without compression, as np.savez does, atomically.
 *
 * @throws DataError when a shape does not fit its values, beyond 2 GB, or when the file cannot be written
 */
export function writeNpz(path: string, arrays: Readonly<Record<string, NpzArray>>): void {
  const pieces: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const header = npyHeader(array, `${path}, ${name}`);
    const { buffer, byteOffset, byteLength } = array.data;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    const entry = { name: `${name}.npy`, size: header.length + bytes.length, crc: crcOf(header, bytes), at };
    const head = zipHeader(entry, false);
    pieces.push(head, header, bytes);
    central.push(zipHeader(entry, true));
    at += head.length + entry.size;
  }
  const length = central.reduce((sum, { length }) => sum + length, 0);
  if (at + length > mostBytes) {
    throw new DataError(
      `${path}: expected at most ${megabytes(mostBytes)}, got ${megabytes(at)}. Write several files of fewer pictures.`,
    );
  }
  const tail = new DataView(new ArrayBuffer(22));
  tail.setUint32(0, end, true);
  for (const place of [8, 10]) tail.setUint16(place, central.length, true);
  tail.setUint32(12, length, true);
  tail.setUint32(16, at, true);
  try {
    writeFileAtomic(path, [...pieces, ...central, new Uint8Array(tail.buffer)]);
  } catch (error) {
    throw new DataError(`${path}: expected to write an .npz file, got ${reason(error)}.`, { cause: error });
  }
}

/**
 * Reads arrays, compressed or not.
 *
 * @param names  those to read, where they are there; default: all
 * @throws DataError when the file is no .npz file, damaged, beyond 2 GB, or when an array has another type or order
 */
export function readNpz(path: string, names?: readonly string[]): Record<string, NpzArray> {
  const file = bytesOf(path);
  const damaged = (got: string, cause?: unknown) =>
    new DataError(`${path}: expected an .npz file of NumPy, got ${got}.`, { cause });
  try {
    const found: Record<string, NpzArray> = {};
    for (const entry of expectPlausible(entriesOf(file), file.byteLength)) {
      const name = entry.name.replace(/\.npy$/, '');
      if (names && !names.includes(name)) continue;
      found[name] = parseNpy(contentOf(file, entry), `${path}, ${name}`);
    }
    return found;
  } catch (error) {
    if (error instanceof DataError) throw error;
    if (error instanceof NotNpz) throw damaged(error.message);
    throw damaged(`a damaged one (${reason(error)})`, error); // a length beyond the file, or zlib's words
  }
}

class NotNpz extends Error {}

function bytesOf(path: string): DataView {
  try {
    const { size } = statSync(path);
    if (size > mostBytes) {
      throw new DataError(`${path}: expected at most ${megabytes(mostBytes)}, got ${megabytes(size)}.`);
    }
    const { buffer, byteOffset, byteLength } = readFileSync(path);
    return new DataView(buffer, byteOffset, byteLength);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: expected an .npz file, got ${reason(error)}.`, { cause: error });
  }
}

interface Entry {
  readonly name: string;
  /** Bytes of the content. */
  readonly size: number;
  readonly crc: number;
  /** Where the local header begins. */
  readonly at: number;
}
interface Found extends Entry {
  readonly packed: number; // bytes in the file
  readonly method: number;
}

/** An entry's header, local or in the central directory. Dates are 1980-01-01, so that equal arrays give equal files. */
function zipHeader({ name, size, crc, at }: Entry, isCentral: boolean): Uint8Array {
  const text = new TextEncoder().encode(name);
  const fixed = isCentral ? 46 : 30;
  const bytes = new Uint8Array(fixed + text.length);
  const view = new DataView(bytes.buffer);
  const rest = isCentral ? 6 : 4; // the central one also says which version wrote it
  view.setUint32(0, isCentral ? centralHeader : localHeader, true);
  for (let place = 4; place <= rest; place += 2) view.setUint16(place, 20, true);
  view.setUint16(rest + 2, 0x800, true); // the name is UTF-8
  view.setUint16(rest + 4, stored, true);
  view.setUint16(rest + 8, 0x21, true); // date
  view.setUint32(rest + 10, crc, true);
  for (const place of [rest + 14, rest + 18]) view.setUint32(place, size, true);
  view.setUint16(rest + 22, text.length, true);
  if (isCentral) view.setUint32(42, at, true);
  bytes.set(text, fixed);
  return bytes;
}

/** The central directory, which is behind all entries. */
function entriesOf(file: DataView): Found[] {
  let at = file.byteLength - 22;
  const first = Math.max(0, at - 0xffff); // a comment may follow
  while (at >= first && file.getUint32(at, true) !== end) at--;
  if (at < first) throw new NotNpz('something else, or the beginning of one');
  const count = file.getUint16(at + 10, true);
  let place = file.getUint32(at + 16, true);
  return Array.from({ length: count }, () => {
    if (file.getUint32(place, true) !== centralHeader) throw new NotNpz('a zip file without its directory');
    const u16 = (offset: number) => file.getUint16(place + offset, true);
    const u32 = (offset: number) => file.getUint32(place + offset, true);
    const name = new TextDecoder().decode(part(file, place + 46, u16(28)));
    const entry = { name, method: u16(10), crc: u32(16), packed: u32(20), size: u32(24), at: u32(42) };
    if (entry.size === 0xffffffff || entry.packed === 0xffffffff) throw new NotNpz(`'${name}' of more than 4 GiB`);
    place += 46 + u16(28) + u16(30) + u16(32);
    return entry;
  });
}

/**
 * An archive can claim more than it holds: entries that share their bytes, or that unpack to far more than arrays do.
 *
 * @throws NotNpz for such entries, before anything is unpacked
 */
function expectPlausible(entries: Found[], fileBytes: number): Found[] {
  const names = new Set(entries.map(({ name }) => name));
  if (names.size < entries.length) throw new NotNpz('an archive that names an entry twice');
  let free = 0;
  for (const { name, at, packed } of entries.toSorted((a, b) => a.at - b.at)) {
    if (at < free) throw new NotNpz(`an archive in which '${name}' lies within another entry`);
    free = at + 30 + packed;
  }
  const unpacked = entries.reduce((sum, { size }) => sum + size, 0);
  const most = mostUnpacked(fileBytes);
  if (unpacked > most)
    throw new NotNpz(
      `an archive that unpacks to ${megabytes(unpacked)}, of which ${megabytes(most)} are plausible. If you trust it, save it without compression, with np.savez`,
    );
  return entries;
}

function contentOf(file: DataView, { name, at, packed, size, method, crc }: Found): Uint8Array {
  if (file.getUint32(at, true) !== localHeader) throw new NotNpz(`a zip file without '${name}'`);
  const from = at + 30 + file.getUint16(at + 26, true) + file.getUint16(at + 28, true);
  const raw = part(file, from, packed);
  if (method !== stored && method !== deflated) throw new NotNpz(`'${name}' in a compression other than deflate`);
  const content = method === deflated ? inflateRawSync(raw, { maxOutputLength: Math.max(1, size) }) : raw;
  if (content.length !== size || crcOf(content) !== crc) throw new NotNpz(`'${name}' with damaged content`);
  return content;
}

function part(file: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(file.buffer, file.byteOffset + at, length);
}

const crcOf = (...pieces: Uint8Array[]): number => Number.parseInt(crc32(...pieces), 16);

const magic = '\x93NUMPY';

/** Magic, version 1.0, length, and a Python dictionary that ends with the 64-byte block. */
function npyHeader({ shape, data }: NpzArray, where: string): Uint8Array {
  const size = shape.reduce((product, n) => product * n, 1);
  if (size !== data.length) {
    throw new DataError(`${where}: expected ${size} values for shape [${shape.join(', ')}], got ${data.length}.`);
  }
  const [type] = Object.entries(types).find(([, array]) => data instanceof array)!;
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sides}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.from(`${magic}\x01\x00  ${text.padEnd(length - 1)}\n`, 'latin1');
  head.writeUInt16LE(length, 8);
  return head;
}

function parseNpy(bytes: Uint8Array, where: string): NpzArray {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (file.toString('latin1', 0, 6) !== magic) throw new NotNpz('an entry that is no array');
  const isLong = file[6] > 1; // version 2 has four bytes for the length
  const from = isLong ? 12 : 10;
  const data = from + (isLong ? file.readUInt32LE(8) : file.readUInt16LE(8));
  const text = file.toString('latin1', from, data);
  const found = /'descr': '([^']*)'/.exec(text)?.[1] ?? 'a record';
  const type = types[found as keyof typeof types];
  if (!type) {
    throw new DataError(
      `${where}: expected an array of ${Object.keys(types).join(', ')}, got ${found}. Convert it with .astype().`,
    );
  }
  const shape = (/'shape': \(([^)]*)\)/.exec(text)?.[1] ?? '').split(',').filter((n) => n.trim()).map(Number); // biome-ignore format: one thought
  if (text.includes("'fortran_order': True") && shape.filter((n) => n > 1).length > 1) {
    throw new DataError(
      `${where}: expected rows in C order, got Fortran order. Convert it with np.ascontiguousarray().`,
    );
  }
  const size = shape.reduce((product, n) => product * n, 1);
  const rest = file.length - data;
  const areSizes = shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!areSizes || rest !== size * type.BYTES_PER_ELEMENT) {
    throw new NotNpz(`${rest} bytes for shape [${shape.join(', ')}] of ${found}`);
  }
  const copy = new Uint8Array(rest); // where it begins in the file is not aligned
  copy.set(bytes.subarray(data));
  return { shape, data: new type(copy.buffer) };
}
