/** How large an image may be that is decoded or made by resizing. */

/** Pixels: 2²⁷, some 11,500 × 11,500. As 8-bit RGB they take 400 MB. */
export const maxPixels = 2 ** 27;
/** Pixels along one side: JPEG's own limit. */
export const maxSide = 65_535;
/** The limits in words, for error messages. */
export const sizeLimits = `at most ${maxSide.toLocaleString('en')} pixels a side and ${Math.floor(maxPixels / 1e6)} megapixels`;

/** Whether an image of this size is within the limits. */
export const isWithinLimits = (width: number, height: number): boolean =>
  Math.max(width, height) <= maxSide && width * height <= maxPixels;
