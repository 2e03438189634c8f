/** Grids of small images, enlarged so that pixels can be seen. */
import { DataError, expectWhole } from '../core/index.ts';
import { fontSize, type GridOptions, gridLayout, gridSize, headerHeight, largestGrid } from './grid-size.ts';
import { decodeImage } from './images.ts';
import type { RgbImage } from './pixels.ts';

/**
 * Arranges images of one size in a grid on white, `columns` in a row.
 *
 *   const grid = await imageGrid([input0, output0, input1, output1], 2, { columnLabels: ['input', 'output'] });
 *   await writePng('out.png', grid);
 *
 * @throws DataError when there are no images, or of several sizes, or more than a file should hold; OptionError for a
 *   number of columns, gap or scale out of range
 */
export async function imageGrid(
  images: readonly RgbImage[],
  columns: number,
  options: GridOptions = {},
): Promise<RgbImage> {
  const first = images[0];
  if (!first) throw new DataError('imageGrid: expected images, got none.');
  expectWhole('imageGrid, columns', columns, 1, largestGrid.side);
  const odd = images.find(({ width, height }) => width !== first.width || height !== first.height);
  if (odd) {
    const [a, b] = [first, odd].map(({ width, height }) => `${width}×${height}`);
    throw new DataError(`imageGrid: expected images of one size, got ${a} and ${b}.`);
  }
  const { scale, gap, tile, corner, columnLabels, rowLabels } = gridLayout(first, options);
  const { width, height, fits } = gridSize(first, images.length, columns, options);
  if (!fits) {
    throw new DataError(
      `imageGrid: expected a grid of at most ${largestGrid.side} pixels a side and ${largestGrid.area / 1e6} megapixels, got ` +
        `${width}×${height}. Draw fewer images, or with a smaller scale.`,
    );
  }
  const canvas = await drawTexts(width, height, [
    ...columnLabels.map((text, i) => ({ text, x: corner(i, 0).x, y: headerHeight - 4 })),
    ...rowLabels.map((text, i) => ({ text, x: gap, y: corner(0, i).y + (tile.height + fontSize) / 2 })),
  ]);
  images.forEach((image, i) => {
    const { x, y } = corner(i % columns, Math.floor(i / columns));
    drawEnlarged(canvas, image, x, y, scale);
  });
  return canvas;
}

/** Draws every pixel as a `scale` × `scale` square. */
function drawEnlarged(canvas: RgbImage, image: RgbImage, left: number, top: number, scale: number): void {
  const { data } = canvas;
  const length = image.width * scale * 3;
  for (let y = 0; y < image.height; y++) {
    const row = ((top + y * scale) * canvas.width + left) * 3;
    for (let x = 0, to = row; x < image.width; x++) {
      const from = (y * image.width + x) * 3;
      for (let i = 0; i < scale; i++, to += 3) {
        data[to] = image.data[from];
        data[to + 1] = image.data[from + 1];
        data[to + 2] = image.data[from + 2];
      }
    }
    for (let i = 1; i < scale; i++) data.copyWithin(row + i * canvas.width * 3, row, row + length);
  }
}

interface Text {
  readonly text: string;
  readonly x: number;
  readonly y: number; // of the baseline
}

/** A white image with the texts on it. */
async function drawTexts(width: number, height: number, texts: readonly Text[]): Promise<RgbImage> {
  if (texts.length === 0) return { width, height, data: new Uint8Array(width * height * 3).fill(255) };
  const elements = texts.map(({ text, x, y }) => `<text x="${x}" y="${y}">${escapeXml(text)}</text>`);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `font-family="Arial, sans-serif" font-size="${fontSize}" fill="#444">${elements.join('')}</svg>`;
  return decodeImage(new TextEncoder().encode(svg));
}

function escapeXml(text: string): string {
  return text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
}
