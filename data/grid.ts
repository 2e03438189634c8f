/** PNG files, and grids of small images, enlarged so that pixels can be seen. */
import { DataError } from '../core/index.ts';
import { writeFileAtomic } from './atomic-write.ts';
import { reason } from './errors.ts';
import { decodeImage } from './images.ts';
import type { RgbImage } from './pixels.ts';
import { loadSharp } from './sharp.ts';

/** Options of `imageGrid`. */
export interface GridOptions {
  /** White pixels around the tiles; default: 4. */
  readonly gap?: number;
  /** Whole number by which pixels are enlarged; default: the smallest that makes tiles at least 96 pixels wide. */
  readonly scale?: number;
  /** One text above each column. Texts need a font on the system. */
  readonly columnLabels?: readonly string[];
  /** One text to the left of each row. */
  readonly rowLabels?: readonly string[];
}

const fontSize = 13; // pixels
const headerHeight = 22;

/**
 * Writes an image as PNG, atomically.
 * @throws DataError when the file cannot be written, or when sharp is not installed
 */
export async function writePng(path: string, { width, height, data }: RgbImage): Promise<void> {
  const sharp = await loadSharp();
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  try {
    writeFileAtomic(path, [png]);
  } catch (error) {
    throw new DataError(`${path}: expected to write a picture, got ${reason(error)}.`, { cause: error });
  }
}

/**
 * Arranges images of one size in a grid on white, `columns` in a row.
 *
 *   const grid = await imageGrid([input0, output0, input1, output1], 2, { columnLabels: ['input', 'output'] });
 *   await writePng('out.png', grid);
 *
 * @throws DataError when there are no images, or of several sizes
 */
export async function imageGrid(
  images: readonly RgbImage[],
  columns: number,
  options: GridOptions = {},
): Promise<RgbImage> {
  const first = images[0];
  if (!first || !(columns >= 1)) {
    throw new DataError(`imageGrid: expected images in 1 or more columns, got ${images.length} in ${columns}.`);
  }
  const odd = images.find(({ width, height }) => width !== first.width || height !== first.height);
  if (odd) {
    const [a, b] = [first, odd].map(({ width, height }) => `${width}×${height}`);
    throw new DataError(`imageGrid: expected images of one size, got ${a} and ${b}.`);
  }
  const { scale = Math.ceil(96 / first.width), gap = 4, columnLabels = [], rowLabels = [] } = options;
  const tile = { width: first.width * scale, height: first.height * scale };
  const left = Math.max(0, ...rowLabels.map((text) => gap + textWidth(text)));
  const top = columnLabels.length > 0 ? headerHeight : 0;
  const corner = (column: number, row: number) => ({
    x: left + gap + column * (tile.width + gap),
    y: top + gap + row * (tile.height + gap),
  });
  const { x: width, y: height } = corner(columns, Math.ceil(images.length / columns));
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
  for (let y = 0; y < image.height * scale; y++) {
    for (let x = 0; x < image.width * scale; x++) {
      const from = (Math.floor(y / scale) * image.width + Math.floor(x / scale)) * 3;
      canvas.data.set(image.data.subarray(from, from + 3), ((top + y) * canvas.width + left + x) * 3);
    }
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

/** An estimate: a letter of a sans-serif font is some 0.6 of its size wide. */
function textWidth(text: string): number {
  return Math.ceil(text.length * fontSize * 0.6);
}

function escapeXml(text: string): string {
  return text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
}
