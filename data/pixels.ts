/** Conversions between 8-bit interleaved rows (images) and planes of bytes or of numbers in 0..1 (tensors). */
import { DataError } from '../core/index.ts';

/** An image of 8-bit RGB, in interleaved rows. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array; // height × width × 3
}

/** @throws DataError unless the sides are whole numbers ≥ 1 and there are three bytes for each pixel */
export function expectImage(where: string, { width, height, data }: RgbImage): void {
  const isImage = [width, height].every((side) => Number.isSafeInteger(side) && side >= 1);
  if (isImage && data.length === 3 * width * height) return;
  throw new DataError(
    `${where}: expected an image of 8-bit RGB, width × height × 3 bytes, got ${width}×${height} with ${data.length} bytes.`,
  );
}

/** Image, [height, width, 3] → planes [3, height, width]. @throws DataError unless there are three bytes for each pixel */
export function toPlanes(image: RgbImage): Uint8Array {
  expectImage('toPlanes', image);
  const { width, height, data } = image;
  const pixels = width * height;
  const planes = new Uint8Array(3 * pixels);
  for (let p = 0; p < pixels; p++) {
    for (let c = 0; c < 3; c++) planes[c * pixels + p] = data[3 * p + c];
  }
  return planes;
}

/**
 * Planes [3, height, width], bytes or numbers in 0..1 (clamped) → image.
 * @throws DataError when there are more or fewer values, or a NaN
 */
export function fromPlanes(planes: Float32Array | Uint8Array, width: number, height: number): RgbImage {
  const pixels = width * height;
  if (planes.length !== 3 * pixels) {
    throw new DataError(
      `fromPlanes: expected 3 × ${height} × ${width} values, [3, height, width], got ${planes.length}.`,
    );
  }
  const bytes = planes instanceof Uint8Array ? planes : toUint8Truncated(planes);
  const data = new Uint8Array(3 * pixels);
  for (let p = 0; p < pixels; p++) {
    for (let c = 0; c < 3; c++) data[3 * p + c] = bytes[c * pixels + p];
  }
  return { width, height, data };
}

/**
 * The images of a batch [n, 3, height, width], bytes or numbers in 0..1 (clamped).
 * @throws DataError when the shape is another, or not that of the values, or for a NaN
 */
export function toImages(batch: Float32Array | Uint8Array, shape: readonly number[]): RgbImage[] {
  const [count = 0, channels, height = 0, width = 0] = shape;
  const each = 3 * height * width;
  if (shape.length !== 4 || channels !== 3 || batch.length !== count * each) {
    throw new DataError(`toImages: expected [n, 3, height, width], got [${shape.join(', ')}], ${batch.length} values.`);
  }
  return Array.from({ length: count }, (_, i) => fromPlanes(batch.subarray(i * each, (i + 1) * each), width, height));
}

/** 8 bits → 0..1, as float32(v / 255). */
export function toUnit(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = bytes[i] / 255; // ten times faster than Float32Array.from(bytes, f)
  return values;
}

/**
 * 0..1 → 8 bits for an image file: clamp, times 255, truncate, as published samples are written.
 * @throws DataError for NaN
 */
export function toUint8Truncated(values: ArrayLike<number>): Uint8Array {
  return Uint8Array.from(values, (v, i) => Math.fround(clamp01(v, i) * 255));
}

/**
 * 0..1 → 8 bits for a metric, as the published evaluation does it in float32: clamp, round to multiples of 1/255, times
 * 255, truncate. The last step loses one level wherever k/255·255 comes out below k.
 * @throws DataError for NaN
 */
export function toUint8ForMetrics(values: ArrayLike<number>): Uint8Array {
  return Uint8Array.from(values, (v, i) => {
    const level = roundHalfToEven(Math.fround(clamp01(v, i) * 255));
    return Math.fround(Math.fround(level / 255) * 255);
  });
}

function clamp01(v: number, at: number): number {
  if (Number.isNaN(v))
    throw new DataError(`pixels: expected numbers in 0..1, got NaN at position ${at}. Which model or file made them?`);
  return Math.min(1, Math.max(0, v));
}

function roundHalfToEven(v: number): number {
  const down = Math.floor(v);
  if (v - down !== 0.5) return Math.round(v);
  return down % 2 === 0 ? down : down + 1;
}
