/** Peak signal-to-noise ratio. */

/** Squared error over any number of images with values in 0..1; reconstructions are clamped to that range. */
export class SquaredError {
  #sum = 0;
  #count = 0;

  /** Both in the same layout, whatever it is. */
  add(original: ArrayLike<number>, reconstruction: ArrayLike<number>): this {
    if (original.length !== reconstruction.length) {
      throw new RangeError(
        `SquaredError: expected as many values in both, got ${original.length} and ${reconstruction.length}.`,
      );
    }
    for (let i = 0; i < original.length; i++) {
      const difference = clamp01(reconstruction[i]) - original[i];
      this.#sum += difference * difference;
    }
    this.#count += original.length;
    return this;
  }

  /** Mean over all values of all images; NaN before the first. */
  get mse(): number {
    return this.#sum / this.#count;
  }
  /** −10 log₁₀ mse, dB, of the mean error over all images (not the mean of their ratios). */
  get psnr(): number {
    return -10 * Math.log10(this.mse);
  }
}

/** −10 log₁₀ mean((a − b)²), dB, for values in 0..1. */
export const psnr = (original: ArrayLike<number>, reconstruction: ArrayLike<number>): number =>
  new SquaredError().add(original, reconstruction).psnr;

const clamp01 = (x: number): number => Math.min(1, Math.max(0, x));
