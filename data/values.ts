/** The number formats of safetensors files. Formats other than float32, int32 and bytes are converted. */
import { CheckpointError } from '../core/index.ts';

/** Values of a tensor in memory. */
export type RawData = Float32Array | Int32Array | Uint8Array;

/** Bytes per value. */
export const itemSize = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, U8: 1, BOOL: 1 } as const;
/** Number formats of safetensors files that can be read. */
export type FileDType = keyof typeof itemSize;

export function isFileDType(value: unknown): value is FileDType {
  return typeof value === 'string' && Object.hasOwn(itemSize, value);
}

/**
 * Little-endian bytes → values: F32, F16, BF16, F64 → Float32Array; I32, I64 → Int32Array; U8, BOOL → Uint8Array.
 * @param bytes  must start at the beginning of their buffer, because the result may be a view of it
 * @throws CheckpointError when an I64 value does not fit into 32 bits
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
      return Float32Array.from(new Uint16Array(buffer, 0, count), halfToFloat);
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

/** Values → little-endian bytes, without a copy where possible. */
export function encodeValues(data: RawData, dtype?: string): { dtype: FileDType; bytes: Uint8Array } {
  if (data instanceof Uint8Array) return { dtype: dtype === 'BOOL' ? 'BOOL' : 'U8', bytes: data };
  if (data instanceof Int32Array && dtype === 'I64') {
    const words = new Int32Array(2 * data.length);
    data.forEach((value, i) => {
      words[2 * i] = value;
      words[2 * i + 1] = value >> 31; // the sign
    });
    return { dtype: 'I64', bytes: new Uint8Array(words.buffer) };
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype: data instanceof Int32Array ? 'I32' : 'F32', bytes };
}

/** IEEE 754 binary16: 1 sign bit, 5 of exponent (bias 15), 10 of fraction. */
function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24; // subnormal
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
