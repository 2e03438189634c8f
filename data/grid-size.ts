/** How large a grid of images becomes. */
import { expectWhole } from '../core/index.ts';

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

export const fontSize = 13; // pixels
export const headerHeight = 22;

/** The largest grid, in pixels: all formats and most viewers take it. WebP ends at 16,383 a side. */
export const largestGrid = { side: 16_000, area: 64e6 };

/** The size of a grid in pixels. */
export interface GridSize {
  readonly width: number;
  readonly height: number;
  /** Whether `imageGrid` draws it: at most 16,000 pixels a side and 64 million in all. */
  readonly fits: boolean;
}

/** The size of `imageGrid`'s result for `count` images of width × height pixels, without drawing it. */
export function gridSize(
  image: { readonly width: number; readonly height: number },
  count: number,
  columns: number,
  options: GridOptions = {},
): GridSize {
  const { x: width, y: height } = gridLayout(image, options).corner(columns, Math.ceil(count / columns));
  return { width, height, fits: Math.max(width, height) <= largestGrid.side && width * height <= largestGrid.area };
}

/** Places of tiles and labels. */
export function gridLayout(image: { readonly width: number; readonly height: number }, options: GridOptions) {
  const { scale = Math.ceil(96 / image.width), gap = 4, columnLabels = [], rowLabels = [] } = options;
  expectWhole('imageGrid, scale', scale, 1, 1000);
  expectWhole('imageGrid, gap', gap, 0, 1000);
  const tile = { width: image.width * scale, height: image.height * scale };
  const left = rowLabels.reduce((most, text) => Math.max(most, gap + textWidth(text)), 0);
  const top = columnLabels.length > 0 ? headerHeight : 0;
  const corner = (column: number, row: number) => ({
    x: left + gap + column * (tile.width + gap),
    y: top + gap + row * (tile.height + gap),
  });
  return { scale, gap, tile, corner, columnLabels, rowLabels };
}

/** An estimate: a letter of a sans-serif font is some 0.6 of its size wide. */
function textWidth(text: string): number {
  return Math.ceil(text.length * fontSize * 0.6);
}
