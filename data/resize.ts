/**
 * Resizing, cropping and flipping of 8-bit images. Resizing is antialiased bicubic and equals the Python Imaging Library
 * bit for bit, because published models were trained and measured on its pictures.
 */
import { DataError, expectOption } from '../core/index.ts';
import { resizePart } from './bicubic.ts';
import { isWithinLimits, sizeLimits } from './limits.ts';
import { expectImage, type RgbImage } from './pixels.ts';
import { type Axis, windowsOf } from './windows.ts';

/**
 * Resizes to exactly `width` × `height`.
 * @throws DataError unless both are whole numbers ≥ 1 within 65,535 pixels a side and 134 megapixels, or for an image whose
 *   data has another size
 */
export function resizeBicubic(image: RgbImage, width: number, height: number): RgbImage {
  expectImage('resizeBicubic', image);
  checkSize('resizeBicubic', width, height);
  if (image.width === width && image.height === height) return image;
  const all = (input: number, output: number) => windowsOf({ input, output, first: 0, count: output });
  return resizePart(image, all(image.width, width), all(image.height, height));
}

/**
 * Resizes so that the shorter edge is `size`; the longer one keeps the aspect ratio, rounded down.
 * @throws DataError as `resizeBicubic`
 */
export function resizeShorterEdge(image: RgbImage, size: number): RgbImage {
  return resizeBicubic(image, ...scaled(image, size));
}

/**
 * The image with its shorter edge resized to `size`, and of that the middle square. Equal to
 * `centerCrop(resizeShorterEdge(image, size), size)`, but computes the square alone: also for 1 × 60,000 pixels.
 * @param place  of another square along the longer edge, from 0 up to but not including 1; default: the middle
 * @throws DataError for a size that is not a whole number ≥ 1, or for an image whose data has another size; OptionError for
 *   another place
 */
export function resizeToSquare(image: RgbImage, size: number, place?: number): RgbImage {
  return planSquare(image, size, place).resize(image);
}

/** How an image of some size becomes a square. */
export interface SquarePlan {
  /** The part of the image that the square depends on. */
  readonly source: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  /** The square. @param image  the whole image, or the `source` of it    @throws DataError for another size */
  resize(image: RgbImage): RgbImage;
}

/**
 * `resizeToSquare` for an image of which only the size is known yet.
 *
 * @param place  of the square along the longer edge, from 0 up to but not including 1; default: the middle
 * @throws DataError for a size or a side that is not a whole number ≥ 1; OptionError for another place
 */
export function planSquare(
  { width, height }: { width: number; height: number },
  size: number,
  place?: number,
): SquarePlan {
  checkSize('resizeToSquare', size, size);
  checkSides('resizeToSquare', width, height);
  expectOption(
    place === undefined || (place >= 0 && place < 1),
    'resizeToSquare, place',
    'a number from 0 up to but not including 1',
    place,
  );
  const [outWidth, outHeight] = scaled({ width, height }, size);
  const firstOf = (output: number) =>
    place === undefined ? middleOf(output, size) : Math.floor(place * (output - size + 1));
  const axis = (input: number, output: number): Axis => ({ input, output, first: firstOf(output), count: size });
  const x = windowsOf(axis(width, outWidth));
  const y = windowsOf(axis(height, outHeight));
  return {
    source: { left: x.begin, top: y.begin, width: x.end - x.begin, height: y.end - y.begin },
    resize: (image) => {
      expectImage('resizeToSquare', image);
      const whole = image.width === width && image.height === height;
      if (!whole && (image.width !== x.end - x.begin || image.height !== y.end - y.begin)) {
        throw new DataError(
          `resizeToSquare: expected the whole image, ${width}×${height}, or the plan's source, got ${image.width}×${image.height}.`,
        );
      }
      return resizePart(image, x, y, whole ? 0 : x.begin, whole ? 0 : y.begin);
    },
  };
}

/**
 * The `width` × `height` window whose upper left corner is (`left`, `top`).
 * @throws DataError unless it is of whole pixels inside the image
 */
export function crop(image: RgbImage, left: number, top: number, width: number, height: number): RgbImage {
  expectImage('crop', image);
  const isInside =
    [left, top, width, height].every(Number.isInteger) &&
    Math.min(left, top) >= 0 &&
    Math.min(width, height) >= 1 &&
    left + width <= image.width &&
    top + height <= image.height;
  if (!isInside) {
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
  return crop(image, middleOf(image.width, size), middleOf(image.height, size), size, size);
}

/** A random `size` × `size` window. @throws DataError for smaller images */
export function randomCrop(image: RgbImage, size: number, rng: { int(n: number): number }): RgbImage {
  if (!Number.isInteger(size) || size < 1 || size > Math.min(image.width, image.height)) {
    throw new DataError(`randomCrop: expected a window inside ${image.width}×${image.height}, got ${size}×${size}.`);
  }
  return crop(image, rng.int(image.width - size + 1), rng.int(image.height - size + 1), size, size);
}

/** The mirror image: left and right exchanged. @throws DataError for an image whose data has another size */
export function flip(image: RgbImage): RgbImage {
  expectImage('flip', image);
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

/** Width and height when the shorter edge becomes `size`. */
function scaled({ width, height }: { width: number; height: number }, size: number): [width: number, height: number] {
  const long = Math.floor((size * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? [size, long] : [long, size];
}

/** Where the middle `part` of `whole` begins; halves are rounded to even. */
function middleOf(whole: number, part: number): number {
  const space = whole - part;
  return space % 4 === 1 ? (space - 1) / 2 : Math.round(space / 2);
}

function checkSides(where: string, width: number, height: number): void {
  if ([width, height].every((side) => Number.isSafeInteger(side) && side >= 1)) return;
  throw new DataError(`${where}: expected an image with sides of whole pixels ≥ 1, got ${width}×${height}.`);
}

function checkSize(where: string, width: number, height: number): void {
  const whole = [width, height].every((side) => Number.isSafeInteger(side) && side >= 1);
  if (whole && isWithinLimits(width, height)) return;
  throw new DataError(
    `${where}: expected a whole number ≥ 1 and ${sizeLimits}, got ${width}×${height}.` +
      (whole ? ' resizeToSquare computes the middle of a very long image.' : ''),
  );
}
