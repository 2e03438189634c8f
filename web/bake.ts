/** First states of the page's exhibits, made when the site is built: nothing is empty before the weights arrive. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { openDevice, setDefaultDevice } from '../core/index.ts';
import { crc32, fromPlanes, loadEmoji } from '../data/index.ts';
import { codebookComponents, tailLengths } from '../titok/index.ts';
import { loadModel, modelsInBox, pathOfModel } from '../train/index.ts';
import type { Baked, BakedFew, BakedFilm } from './baked.ts';
import { beginnings } from './engine/few.ts';
import { type FilmStep, film } from './engine/film.ts';
import { decode, describe, encode, type ModelInfo, type Pixels, use } from './engine/model.ts';
import { heatMap, heatSide } from './engine/touch.ts';

/** The pictures that the page begins with, all held out. */
const shown = ['twemoji/growing-heart', 'twemoji/ten-thirty'];

/** The film that the page begins with: a class whose pictures look like something. */
const shownFilm = { className: 'face-smiling', seed: 1 };

export function bake(): Promise<Baked & { readonly film: BakedFilm }> {
  baked ??= compute();
  return baked;
}
let baked: ReturnType<typeof compute> | undefined;

async function compute(): Promise<Baked & { readonly film: BakedFilm }> {
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
    heat: await heatSheet(rows[0], heatSide(info.size)),
    colors: Array.from(components, (value) => Math.round(100 * value) / 100),
    rows: await Promise.all(
      shown.map(async (name, i) => ({
        name: name.slice(name.indexOf('/') + 1).replaceAll('-', ' '),
        ids: rows[i],
        original: await dataUri(originals[i]),
        picture: await dataUri(pictures[i]),
      })),
    ),
    film: await bakeFilm(info),
    few: await computeFew(originals[0]),
  };
}

async function bakeFilm({ classes, sampling, size }: ModelInfo): Promise<BakedFilm> {
  const { className, seed } = shownFilm;
  const steps: FilmStep[] = [];
  for await (const some of film({ label: classes.indexOf(className), seed, sampling })) steps.push(...some);
  const pictures = steps.flatMap(({ picture }) => picture ?? []);
  const sheet = sharp({ create: { width: size * pictures.length, height: size, channels: 4, background: '#fff' } });
  const tiles = pictures.map((picture, i) => ({
    input: Buffer.from(picture),
    raw: { width: size, height: size, channels: 4 } as const,
    left: i * size,
    top: 0,
  }));
  const webp = await sheet.composite(tiles).webp({ quality: 75 }).toBuffer();
  return {
    className,
    seed,
    steps: steps.map(({ ids, guesses, confidence }) => ({
      ids,
      guesses,
      confidence: confidence.map((value) => Math.round(100 * value) / 100),
    })),
    pictures: `data:image/webp;base64,${webp.toString('base64')}`,
  };
}

/** Tiles from left to right, in rows of ⌈√K⌉. Lossy: nobody sees it on a map. */
async function heatSheet(ids: readonly number[], side: number): Promise<string> {
  const across = Math.ceil(Math.sqrt(ids.length));
  const width = across * side;
  const sheet = new Uint8Array(width * width);
  for (const place of ids.keys()) {
    const map = await heatMap(ids, place);
    const [left, top] = [(place % across) * side, Math.floor(place / across) * side];
    for (let y = 0; y < side; y++) sheet.set(map.subarray(y * side, (y + 1) * side), (top + y) * width + left);
  }
  return webp(sharp(sheet, { raw: { width, height: width, channels: 1 } }).webp({ quality: 50 }));
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
  const { length: bytes } = await readFile(path);
  return {
    bytes,
    size,
    tokens,
    codes,
    average,
    strip: await webp(raw(strip, size * tokens, size).webp({ quality: 80 })),
  };
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
  return webp(sharp(pixels, { raw: { width: size, height: size, channels: 4 } }).webp({ lossless: true }));
}

const webp = async (picture: sharp.Sharp): Promise<string> =>
  `data:image/webp;base64,${(await picture.toBuffer()).toString('base64')}`;
