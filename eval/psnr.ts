/** Peak signal-to-noise ratio of images with values in 0..1. */

/** Squared error over any number of images with values in 0..1. Reconstructions are clamped to that range. */
export class SquaredError {
  #sum = 0;
  #count = 0;

  /** Adds images; both arrays have the same layout, whichever it is. @throws RangeError when lengths differ */
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
  /** PSNR of the mean error over all images in dB (not the mean of their PSNRs). */
  get psnr(): number {
    return psnrOf(this.mse);
  }
}

/** PSNR in dB of two images, or batches of them, with values in 0..1; the reconstruction is clamped to that range. */
export const psnr = (original: ArrayLike<number>, reconstruction: ArrayLike<number>): number =>
  new SquaredError().add(original, reconstruction).psnr;

/** PSNR in dB for a mean squared error of values in 0..1: −10 log₁₀ mse. */
export const psnrOf = (mse: number): number => -10 * Math.log10(mse);

const clamp01 = (x: number): number => Math.min(1, Math.max(0, x));
