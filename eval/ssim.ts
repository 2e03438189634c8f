/** Structural similarity of images with values in 0..1. */

const [side, sigma] = [11, 1.5]; // of the window, pixels
const [c1, c2] = [0.01 ** 2, 0.03 ** 2];

const window = (() => {
  const weights = Float64Array.from({ length: side }, (_, i) =>
    Math.exp(-((i - (side - 1) / 2) ** 2) / (2 * sigma ** 2)),
  );
  const total = weights.reduce((a, b) => a + b);
  return weights.map((w) => w / total);
})();

/**
 * How alike two images look: brightness, contrast and structure within a window, averaged over all places where the whole
 * window fits into the image, and over channels.
 *
 *   ((2 μx μy + C₁)(2 σxy + C₂)) / ((μx² + μy² + C₁)(σx² + σy² + C₂)),   C₁ = 0.01², C₂ = 0.03²
 *
 * Means, variances and covariance are weighted by a Gaussian of 11 × 11 pixels, σ = 1.5. The published figures are of gray
 * images; these are of each channel by itself.
 *
 * @param original        planes of any number of images, [images, channels, height, width], row-major
 * @param reconstruction  the same shape; both are clamped to 0..1
 * @returns one number per image, −1..1; 1 for equal images
 * @throws RangeError when the values are not those of the shape, or when an image is smaller than the window
 * @see Wang et al. 2004, Image quality assessment: from error visibility to structural similarity
 */
export function ssim(
  original: ArrayLike<number>,
  reconstruction: ArrayLike<number>,
  shape: readonly number[],
): Float64Array {
  const [images, channels, height, width] = shape;
  const plane = height * width;
  if (shape.length !== 4 || [original, reconstruction].some(({ length }) => length !== images * channels * plane)) {
    throw new RangeError(
      `ssim: expected values of shape [images, channels, height, width], got [${shape.join(', ')}] and ${original.length} and ${reconstruction.length} values.`,
    );
  }
  if (height < side || width < side) {
    throw new RangeError(`ssim: expected images of at least ${side} × ${side} pixels, got ${width} × ${height}.`);
  }
  const planeOf = (values: ArrayLike<number>, at: number) =>
    Float64Array.from({ length: plane }, (_, p) => Math.min(1, Math.max(0, values[at + p])));
  return Float64Array.from({ length: images }, (_, image) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) {
      const at = (image * channels + c) * plane;
      sum += ssimOfPlanes(planeOf(original, at), planeOf(reconstruction, at), height, width);
    }
    return sum / channels;
  });
}

function ssimOfPlanes(x: Float64Array, y: Float64Array, height: number, width: number): number {
  const mean = (values: Float64Array) => filtered(values, height, width);
  const [mx, my] = [mean(x), mean(y)];
  const [xx, yy, xy] = [mean(x.map((v) => v * v)), mean(y.map((v) => v * v)), mean(x.map((v, i) => v * y[i]))];
  let sum = 0;
  for (let i = 0; i < mx.length; i++) {
    const [vx, vy, covariance] = [xx[i] - mx[i] ** 2, yy[i] - my[i] ** 2, xy[i] - mx[i] * my[i]];
    sum += ((2 * mx[i] * my[i] + c1) * (2 * covariance + c2)) / ((mx[i] ** 2 + my[i] ** 2 + c1) * (vx + vy + c2));
  }
  return sum / mx.length;
}

/** Weighted mean at every place of the window: rows, then columns. [height, width] → [height − 10, width − 10] */
function filtered(values: Float64Array, height: number, width: number): Float64Array {
  const [h, w] = [height - side + 1, width - side + 1];
  const rows = new Float64Array(height * w);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let k = 0; k < side; k++) sum += window[k] * values[y * width + x + k];
      rows[y * w + x] = sum;
    }
  }
  const out = new Float64Array(h * w);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      let sum = 0;
      for (let k = 0; k < side; k++) sum += window[k] * rows[(y + k) * w + x];
      out[y * w + x] = sum;
    }
  }
  return out;
}
