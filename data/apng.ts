/** Animated PNG: several PNG pictures of one size in one file, without encoding them again. */
import { DataError, expectWhole } from '../core/index.ts';
import { crc32 } from './crc32.ts';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Options of `animatedPng`. */
export interface AnimationOptions {
  /** Time that a frame is shown. Default 400. */
  readonly milliseconds?: number;
  /** Time that the last frame is shown. Default 2500. */
  readonly lastMilliseconds?: number;
}

/**
 * Joins PNG files to one that plays them again and again. Programs that know no animated PNG show the last frame.
 *
 * @param frames  PNG files that agree in size and color type, without a palette or further chunks that matter
 * @throws DataError when there are none, when one is no PNG, or when they differ; OptionError for a time that is not a whole
 *   number from 0 to 65,535
 * @see the PNG specification, third edition, section 11.3.6: acTL, fcTL, fdAT
 */
export function animatedPng(frames: readonly Uint8Array[], options: AnimationOptions = {}): Uint8Array<ArrayBuffer> {
  const { milliseconds = 400, lastMilliseconds = 2500 } = options;
  expectWhole('animatedPng, milliseconds', milliseconds, 0, 65_535);
  expectWhole('animatedPng, lastMilliseconds', lastMilliseconds, 0, 65_535);
  const pictures = frames.map(pngOf);
  const last = pictures.at(-1);
  if (!last) throw new DataError('animatedPng: expected frames, got none.');
  const odd = pictures.findIndex(({ header }) => !isEqual(header, last.header));
  if (odd >= 0) throw new DataError(`animatedPng: expected frames of one size and kind, got another as frame ${odd}.`);
  let sequence = 0;
  const numbered = (type: 'fcTL' | 'fdAT', ...data: Uint8Array[]) => chunk(type, uint32(sequence++), ...data);
  const size = last.header.subarray(0, 8); // width and height
  const offset = new Uint8Array(8);
  const control = (delay: number) => [uint16(delay), uint16(1000), Uint8Array.of(0, 0)]; // of 1000 in a second; drawn over all
  return joined(
    signature,
    chunk('IHDR', last.header),
    chunk('acTL', uint32(frames.length), uint32(0)), // 0: plays for ever
    ...last.data.map((part) => chunk('IDAT', part)), // without a fcTL before it: not a part of the animation
    ...pictures.flatMap(({ data }, i) => [
      numbered('fcTL', size, offset, ...control(i === frames.length - 1 ? lastMilliseconds : milliseconds)),
      ...data.map((part) => numbered('fdAT', part)),
    ]),
    chunk('IEND'),
  );
}

interface Png {
  /** IHDR: width, height, bit depth, color type, … */
  readonly header: Uint8Array;
  /** IDAT chunks: parts of one compressed stream. */
  readonly data: readonly Uint8Array[];
}

function pngOf(file: Uint8Array, frame: number): Png {
  const fail = (got: string) =>
    new DataError(`animatedPng, frame ${frame}: expected a PNG without a palette, got ${got}.`);
  if (!isEqual(file.subarray(0, 8), signature)) throw fail('another kind of file');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const data: Uint8Array[] = [];
  let header: Uint8Array | undefined;
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    const content = file.subarray(at + 8, at + 8 + length);
    if (at + 12 + length > file.length) break;
    if (type === 'IHDR') header = content;
    else if (type === 'IDAT') data.push(content);
    else if (type === 'IEND' && header && data.length > 0) return { header, data };
    else if (type[0] < 'a') throw fail(`the chunk ${type}`); // a capital letter: readers must know it
    at += 12 + length;
  }
  throw fail('one that is cut short');
}

/** length, type, data, CRC-32 of type and data */
function chunk(type: string, ...data: readonly Uint8Array[]): Uint8Array {
  const body = joined(
    Uint8Array.from(type, (letter) => letter.charCodeAt(0)),
    ...data,
  );
  return joined(uint32(body.length - 4), body, uint32(Number.parseInt(crc32(body), 16)));
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);

function joined(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function uint32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value); // each modulo 256
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}
