/**
 * Zip archives whose entries are stored, not compressed, as PyTorch writes them. Nothing is unpacked, so an archive cannot
 * grow: every entry lies in the file as it is, and no two share bytes.
 *
 * @see https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { CheckpointError } from '../core/index.ts';
import type { ByteSource } from './byte-source.ts';

/** An entry of an archive. */
export interface ZipEntry {
  /** Position of its local header. */
  readonly header: number;
  /** bytes */
  readonly size: number;
}

const endBytes = 22;
const longEndBytes = 56;
const longLocatorBytes = 20;
const listedBytes = 46;
const localBytes = 30;

/**
 * The entries of an archive by name, from its central directory.
 * @throws CheckpointError when the archive is cut short or damaged, or has compressed, encrypted or overlapping entries
 */
export function zipEntries(source: ByteSource): ReadonlyMap<string, ZipEntry> {
  const fail = damage(source);
  const { position, size, count, end } = findDirectory(source);
  if (position + size > end) fail('a central directory in front of its end', `one of ${size} bytes at ${position}`);
  const bytes = source.read(position, size);
  const view = new DataView(bytes.buffer);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  while (at + listedBytes <= size && view.getUint32(at, true) === 0x02014b50) {
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
    const next = at + listedBytes + nameBytes + extraBytes + commentBytes;
    if (next > size) fail('whole entries in its directory', 'one that is cut short');
    const name = new TextDecoder().decode(bytes.subarray(at + listedBytes, at + listedBytes + nameBytes));
    const extra = view.buffer.slice(at + listedBytes + nameBytes, at + listedBytes + nameBytes + extraBytes);
    const long = longValues(new DataView(extra));
    const value = (offset: number) => {
      const short = view.getUint32(at + offset, true);
      return short === 0xffffffff ? (long.shift() ?? fail(`a size of '${name}'`, 'none')) : short;
    };
    const [unpacked, packed, header] = [value(24), value(20), value(42)];
    if (view.getUint16(at + 8, true) & 1) refuse(source, `'${name}' without encryption`, 'an encrypted entry');
    if (view.getUint16(at + 10, true) !== 0 || packed !== unpacked)
      refuse(source, `'${name}' stored as it is`, 'a compressed entry, which may grow without bounds');
    if (entries.has(name)) fail('each name once', `'${name}' twice`);
    entries.set(name, { header, size: packed });
    at = next;
  }
  if (at !== size || entries.size !== count) fail(`${count} entries in its directory`, entries.size);
  let free = 0;
  for (const [name, { header, size }] of [...entries].sort(([, a], [, b]) => a.header - b.header)) {
    if (header < free) fail(`'${name}' behind byte ${free}`, `${header}, inside its neighbor`);
    free = header + localBytes + size;
    if (free > position) fail(`'${name}' in front of the directory`, `${size} bytes at ${header}`);
  }
  return entries;
}

/** Where the bytes of an entry begin. @throws CheckpointError when its local header is damaged */
export function entryStart(source: ByteSource, name: string, { header, size }: ZipEntry): number {
  const view = new DataView(source.read(header, Math.min(localBytes, source.size - header)).buffer);
  const known = view.byteLength === localBytes && view.getUint32(0, true) === 0x04034b50;
  const start = known ? header + localBytes + view.getUint16(26, true) + view.getUint16(28, true) : Infinity;
  if (start + size > source.size) damage(source)(`'${name}' within the file`, 'a damaged entry');
  return start;
}

interface Directory {
  readonly position: number;
  readonly size: number;
  readonly count: number;
  /** Where the record begins that says the others. */
  readonly end: number;
}

function findDirectory(source: ByteSource): Directory {
  const length = Math.min(source.size, endBytes + 0xffff); // the comment at the end has 16 bits for its length
  const first = source.size - length;
  const view = new DataView(source.read(first, length).buffer);
  let at = length - endBytes;
  while (at >= 0 && !(view.getUint32(at, true) === 0x06054b50 && at + endBytes + view.getUint16(at + 20, true) === length)) at--; // biome-ignore format: one thought
  if (at < 0) return damage(source)('an archive with a directory at its end', 'none. Is it complete?');
  const short = {
    position: view.getUint32(at + 16, true),
    size: view.getUint32(at + 12, true),
    count: view.getUint16(at + 10, true),
    end: first + at,
  };
  const locator = at - longLocatorBytes;
  if (locator < 0 || view.getUint32(locator, true) !== 0x07064b50) return short;
  const end = Number(view.getBigUint64(locator + 8, true));
  if (!(end + longEndBytes <= first + locator)) return damage(source)('the place of its directory', end);
  const long = new DataView(source.read(end, longEndBytes).buffer);
  if (long.getUint32(0, true) !== 0x06064b50) return damage(source)('the record of its directory', 'another one');
  const [count, size, position] = [32, 40, 48].map((offset) => Number(long.getBigUint64(offset, true)));
  return { position, size, count, end };
}

/** Numbers of 64 bits that an entry has in place of those of 32, in their order. */
function longValues(extra: DataView): number[] {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const [id, bytes] = [extra.getUint16(at, true), extra.getUint16(at + 2, true)];
    const end = Math.min(extra.byteLength, at + 4 + bytes);
    if (id === 1) {
      const values: number[] = [];
      for (let p = at + 4; p + 8 <= end; p += 8) values.push(Number(extra.getBigUint64(p, true)));
      return values;
    }
    at = end;
  }
  return [];
}

const refuse = (source: ByteSource, expected: string, got: string): never => {
  throw new CheckpointError(`${source.name}: expected ${expected}, got ${got}. Save it again with torch.save.`);
};

const damage =
  (source: ByteSource) =>
  (expected: string, got: unknown): never => {
    throw new CheckpointError(`${source.name}: expected ${expected}, got ${got}. Is the file damaged?`);
  };
