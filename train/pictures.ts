/** Tensors as pictures. */
import { concat, noGrad, type Tensor, tidy } from '../core/index.ts';
import { imageGrid, imagesOf, type RgbImage, writePng } from '../data/index.ts';
import { imagesOf as heldOut } from './evaluate.ts';
import type { Session } from './stages.ts';

const SHOWN = 10; // held-out images in pictures

/** Images of a batch [n, 3, height, width] in 0..1 (clamped), for grids and files. */
export async function picturesOf(images: Tensor): Promise<RgbImage[]> {
  return imagesOf(Float32Array.from(await images.data()), images.shape);
}

/** Held-out images beside what each model makes of them, a row per model. */
export async function writeReconstructions(
  path: string,
  session: Session,
  models: Readonly<Record<string, (images: Tensor) => Tensor>>,
  columns = SHOWN,
): Promise<void> {
  const images = shownImages(session, columns);
  const all = noGrad(() => tidy(() => concat([images, ...Object.values(models).map((f) => tidy(() => f(images)))])));
  await writePng(
    path,
    imageGrid(await picturesOf(all), images.shape[0], { rowLabels: ['input', ...Object.keys(models)] }),
  );
  images.dispose();
  all.dispose();
}

/** The same held-out images every time, spread over the set. */
function shownImages({ dataset }: Session, count: number): Tensor {
  const { validation, size } = dataset;
  const shown = Math.min(count, validation.count);
  const step = Math.floor(validation.count / shown);
  const picked = Array.from({ length: shown }, (_, i) => heldOut(validation, size, i * step, 1));
  const all = tidy(() => concat(picked));
  for (const t of picked) t.dispose();
  return all;
}
