/** Pictures of the visitor's own: chosen, dropped anywhere on the page, pasted, or from the camera. */
import { decodeImage } from '../../data/images-browser.ts';
import { resizeToSquare } from '../../data/resize.ts';
import type { Pixels } from '../engine/model.ts';
import type { Source } from '../store.ts';
import { button, h } from './dom.ts';
import { squarePixels } from './picture.ts';

/** @throws Error in words for visitors, for a file that is no picture */
export async function readPicture(file: File, size: number): Promise<Source> {
  const image = await decodeImage(file).catch(() => {
    throw new Error(
      `${file.name || 'That'} is not a picture that this browser can read, or far too large. Try a PNG or JPEG file.`,
    );
  });
  const { data } = resizeToSquare(image, size);
  const pixels = new Uint8ClampedArray(4 * size * size).fill(255);
  for (let p = 0; p < size * size; p++) pixels.set(data.subarray(3 * p, 3 * p + 3), 4 * p);
  return { name: file.name.replace(/\.\w+$/, '') || 'pasted picture', pixels, heldOut: undefined };
}

/** Buttons for a file and the camera; the whole page takes what is dropped or pasted. */
export function ownPictures(
  size: () => number,
  pick: (source: Source) => void,
  fail: (error: unknown) => void,
): HTMLElement {
  const take = (file: File | undefined): void => {
    if (file) readPicture(file, size()).then(pick, fail);
  };
  const input = h('input', {
    type: 'file',
    accept: 'image/*',
    hidden: true,
    'aria-label': 'A picture of your own',
    change: () => {
      take(input.files?.[0]);
      input.value = '';
    },
  });
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    take(event.dataTransfer?.files[0]);
  });
  addEventListener('paste', (event) => take(event.clipboardData?.files[0]));
  return h(
    'div',
    { class: 'row' },
    input,
    button('Your picture …', () => input.click()),
    button('Camera', () =>
      fromCamera(size()).then((pixels) => pick({ name: 'camera', pixels, heldOut: undefined }), fail),
    ),
    h('span', { class: 'small' }, 'or drop, or paste one; it stays on your machine'),
  );
}

/** One picture from the camera. @throws Error in words for visitors */
async function fromCamera(size: number): Promise<Pixels> {
  const stream = await navigator.mediaDevices?.getUserMedia({ video: { facingMode: 'user' } }).catch(() => undefined);
  if (!stream) throw new Error('No camera, or this page may not use it.');
  const video = h('video', { muted: true, playsinline: true });
  video.srcObject = stream;
  await video.play();
  await new Promise((resolve) => setTimeout(resolve, 400)); // the first pictures are dark
  const pixels = squarePixels(video, video.videoWidth, video.videoHeight, size);
  for (const track of stream.getTracks()) track.stop();
  return pixels;
}
