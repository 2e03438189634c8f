/** Frames of a film as PNG files: the picture, and below it the row of tokens. */
import type { FilmStep } from '../engine/film.ts';
import { h } from '../ui/dom.ts';
import { blobOf } from '../ui/picture.ts';

const side = 256; // of the picture, pixels
const cell = 16; // of a token

/** A frame for each step that guesses, each in a file. Masked tokens are hollow. */
export async function filmFile(steps: readonly FilmStep[], colors: readonly string[]): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for (const { ids, guesses, picture } of steps) {
    if (!picture) continue;
    const perLine = side / cell;
    const height = side + 8 + cell * Math.ceil(ids.length / perLine);
    const canvas = h('canvas', { width: side, height });
    const context = canvas.getContext('2d')!;
    context.fillStyle = '#fff';
    context.fillRect(0, 0, side, height);
    const size = Math.sqrt(picture.length / 4);
    const small = h('canvas', { width: size, height: size });
    small.getContext('2d')!.putImageData(new ImageData(picture, size, size), 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, side, side);
    guesses.forEach((guess, i) => {
      const x = (i % perLine) * cell;
      const y = side + 8 + Math.floor(i / perLine) * cell;
      context.fillStyle = context.strokeStyle = colors[guess] ?? '#ddd';
      if (ids[i] === guess) context.fillRect(x + 1, y + 1, cell - 2, cell - 2);
      else context.strokeRect(x + 2.5, y + 2.5, cell - 5, cell - 5);
    });
    frames.push(new Uint8Array(await (await blobOf(canvas, 'image/png')).arrayBuffer()));
  }
  return frames;
}
