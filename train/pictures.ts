/** Pictures of what models make of images. */
import { expectWhole, noGrad, type Tensor, tidy } from '../core/index.ts';
import { batchOf, gridSize, type ImageSet, imageGrid, type RgbImage, writePng } from '../data/index.ts';
import { imagesAtOnce, inParts, picturesOf } from './image-batches.ts';
import { type Sheet, shortLabel } from './sheet.ts';
import { spreadViews } from './views.ts';

/**
 * Writes a PNG: held-out images in the first row, what each model makes of them in a row of its own.
 *
 * @param models   row label → images [n, 3, size, size] to images
 * @param caption  above the pictures
 */
export async function drawReconstructions(
  path: string,
  set: ImageSet,
  models: Readonly<Record<string, (images: Tensor) => Tensor>>,
  { columns = 10, caption = '' }: { columns?: number | undefined; caption?: string } = {},
): Promise<void> {
  expectWhole('drawReconstructions, columns', columns, 1, 1000);
  const rowLabels = ['input', ...Object.keys(models)];
  const views = spreadViews(set, columnsThatFit(set.size, columns, rowLabels));
  const rows: RgbImage[][] = [[], ...Object.keys(models).map(() => [])];
  for (const part of inParts(views, imagesAtOnce(set.size))) {
    const { images, labels } = batchOf(set, part);
    rows[0].push(...(await picturesOf(images)));
    for (const [i, model] of Object.values(models).entries()) {
      const output = noGrad(() => tidy(() => model(images)));
      rows[i + 1].push(...(await picturesOf(output)));
      output.dispose();
    }
    for (const t of [images, labels]) t.dispose();
  }
  await writePng(path, await imageGrid(rows.flat(), views.length, { rowLabels, ...captioned(caption) }));
}

function columnsThatFit(size: number, columns: number, rowLabels: readonly string[]): number {
  const image = { width: size, height: size };
  while (columns > 1 && !gridSize(image, columns * rowLabels.length, columns, { rowLabels, columnLabels: [''] }).fits)
    columns--;
  return columns;
}

const captioned = (caption: string) => (caption === '' ? {} : { columnLabels: [caption] });

/**
 * Draws a sheet.
 *
 * @param pictures  `each` of the first label, then of the second, …
 * @param caption   above the pictures
 */
export function drawSheet(
  { rows, each, columns, scale }: Sheet,
  labels: readonly string[],
  pictures: readonly RgbImage[],
  caption = '',
): Promise<RgbImage> {
  const { width, height } = pictures[0];
  const blank = { width, height, data: new Uint8Array(3 * width * height).fill(255) };
  const lines = Math.ceil(each / columns);
  const cells = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: lines * columns }, (_, i) => (i < each ? pictures[row * each + i] : blank)),
  ).flat();
  const rowLabels = labels
    .slice(0, rows)
    .flatMap((label) => Array.from({ length: lines }, (_, line) => (line === 0 ? shortLabel(label) : '')));
  return imageGrid(cells, columns, { scale, rowLabels, ...captioned(caption) });
}
