/** Pictures on the page: canvases that screen readers see as images. */
import type { Pixels } from '../engine/model.ts';
import { h } from './dom.ts';

export interface PictureView {
  readonly element: HTMLCanvasElement;
  /** Draws a square picture, and says what it is. */
  show(pixels: Pixels, label: string): void;
}

/** A canvas with a label. Its size on the page comes from its class. */
export function pictureView(className = 'picture', label = 'picture'): PictureView {
  const canvas = h('canvas', { class: className, role: 'img', 'aria-label': label, width: 1, height: 1 });
  return {
    element: canvas,
    show(pixels, label) {
      const size = Math.sqrt(pixels.length / 4);
      if (canvas.width !== size) Object.assign(canvas, { width: size, height: size });
      canvas.getContext('2d')!.putImageData(new ImageData(pixels, size, size), 0, 0);
      canvas.setAttribute('aria-label', label);
    },
  };
}

/** A white pixel, where there is no picture. */
export const white: Pixels = new Uint8ClampedArray(4).fill(255);

/** A canvas with a picture that stays as it is; its size on the page comes from what is around it. */
export function stillPicture(pixels: Pixels, label: string): HTMLCanvasElement {
  const view = pictureView('');
  view.show(pixels, label);
  return view.element;
}

/** A picture of any source, cut to a square and scaled to `size` on white. */
export function squarePixels(source: CanvasImageSource, width: number, height: number, size: number): Pixels {
  const side = Math.min(width, height);
  let at: readonly [CanvasImageSource, number, number, number] = [
    source,
    (width - side) / 2,
    (height - side) / 2,
    side,
  ];
  // halved until it is near its size: browsers look at few pixels when they scale further than that, and detail flickers
  for (let half = side; half >= 4 * size; half = at[3])
    at = [scaled(...at, Math.ceil(half / 2)), 0, 0, Math.ceil(half / 2)];
  return scaled(...at, size)
    .getContext('2d')!
    .getImageData(0, 0, size, size).data as Pixels;
}

function scaled(source: CanvasImageSource, x: number, y: number, side: number, size: number): HTMLCanvasElement {
  const canvas = h('canvas', { width: size, height: size });
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, x, y, side, side, 0, 0, size, size);
  return canvas;
}

/** Pixels of a picture in a data URI or at a URL, as they are. */
export async function pixelsOfUrl(url: string): Promise<Pixels> {
  const image = new Image();
  image.src = url;
  await image.decode();
  return squarePixels(image, image.naturalWidth, image.naturalHeight, image.naturalWidth);
}

/** A picture scaled to another size. */
export function resized(pixels: Pixels, size: number): Pixels {
  const from = Math.sqrt(pixels.length / 4);
  if (from === size) return pixels;
  const canvas = h('canvas', { width: from, height: from });
  canvas.getContext('2d')!.putImageData(new ImageData(pixels, from, from), 0, 0);
  return squarePixels(canvas, from, from, size);
}

/** Peak signal-to-noise ratio of two pictures, dB. */
export function psnrOf(a: Pixels, b: Pixels): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) if (i % 4 < 3) sum += (a[i] - b[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * (a.length / 4) * 3) / sum);
}

/** A PNG of a picture, each pixel `zoom` × `zoom`. */
export function toPng(pixels: Pixels, zoom = 4): Promise<Blob> {
  const size = Math.sqrt(pixels.length / 4);
  const small = h('canvas', { width: size, height: size });
  small.getContext('2d')!.putImageData(new ImageData(pixels, size, size), 0, 0);
  const large = h('canvas', { width: zoom * size, height: zoom * size });
  const context = large.getContext('2d')!;
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, zoom * size, zoom * size);
  return blobOf(large, 'image/png');
}

/** A canvas as a file. @throws Error when the browser cannot write that type */
export function blobOf(canvas: HTMLCanvasElement, type: string, quality?: number): Promise<Blob> {
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) =>
        blob?.type === type ? resolve(blob) : reject(new Error(`This browser writes no ${type.slice(6)} files.`)),
      type,
      quality,
    ),
  );
}

/** Lets the visitor save a file. */
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
