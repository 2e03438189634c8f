/** One icon → pixels. */
import { renderAsync } from '@resvg/resvg-js';
import type { EmojiIcon } from './emoji-icons.ts';

/** Below this standard deviation (of 255) a picture shows nothing: noto-v1 draws its digits white on white. */
const blankDeviation = 4;

/**
 * Draws an icon on white, centerd in a square; the work is done on the renderer's own thread.
 * @returns planes [3, size, size], or undefined when nothing is to be seen
 */
export async function drawIcon({ body, viewBox }: EmojiIcon, size: number): Promise<Uint8Array | undefined> {
  const [, , boxWidth, boxHeight] = viewBox;
  const svg =
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" ' +
    `viewBox="${viewBox.join(' ')}" width="${boxWidth}" height="${boxHeight}">${body}</svg>`;
  const { pixels, width, height } = await renderAsync(svg, {
    fitTo: { mode: boxWidth >= boxHeight ? 'width' : 'height', value: size },
    font: { loadSystemFonts: false },
    background: 'white',
  });
  const planes = new Uint8Array(3 * size * size).fill(255);
  const [left, top] = [(size - width) >> 1, (size - height) >> 1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        planes[(c * size + top + y) * size + left + x] = pixels[(y * width + x) * 4 + c];
      }
    }
  }
  return deviation(planes) < blankDeviation ? undefined : planes;
}

function deviation(values: Uint8Array): number {
  let sum = 0;
  let squares = 0;
  for (const v of values) {
    sum += v;
    squares += v * v;
  }
  const mean = sum / values.length;
  return Math.sqrt(Math.max(0, squares / values.length - mean * mean));
}
