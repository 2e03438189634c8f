/** The number formats of checkpoint files. Formats other than float32, int32 and bytes are converted. */
import { CheckpointError } from '../core/index.ts';
import { fromFloat8, fromHalf, toHalf } from './half.ts';

/** Values of a tensor in memory. */
export type RawData = Float32Array | Int32Array | Uint8Array;

/** Bytes per value. */
export const itemSize = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;
/** Number formats that can be read. Files may name others: such tensors are listed, but not read. */
export type FileDType = keyof typeof itemSize;

export function isFileDType(value: unknown): value is FileDType {
  return typeof value === 'string' && Object.hasOwn(itemSize, value);
}

/**
 * Little-endian bytes → values: all floats → Float32Array; U8 and BOOL → Uint8Array; all other integers → Int32Array.
 * @param bytes  must start at the beginning of their buffer, because the result may be a view of it
 * @throws CheckpointError when an integer does not fit into int32
 */
export function decodeValues(dtype: FileDType, bytes: Uint8Array, where: string): RawData {
  const { buffer } = bytes;
  const count = bytes.length / itemSize[dtype];
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, 0, count);
    case 'I32':
      return new Int32Array(buffer, 0, count);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, 0, count));
    case 'BF16': // the upper half of a float32
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer, 0, count), (half) => half << 16).buffer);
    case 'F16':
      return fromHalf(new Uint16Array(buffer, 0, count));
    case 'F8_E4M3':
    case 'F8_E5M2':
      return fromFloat8(bytes, dtype);
    case 'I8':
      return Int32Array.from(new Int8Array(buffer, 0, count));
    case 'I16':
      return Int32Array.from(new Int16Array(buffer, 0, count));
    case 'U16':
      return Int32Array.from(new Uint16Array(buffer, 0, count));
    case 'U32':
    case 'U64': {
      const values = dtype === 'U32' ? new Uint32Array(buffer, 0, count) : new BigUint64Array(buffer, 0, count);
      return Int32Array.from({ length: count }, (_, i) => {
        if (values[i] < 2 ** 31) return Number(values[i]);
        throw new CheckpointError(`${where}: expected values that fit into int32, got ${values[i]} at position ${i}.`);
      });
    }
    case 'I64': {
      const words = new Int32Array(buffer, 0, 2 * count); // low, high, low, high, …
      return Int32Array.from({ length: count }, (_, i) => {
        const low = words[2 * i];
        if (words[2 * i + 1] === low >> 31) return low;
        const value = new BigInt64Array(buffer, 8 * i, 1)[0];
        throw new CheckpointError(
          `${where}: expected int64 values that fit into int32, got ${value} at position ${i}.`,
        );
      });
    }
    case 'U8':
    case 'BOOL':
      return bytes;
  }
}

/**
 * Values → little-endian bytes, without a copy where possible.
 * @param dtype  for int32 values I32 (the default), I64 or I8, for float32 ones F32 (the default) or F16, for bytes U8 (the default) or BOOL
 * @throws CheckpointError for another number format, or when a value does not fit into F16 or I8
 */
export function encodeValues(data: RawData, dtype?: string, where = ''): { dtype: FileDType; bytes: Uint8Array } {
  const known = formatsOf(data);
  const written = known.find((format) => format === (dtype ?? known[0]));
  switch (written) {
    case 'I64': {
      const words = new Int32Array(2 * data.length);
      data.forEach((value, i) => {
        words[2 * i] = value;
        words[2 * i + 1] = value >> 31; // the sign
      });
      return { dtype: written, bytes: bytesOf(words) };
    }
    case 'I8':
      expectFit(data, (value) => value >= -128 && value <= 127, 'int8 values from -128 to 127', where);
      return { dtype: written, bytes: bytesOf(Int8Array.from(data)) };
    case 'F16': {
      const fits = (value: number) => !(Math.abs(value) >= 65_520 && Number.isFinite(value));
      expectFit(data, fits, 'float16 values up to 65504', where);
      return { dtype: written, bytes: bytesOf(toHalf(data as Float32Array)) };
    }
    case undefined:
      throw new CheckpointError(
        `${where}: expected ${known.join(' or ')} as dtype of a ${data.constructor.name}, got '${dtype}'. Leave it out for ${known[0]}.`,
      );
    default:
      return { dtype: written, bytes: bytesOf(data) };
  }
}

/** The number formats that values can be written in, the default first. */
function formatsOf(data: RawData): readonly ('F32' | 'F16' | 'I32' | 'I64' | 'I8' | 'U8' | 'BOOL')[] {
  if (data instanceof Float32Array) return ['F32', 'F16'];
  return data instanceof Int32Array ? ['I32', 'I64', 'I8'] : ['U8', 'BOOL'];
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function expectFit(data: RawData, fits: (value: number) => boolean, expected: string, where: string): void {
  const at = (data as Float32Array).findIndex((value) => !fits(value));
  if (at >= 0) throw new CheckpointError(`${where}: expected ${expected}, got ${data[at]} at position ${at}.`);
}
