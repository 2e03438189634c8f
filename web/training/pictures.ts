/** Pictures beside what the model makes of them. */
import type { RgbImage } from '../../data/browser.ts';
import type { Pictures } from './messages.ts';

/** Fills a container with one figure a picture: original, reconstruction, token ids. */
export function showPictures(container: HTMLElement, { originals, reconstructions, ids }: Pictures): void {
  container.replaceChildren(
    ...originals.map((original, i) => {
      const figure = document.createElement('figure');
      const caption = document.createElement('figcaption');
      caption.textContent = ids ? shortened(ids[i]) : 'not in tokens yet';
      caption.title = ids?.[i]?.join(' ') ?? '';
      figure.append(canvasOf(original, 'original'), canvasOf(reconstructions[i], 'reconstruction'), caption);
      return figure;
    }),
  );
}

const most = 16; // ids that fit below a picture
const shortened = (ids: readonly number[]): string =>
  ids.length <= most ? ids.join(' ') : `${ids.slice(0, most).join(' ')} … ${ids.length - most} more`;

function canvasOf({ width, height, data }: RgbImage, label: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height, title: label });
  const image = new ImageData(width, height);
  image.data.fill(255); // opaque
  for (let p = 0; p < width * height; p++) image.data.set(data.subarray(3 * p, 3 * p + 3), 4 * p);
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}
