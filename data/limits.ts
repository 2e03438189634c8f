/** How large an image may be that is decoded or made by resizing, and what packed files may unpack to. */

/** Pixels: 2²⁷, some 11,500 × 11,500. As 8-bit RGB they take 400 MB. */
export const maxPixels = 2 ** 27;
/** Pixels along one side: JPEG's own limit. */
const maxSide = 65_535;
/** The limits in words, for error messages. */
export const sizeLimits = `at most ${maxSide.toLocaleString('en')} pixels a side and ${Math.floor(maxPixels / 1e6)} megapixels`;

/** Whether an image of this size is within the limits. */
export const isWithinLimits = (width: number, height: number): boolean =>
  Math.max(width, height) <= maxSide && width * height <= maxPixels;

/**
 * Bytes that packed ones may unpack to. Deflate can make 1,032 of one, but pictures hardly ever grow more than tenfold: what
 * grows more than a hundredfold, beyond 64 MB, is a bomb.
 */
export const mostUnpacked = (packed: number): number => Math.min(1032 * (packed + 1), Math.max(2 ** 26, 100 * packed));
