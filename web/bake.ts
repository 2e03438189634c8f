/** First states of the page's exhibits, made when the site is built: nothing is empty before the weights arrive. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { openDevice, setDefaultDevice } from '../core/index.ts';
import { crc32, fromPlanes, loadEmoji } from '../data/index.ts';
import { codebookComponents, tailLengths } from '../titok/index.ts';
import { loadModel, modelsInBox, pathOfModel } from '../train/index.ts';
import type { Baked, BakedFew } from './baked.ts';
import { beginnings } from './engine/few.ts';
import { decode, describe, encode, type Pixels, use } from './engine/model.ts';

/** The pictures that the page begins with, all held out. */
const shown = ['twemoji/smiling-face-with-heart-eyes', 'twemoji/strawberry'];

export function bake(): Promise<Baked> {
  baked ??= compute();
  return baked;
}
let baked: Promise<Baked> | undefined;

async function compute(): Promise<Baked> {
  setDefaultDevice(await openDevice('cpu', { matmulPrecision: 'high' }));
  const loaded = await Promise.all(
    modelsInBox().models.map(async (entry) => {
      const path = pathOfModel(entry.name);
      return { entry, bytes: await readFile(path), model: await loadModel(path) };
    }),
  );
  const models = loaded.map(({ entry, bytes, model }) => {
    const { tokens, codes } = describe(model);
    return { ...entry, bytes: bytes.length, crc32: crc32(bytes), tokens, codes };
  });
  const { model } = loaded.find(({ entry }) => entry.name === 'emoji-64')!;
  const info = use(model);
  const emoji = await loadEmoji(info.size);
  const originals = shown.map((name) => {
    const i = emoji.validation.names.indexOf(name);
    const each = 3 * info.size ** 2;
    if (i < 0) throw new Error(`bake: expected a held-out emoji, got ${name}.`);
    return rgba(fromPlanes(emoji.validation.images.subarray(i * each, (i + 1) * each), info.size, info.size).data);
  });
  const rows = await encode(originals);
  const pictures = await decode(rows);
  const components = await codebookComponents(model.tokenizer);
  return {
    models,
    model: info,
    colors: Array.from(components, (value) => Math.round(100 * value) / 100),
    rows: await Promise.all(
      shown.map(async (name, i) => ({
        name: name.slice(name.indexOf('/') + 1).replaceAll('-', ' '),
        ids: rows[i],
        original: await dataUri(originals[i]),
        picture: await dataUri(pictures[i]),
      })),
    ),
    few: await computeFew(originals[0]),
  };
}

/** @param original  of the first picture */
async function computeFew(original: Pixels): Promise<BakedFew> {
  const path = fileURLToPath(new URL('assets/emoji-few.safetensors', import.meta.url));
  const model = await loadModel(path);
  const { size, tokens, codes } = use(model);
  const [figures] = model.metadata.figures;
  const average = tailLengths(tokens).map((k) => [k, Number(figures[k === tokens ? 'psnr' : `psnr${k}`])] as const);
  const from = Math.sqrt(original.length / 4);
  const small = await raw(original, from, from).resize(size, size).raw().toBuffer();
  const strip = Buffer.alloc(4 * size * size * tokens);
  let k = 0;
  for await (const picture of beginnings(new Uint8ClampedArray(small))) {
    for (let y = 0; y < size; y++)
      strip.set(picture.subarray(4 * y * size, 4 * (y + 1) * size), 4 * size * (y * tokens + k));
    k++;
  }
  const webp = await raw(strip, size * tokens, size)
    .webp({ quality: 80 })
    .toBuffer();
  const { length: bytes } = await readFile(path);
  return { bytes, size, tokens, codes, average, strip: `data:image/webp;base64,${webp.toString('base64')}` };
}

const raw = (pixels: Uint8ClampedArray | Uint8Array, width: number, height: number) =>
  sharp(pixels, { raw: { width, height, channels: 4 } });

function rgba(rgb: Uint8Array): Pixels {
  const pixels = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let p = 0; p < rgb.length / 3; p++) pixels.set(rgb.subarray(3 * p, 3 * p + 3), 4 * p);
  return pixels;
}

async function dataUri(pixels: Pixels): Promise<string> {
  const size = Math.sqrt(pixels.length / 4);
  const webp = await raw(pixels, size, size).webp({ lossless: true }).toBuffer();
  return `data:image/webp;base64,${webp.toString('base64')}`;
}
