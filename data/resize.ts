/**
 * Antialiased bicubic resizing of 8-bit images, bit for bit as the Python Imaging Library does it, because published
 * models were trained and measured on its pictures: horizontal then vertical, weights of 22 fractional bits, rounded to
 * 8 bits after each pass.
 *
 *   out[i] = Σ_j w((j + ½ − c_i) / s) in[j] / Σ_j w(…)        c_i = (i + ½) in/out,  s = max(1, in/out)
 *
 * @see Keys 1981, cubic convolution with a = −½
 */
import { DataError } from '../core/index.ts';

/** An image of 8-bit RGB, in interleaved rows. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array; // height × width × 3
}

const fractionBits = 22;
const cubicRadius = 2;

/** Resizes to exactly `width` × `height`. */
export function resizeBicubic(image: RgbImage, width: number, height: number): RgbImage {
  const wide = image.width === width ? image : resizePass(image, width, 'horizontal');
  return wide.height === height ? wide : resizePass(wide, height, 'vertical');
}

/** Resizes so that the shorter edge is `size`; the longer one keeps the aspect ratio, rounded down. */
export function resizeShorterEdge(image: RgbImage, size: number): RgbImage {
  const { width, height } = image;
  const long = Math.floor((size * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? resizeBicubic(image, size, long) : resizeBicubic(image, long, size);
}

/**
 * The `width` × `height` window whose upper left corner is (`left`, `top`).
 * @throws DataError when it is not inside the image
 */
export function crop(image: RgbImage, left: number, top: number, width: number, height: number): RgbImage {
  if (left < 0 || top < 0 || left + width > image.width || top + height > image.height) {
    throw new DataError(
      `crop: expected a window inside ${image.width}×${image.height}, got ${width}×${height} at (${left}, ${top}).`,
    );
  }
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { width, height, data };
}

/** The middle `size` × `size` window; halves are rounded to even, as Python does. @throws DataError for smaller images */
export function centerCrop(image: RgbImage, size: number): RgbImage {
  const middle = (space: number) => (space % 4 === 1 ? (space - 1) / 2 : Math.round(space / 2));
  return crop(image, middle(image.width - size), middle(image.height - size), size, size);
}

/** A random `size` × `size` window. */
export function randomCrop(image: RgbImage, size: number, rng: { int(n: number): number }): RgbImage {
  return crop(image, rng.int(image.width - size + 1), rng.int(image.height - size + 1), size, size);
}

/** The mirror image: left and right exchanged. */
export function flip(image: RgbImage): RgbImage {
  const { width, height } = image;
  const data = new Uint8Array(image.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      data.set(image.data.subarray(from, from + 3), (y * width + width - 1 - x) * 3);
    }
  }
  return { width, height, data };
}

function resizePass(image: RgbImage, size: number, direction: 'horizontal' | 'vertical'): RgbImage {
  const { width, height, data } = image;
  const horizontal = direction === 'horizontal';
  const windows = resizeWindows(horizontal ? width : height, size);
  const lines = horizontal ? height : width;
  // Value (position along the direction, line, channel) lies at along·position + across·line + channel.
  const [alongIn, acrossIn] = horizontal ? [3, width * 3] : [width * 3, 3];
  const [alongOut, acrossOut] = horizontal ? [3, size * 3] : [width * 3, 3];
  const out = new Uint8ClampedArray(lines * size * 3);
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < size; i++) {
      const { first, weights } = windows[i];
      let red = 2 ** (fractionBits - 1); // so that the shift rounds
      let green = red;
      let blue = red;
      let from = first * alongIn + line * acrossIn;
      for (let k = 0; k < weights.length; k++, from += alongIn) {
        red += data[from] * weights[k];
        green += data[from + 1] * weights[k];
        blue += data[from + 2] * weights[k];
      }
      const to = i * alongOut + line * acrossOut;
      out[to] = red >> fractionBits;
      out[to + 1] = green >> fractionBits;
      out[to + 2] = blue >> fractionBits;
    }
  }
  const rows = new Uint8Array(out.buffer);
  return horizontal ? { width: size, height, data: rows } : { width, height: size, data: rows };
}

/** The input positions that one output position sees: from `first` on, with fixed-point weights. */
interface Window {
  readonly first: number;
  readonly weights: Int32Array;
}

/** Cached, because datasets resize thousands of images of one size. */
let latest: { readonly inSize: number; readonly outSize: number; readonly windows: readonly Window[] } | undefined;

function resizeWindows(inSize: number, outSize: number): readonly Window[] {
  if (latest?.inSize === inSize && latest.outSize === outSize) return latest.windows;
  const scale = inSize / outSize;
  const spread = Math.max(1, scale);
  const radius = cubicRadius * spread;
  const windows = Array.from({ length: outSize }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - radius + 0.5));
    const end = Math.min(inSize, Math.trunc(center + radius + 0.5));
    const raw = Array.from({ length: end - first }, (_, k) => cubic((first + k - center + 0.5) * (1 / spread)));
    const total = raw.reduce((sum, w) => sum + w, 0);
    const weights = Int32Array.from(raw, (w) => {
      const fixed = (w / total) * 2 ** fractionBits;
      return Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
    return { first, weights };
  });
  latest = { inSize, outSize, windows };
  return windows;
}

/** Keys' cubic: 1 at 0, 0 at ±1 and ±2. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return (((d - 5) * d + 8) * d - 4) * a;
  return 0;
}
