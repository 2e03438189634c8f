/** Pictures of the visitor's own: chosen, dropped anywhere on the page, pasted, or from the camera. */
import type { Source } from '../store.ts';
import { button, h } from './dom.ts';
import { squarePixels } from './picture.ts';

/** Shorter side in pixels beyond which a picture is scaled while it is read. */
const mostSide = 2048;

/** The middle square of a picture in a file. @throws Error in words for visitors, for a file that is no picture */
export async function readPicture(file: File, size: number): Promise<Source> {
  const name = file.name || 'What you pasted';
  const read = (options?: ImageBitmapOptions) =>
    createImageBitmap(file, options).catch(() => {
      throw new Error(
        `${name} is not a picture that this browser can read. Try a PNG or JPEG file of at most 8,000 pixels a side.`,
      );
    });
  let bitmap = await read();
  const side = Math.min(bitmap.width, bitmap.height);
  if (side > mostSide) {
    // read again, smaller: browsers scale off the page's thread here, and would stop it for seconds below
    const resizeWidth = Math.round((bitmap.width * mostSide) / side);
    bitmap.close();
    bitmap = await read({ resizeWidth, resizeQuality: 'high' });
  }
  const pixels = squarePixels(bitmap, bitmap.width, bitmap.height, size);
  bitmap.close();
  return { name: name.replace(/\.\w+$/, ''), pixels, heldOut: undefined };
}

/** Buttons for a file and the camera; the whole page takes what is dropped or pasted. */
export function ownPictures(size: () => number, pick: (read: Promise<Source>) => void): HTMLElement {
  const take = (file: File | undefined): void => {
    if (file) pick(readPicture(file, size()));
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
    button('Camera', () => pick(fromCamera(size()))),
    h('span', { class: 'small' }, 'or drop, or paste one; it stays on your machine'),
  );
}

/** One picture from the camera. @throws Error in words for visitors */
async function fromCamera(size: number): Promise<Source> {
  const stream = await navigator.mediaDevices?.getUserMedia({ video: { facingMode: 'user' } }).catch(() => undefined);
  if (!stream) throw new Error('No camera, or this page may not use it.');
  try {
    const video = h('video', { muted: true, playsinline: true });
    video.srcObject = stream;
    await video.play();
    await new Promise((resolve) => setTimeout(resolve, 400)); // the first pictures are dark
    const pixels = squarePixels(video, video.videoWidth, video.videoHeight, size);
    return { name: 'camera', pixels, heldOut: undefined };
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}
