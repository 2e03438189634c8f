/** What the engine does for "Touch a token". */
import { type NearCodes, nearestCodes, tokenHeatMap } from '../../titok/index.ts';
import { current } from './model.ts';

/** Side of the maps of `heatMap` for pictures of `size` pixels. */
export const heatSide = (size: number): number => size / 2;

/**
 * Where a picture changes when one of its tokens is replaced, as opacities 0..255 at half the picture's resolution. The
 * warmest fiftieth is 255; the square root lifts what is faint.
 *
 * @param row    token ids of the picture
 * @param place  of the token, 0..K−1
 */
export async function heatMap(row: readonly number[], place: number): Promise<Uint8ClampedArray<ArrayBuffer>> {
  const { tokenizer } = current();
  const size = tokenizer.config.imageSize;
  const map = await tokenHeatMap(tokenizer, row, { tokens: [place] });
  const side = heatSide(size);
  const means = Float32Array.from({ length: side * side }, (_, i) => {
    const at = 2 * Math.floor(i / side) * size + 2 * (i % side);
    return (map[at] + map[at + 1] + map[at + size] + map[at + size + 1]) / 4;
  });
  const most = means.slice().sort()[Math.floor(0.98 * means.length)] || 1;
  return Uint8ClampedArray.from(means, (heat) => 255 * Math.sqrt(Math.min(1, heat / most)));
}

/** The other codes, nearest to a code first. */
export const nearCodes = (code: number): Promise<NearCodes> => nearestCodes(current().tokenizer, code);
