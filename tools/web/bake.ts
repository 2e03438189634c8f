/** First states of the page's exhibits, made when the site is built: nothing is empty before the weights arrive. */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { openDevice, setDefaultDevice } from '../../core/index.ts';
import { crc32, fromPlanes, loadEmoji } from '../../data/index.ts';
import { codebookComponents } from '../../titok/index.ts';
import { parseBox } from '../../train/box.ts';
import { parseModel } from '../../train/model-file.ts';
import { type FilmStep, film } from '../../web/engine/film.ts';
import { decode, describe, encode, type ModelInfo, type Pixels, use } from '../../web/engine/model.ts';

/** A model in the box. */
export interface ModelFile {
  readonly name: string;
  readonly file: string;
  readonly about: string;
  readonly bytes: number;
  /** Of the file, 8 hex digits: its address changes with its content. */
  readonly crc32: string;
  readonly tokens: number;
  readonly codes: number;
}

/** A picture that was encoded. Pictures are data URIs of their own size. */
export interface BakedRow {
  readonly name: string;
  readonly ids: readonly number[];
  readonly original: string;
  readonly picture: string;
}

/** A film with the default model's settings, and its pictures from left to right; step 0 has none. */
export interface BakedFilm {
  readonly className: string;
  readonly seed: number;
  readonly steps: readonly {
    readonly ids: readonly number[];
    readonly guesses: readonly number[];
    readonly confidence: readonly number[];
  }[];
  readonly pictures: string;
}

export interface Baked {
  readonly models: readonly ModelFile[];
  /** The default model. */
  readonly model: ModelInfo;
  /** `codebookComponents` of its codes, two decimals. */
  readonly colors: readonly number[];
  /** Held-out pictures: the first is what the page begins with. */
  readonly rows: readonly BakedRow[];
}

/** The pictures that the page begins with, all held out. */
const shown = ['twemoji/smiling-face-with-heart-eyes', 'twemoji/strawberry'];

/** The film that the page begins with: a class whose pictures look like something. */
const shownFilm = { className: 'face-smiling', seed: 1 };

export function bake(): Promise<Baked & { readonly film: BakedFilm }> {
  baked ??= compute();
  return baked;
}
let baked: ReturnType<typeof compute> | undefined;

async function compute(): Promise<Baked & { readonly film: BakedFilm }> {
  setDefaultDevice(await openDevice('cpu', { matmulPrecision: 'high' }));
  const file = (name: string) => readFile(new URL(`../../models/${name}`, import.meta.url));
  const box = parseBox(
    await readFile(new URL('../../models/index.json', import.meta.url), 'utf8'),
    'models/index.json',
  );
  const loaded = await Promise.all(
    box.models.map(async (entry) => {
      const bytes = await file(entry.file);
      return { entry, bytes, model: parseModel(bytes, entry.file) };
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
    film: await bakeFilm(info),
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

function rgba(rgb: Uint8Array): Pixels {
  const pixels = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let p = 0; p < rgb.length / 3; p++) pixels.set(rgb.subarray(3 * p, 3 * p + 3), 4 * p);
  return pixels;
}

async function dataUri(pixels: Pixels): Promise<string> {
  const size = Math.sqrt(pixels.length / 4);
  const webp = await sharp(pixels, { raw: { width: size, height: size, channels: 4 } })
    .webp({ lossless: true })
    .toBuffer();
  return `data:image/webp;base64,${webp.toString('base64')}`;
}
