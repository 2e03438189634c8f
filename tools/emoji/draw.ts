/** One icon → pixels. */
import { renderAsync } from '@resvg/resvg-js';
import type { RgbImage } from '../../data/browser.ts';
import type { EmojiIcon } from './icons.ts';

/** Below this standard deviation (of 255) a picture shows nothing: noto-v1 draws its digits white on white. */
const blankDeviation = 4;

/** Draws an icon on white, centered in a square of `size` pixels; the work is done on the renderer's own thread. */
export async function drawIcon({ body, viewBox }: EmojiIcon, size: number): Promise<RgbImage> {
  const [, , boxWidth, boxHeight] = viewBox;
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ' +
    `viewBox="${viewBox.join(' ')}" width="${boxWidth}" height="${boxHeight}">${body}</svg>`;
  const { pixels, width, height } = await renderAsync(svg, {
    fitTo: { mode: boxWidth >= boxHeight ? 'width' : 'height', value: size },
    font: { loadSystemFonts: false },
    background: 'white',
  });
  const data = new Uint8Array(size * size * 3).fill(255);
  const [left, top] = [(size - width) >> 1, (size - height) >> 1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const rgba = (y * width + x) * 4;
      data.set(pixels.subarray(rgba, rgba + 3), ((top + y) * size + left + x) * 3);
    }
  }
  return { width: size, height: size, data };
}

/** True when nothing is to be seen. */
export function isBlank({ data }: RgbImage): boolean {
  let sum = 0;
  let squares = 0;
  for (const v of data) {
    sum += v;
    squares += v * v;
  }
  const mean = sum / data.length;
  return Math.sqrt(Math.max(0, squares / data.length - mean * mean)) < blankDeviation;
}
