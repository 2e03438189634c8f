/** float16 (IEEE 754 binary16): 1 sign bit, 5 of exponent (bias 15), 10 of fraction. */

let table: Float32Array | undefined;

/** Values of float16 bits, through a table of all 65,536: 1.8 million take some 5 ms, computed one by one 100 ms. */
export function fromHalf(halves: Uint16Array): Float32Array {
  table ??= Float32Array.from({ length: 65_536 }, (_, half) => halfValue(half));
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]];
  return values;
}

function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24; // subnormal
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** float16 bits of values, rounded to the nearest, ties to even. From 65,520 on that is infinity. */
export function toHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return Uint16Array.from(bits, (word, i) => {
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
    if (magnitude >= 0x47800000) return sign | 0x7c00; // 65,536 and more
    if (magnitude < 0x38800000) return sign | (Math.abs(values[i]) * 2 ** 24 + 2 ** 52 - 2 ** 52); // subnormal; the sum rounds
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1); // 13 bits of the fraction go
    return sign | ((rounded - 0x38000000) >>> 13); // the exponent's bias is 15, not 127
  });
}

/** Values of 8-bit floats: E4M3 (PyTorch's float8_e4m3fn, without infinity) or E5M2 (the upper half of a float16). */
export function fromFloat8(bytes: Uint8Array, format: 'F8_E4M3' | 'F8_E5M2'): Float32Array {
  if (format === 'F8_E5M2') return fromHalf(Uint16Array.from(bytes, (byte) => byte << 8));
  return Float32Array.from(bytes, (byte) => {
    const sign = byte & 0x80 ? -1 : 1;
    const exponent = (byte >> 3) & 15;
    const fraction = byte & 7;
    if (exponent === 0) return sign * fraction * 2 ** -9; // subnormal
    if (exponent === 15 && fraction === 7) return NaN;
    return sign * (1 + fraction / 8) * 2 ** (exponent - 7);
  });
}
