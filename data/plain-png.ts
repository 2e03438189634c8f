/**
 * Plain PNG files, decoded here: for small pictures libvips takes ten times as long to begin. Anything unusual is left to libvips.
 *
 * @see https://www.w3.org/TR/png-3/
 */
import { crc32, inflateSync } from 'node:zlib';
import type { RgbImage } from './pixels.ts';

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const most = { bytes: 2 ** 16, side: 512 }; // beyond them libvips is as fast
/** Chunks that change no pixel, beside the picture's own. */
const known = ['IHDR', 'IDAT', 'IEND', 'pHYs', 'tEXt', 'zTXt', 'iTXt', 'tIME'];

/** The pixels of a small PNG of 8-bit RGB, without interlacing or color profile; undefined for any other file, or a damaged one. */
export function decodePlainPng(file: Uint8Array): RgbImage | undefined {
  if (file.length > most.bytes || signature.some((byte, i) => file[i] !== byte)) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const parts: Uint8Array[] = [];
  let [width, height] = [0, 0];
  for (let at = signature.length, type = ''; type !== 'IEND'; ) {
    if (at + 12 > file.length) return undefined;
    const length = view.getUint32(at);
    const end = at + 8 + length;
    if (end + 4 > file.length || view.getUint32(end) !== crc32(file.subarray(at + 4, end))) return undefined;
    type = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (!known.includes(type) || (at === signature.length) !== (type === 'IHDR')) return undefined;
    if (type === 'IHDR') {
      [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      const isPlain = [8, 2, 0, 0, 0].every((value, i) => file[at + 16 + i] === value); // depth, RGB, …, no interlacing
      if (length !== 13 || !isPlain || Math.min(width, height) < 1 || Math.max(width, height) > most.side)
        return undefined;
    }
    if (type === 'IDAT') parts.push(file.subarray(at + 8, end));
    at = end + 4;
  }
  const rows = inflated(parts, height * (1 + 3 * width));
  const data = rows && unfiltered(rows, width, height);
  return data && { width, height, data };
}

/** Exactly so many bytes. */
function inflated(parts: readonly Uint8Array[], length: number): Uint8Array | undefined {
  try {
    const bytes = inflateSync(parts.length === 1 ? parts[0] : Buffer.concat(parts), { maxOutputLength: length });
    return bytes.length === length ? bytes : undefined;
  } catch {
    return undefined; // cut short, or longer
  }
}

/** Undoes the filter of each row, which keeps differences to the pixels on the left (a), above (b) and above left (c). */
function unfiltered(rows: Uint8Array, width: number, height: number): Uint8Array | undefined {
  const stride = 3 * width;
  const data = new Uint8Array(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (stride + 1)];
    if (filter > 4) return undefined;
    const from = y * (stride + 1) + 1;
    const to = y * stride;
    for (let x = 0; x < stride; x++) {
      const a = x < 3 ? 0 : data[to + x - 3];
      const b = y === 0 ? 0 : data[to + x - stride];
      const c = x < 3 || y === 0 ? 0 : data[to + x - stride - 3];
      data[to + x] = rows[from + x] + predicted(filter, a, b, c);
    }
  }
  return data;
}

function predicted(filter: number, a: number, b: number, c: number): number {
  if (filter === 0) return 0;
  if (filter === 1) return a;
  if (filter === 2) return b;
  if (filter === 3) return (a + b) >> 1;
  const [toA, toB, toC] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return toA <= toB && toA <= toC ? a : toB <= toC ? b : c;
}
