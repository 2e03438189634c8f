/** What trained models are for: new pictures of a class, pictures through their tokens and back, pictures as tokens. */
import {
  expectOption,
  firstNonFiniteIndex,
  noGrad,
  OptionError,
  Rng,
  suggestion,
  type Tensor,
  tensor,
  tidy,
} from '../core/index.ts';
import { type RgbImage, resizeToSquare, toPlanes, toUnit } from '../data/browser.ts';
import type { DiffusionOptions } from '../diffusion/index.ts';
import { psnr } from '../eval/index.ts';
import type { SamplingOptions } from '../maskgit/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import {
  type Encoded,
  expectLength,
  patchSizeOf,
  type Teacher,
  TiTok,
  type TiTokConfig,
  throughTokens,
} from '../titok/index.ts';
import { imagesAtOnce, inParts, picturesOf } from './image-batches.ts';
import { type Model, withGenerator } from './model.ts';
import type { Run } from './run.ts';
import type { OnProgress, Sampler } from './sampler.ts';
import { samplePictures } from './samples.ts';
import { count, group, merge, parseSettings, seed } from './settings.ts';
import { drawingStages, type StageName } from './stage.ts';
import { stages } from './stages.ts';
import { titokSampler } from './token-sampler.ts';

/** Options of `generate`. */
export interface GenerateOptions {
  /** Pictures of each class, at most 10,000. Default 1. */
  readonly count?: number;
  /** Default 0: the same pictures every time. */
  readonly seed?: number;
  /** Pictures that are computed at once, at most; they depend on it by rounding alone. Default: as many as fit into some 1 GiB. */
  readonly batchSize?: number;
  /** Sampling settings that differ from those that the generator was trained with. */
  readonly sampling?: SamplingOptions | DiffusionOptions;
  /** The stage of a run that draws. Default: the first that it has of 'generator', 'generator2d' and 'diffusion'; a model has the first alone. */
  readonly stage?: StageName;
  /** Called now and then with how much is done, and how much there is to do. */
  readonly onProgress?: OnProgress;
}

/** How much `generate` returns at most. */
const settingsUpTo = (most: number) =>
  group({
    count: count(1, 'pictures of each class', { most }),
    seed: seed(0, 'of the samples'),
    batchSize: count(1, 'pictures computed at once').unwrap().optional(), // no default: as many as fit
  });
/** Pictures of a class that `generate` returns at most. */
export const mostOfClass = 10_000;
/** Bytes of all pictures that it returns at most. */
export const mostGenerated = 2e9;

const generateSettings = settingsUpTo(mostOfClass);
const eachSettings = settingsUpTo(1_000_000);

/**
 * New pictures by the generator of a model or a run, computed in batches that fit into memory.
 *
 *   const pictures = await generate(await loadModel(), 'cats', { count: 12 });
 *   await writePng('cats.png', await imageGrid(pictures, 4));
 *
 * @param classes  a class, or several; by name or by what its name begins with, in any case
 * @returns        `count` pictures of the first class, then of the second, …
 * @throws OptionError for an unknown class or an option out of range; CheckpointError when there is no generator or no
 *   tokenizer
 */
export async function generate(
  from: Model | Run,
  classes: string | readonly string[],
  { sampling = {}, stage, onProgress, ...options }: GenerateOptions = {},
): Promise<RgbImage[]> {
  const { count, seed, ...batch } = parseSettings(generateSettings, options, 'generate');
  const sampler = await samplerOf(from, stage);
  const settings = parseSettings(sampler.settings, merge(sampler.sampling, sampling), 'generate, sampling');
  const found = [classes].flat().map((name) => classIndex(name, sampler.classes));
  const labels = found.flatMap((label) => new Array<number>(count).fill(label));
  const bytes = 3 * labels.length * sampler.imageSize ** 2;
  expectOption(
    bytes <= mostGenerated,
    'generate',
    `pictures of at most ${mostGenerated / 1e9} GB`,
    `${labels.length} of ${(bytes / 1e9).toFixed(1)} GB`,
    'Take generateEach, or several calls with a seed each.',
  );
  return samplePictures(sampler, labels, new Rng(seed), { sampling: settings, onProgress, ...batch });
}

/** A picture of `generateEach`. */
export interface Generated {
  readonly picture: RgbImage;
  /** The class that it was asked for. */
  readonly label: number;
}

const picturesInMemory = 256; // drawn with one sequence of random numbers; part of what a seed means

/**
 * As `generate`, for any number of pictures, of which no more than 256 are in memory.
 *
 *   for await (const { picture } of generateEach(model, model.classes, { count: 50 })) …
 */
export async function* generateEach(
  from: Model | Run,
  classes: readonly string[],
  { sampling = {}, stage, onProgress, ...options }: GenerateOptions = {},
): AsyncGenerator<Generated, void> {
  const { count, seed, ...batch } = parseSettings(eachSettings, options, 'generateEach');
  const sampler = await samplerOf(from, stage);
  const settings = parseSettings(sampler.settings, merge(sampler.sampling, sampling), 'generateEach, sampling');
  const labels = classes.map((name) => classIndex(name, sampler.classes));
  const total = labels.length * count;
  const rng = new Rng(seed);
  for (let done = 0; done < total; done += picturesInMemory) {
    const length = Math.min(picturesInMemory, total - done);
    const own = Array.from({ length }, (_, i) => labels[Math.floor((done + i) / count)]);
    const progress = (part: number, all: number) => onProgress?.(done + (length * part) / all, total);
    const pictures = await samplePictures(sampler, own, rng, { sampling: settings, onProgress: progress, ...batch });
    for (const [i, picture] of pictures.entries()) yield { picture, label: own[i] };
  }
}

/**
 * What draws pictures: a model's generator, or a stage of a run.
 *
 * @param name  the stage; default: the first of the run that draws. A model has 'generator' alone
 * @throws OptionError for a stage that draws none or that a model does not have, CheckpointError when it is not trained, or with other models than the run's
 */
export async function samplerOf(from: Model | Run, name?: StageName): Promise<Sampler> {
  if ('tokenizer' in from) {
    const repair = 'Pass the run that has the stage, or leave it out.';
    expectOption(name === undefined || name === 'generator', 'stage', "'generator', which is all that a model has", name, repair); // biome-ignore format: one thought
    return titokSampler(withGenerator(from), from.tokenizer);
  }
  const stage = stages[name ?? drawingStages.find((name) => from.has({ name })) ?? 'generator'];
  expectOption(stage?.sampler !== undefined, 'stage', `one of ${drawingStages.join(', ')}`, name);
  const sampler = stage.sampler(from, from.model(stage));
  await from.expectMadeWith(stage, sampler.madeWith);
  return sampler;
}

/**
 * Index of a class by its name, one of several names with commas between them, what its name begins with, in any case, or its
 * number. @throws OptionError
 */
export function classIndex(text: string, classes: readonly string[], where = 'class'): number {
  if (classes.includes(text)) return classes.indexOf(text);
  const wanted = text.toLowerCase();
  const names = classes.map((name) => name.toLowerCase());
  const alias = names.findIndex((name) => name.split(', ').includes(wanted));
  if (alias >= 0) return alias;
  const found = text === '' ? [] : names.filter((name) => name.startsWith(wanted));
  if (found.length === 1) return names.indexOf(found[0]);
  if (found.length === 0 && /^\d+$/.test(text) && Number(text) < classes.length) return Number(text);
  const shown = (found.length > 1 ? classes.filter((_, i) => found.includes(names[i])) : classes).slice(0, mostNames);
  const more = classes.length > shown.length ? `, … (${classes.length} in all, also by number from 0)` : '';
  const list = shown.map((name) => `'${name}'`).join(', ');
  throw new OptionError(`${where}: expected one of ${list}${more}, got '${text}'${suggestion(text, classes)}.`);
}

const mostNames = 100; // the emoji's 95 subgroups

/** A picture before and after its tokens. */
export interface Reconstructed {
  /** The input as the model sees it: scaled and cropped to a square. */
  readonly input: RgbImage;
  readonly output: RgbImage;
  /** dB */
  readonly psnr: number;
}

/** A VAE takes the mean of its latents. */
function through(tokenizer: ImageTokenizer, images: Tensor, tokens: number): Tensor {
  if (!(tokenizer instanceof TiTok)) return tokenizer.teacher.forward(images).reconstruction;
  if (tokenizer.config.quantizeMode === 'vae') return tokenizer.decode(tokenizer.encodeContinuous(images).z);
  return throughTokens(tokenizer, images, tokens).output;
}

/** A TiTok, or a teacher for images of one size. */
export type ImageTokenizer = TiTok | SizedTeacher;

/** A teacher for images of one size: a code for each of its patches, row by row. */
export class SizedTeacher {
  readonly teacher: Teacher;
  /** Pixels of the images, codes of each, and how many there are. */
  readonly config: Pick<TiTokConfig, 'imageSize' | 'latentTokens' | 'codebookSize' | 'tokenSize' | 'quantizeMode'>;

  /** @param imageSize  pixels; a multiple of the teacher's patches */
  constructor(teacher: Teacher, imageSize: number) {
    const patch = patchSizeOf(teacher.config);
    expectOption(imageSize % patch === 0, 'SizedTeacher, imageSize', `a multiple of ${patch}`, imageSize);
    this.teacher = teacher;
    const [codebookSize, tokenSize] = teacher.codebook.shape;
    this.config = { imageSize, latentTokens: (imageSize / patch) ** 2, codebookSize, tokenSize, quantizeMode: 'vq' };
  }

  /** Codes [batch, K] of images [batch, 3, size, size] in 0..1, and what else the teacher gives. */
  encode(images: Tensor): Encoded {
    return this.teacher.encode(images);
  }
}

/**
 * Pictures through their tokens and back, in batches that fit into memory.
 *
 * @param tokenizer  one that gives pixels: `run.pixelTokenizer()`
 * @param tokens     how many of its tokens each picture keeps; fewer than all of a model of variable length
 * @throws OptionError for a number of tokens that the model cannot decode
 */
export async function reconstruct(
  tokenizer: ImageTokenizer,
  pictures: readonly RgbImage[],
  { tokens = tokenizer.config.latentTokens }: { readonly tokens?: number } = {},
): Promise<Reconstructed[]> {
  const { imageSize } = tokenizer.config;
  expectLength('reconstruct', tokens, tokenizer.config);
  const results: Reconstructed[] = [];
  for (const part of inParts(pictures, imagesAtOnce(imageSize))) {
    const images = toImages(part, imageSize);
    const outputs = noGrad(() => tidy(() => through(tokenizer, images, tokens)));
    const [before, after] = [await images.data(), await outputs.data()];
    const [shownBefore, shownAfter] = [await picturesOf(images), await picturesOf(outputs)];
    for (const t of [images, outputs]) t.dispose();
    const each = before.length / part.length;
    for (const i of part.keys()) {
      const [from, to] = [i * each, (i + 1) * each];
      const decibels = psnr(before.subarray(from, to), after.subarray(from, to));
      results.push({ input: shownBefore[i], output: shownAfter[i], psnr: decibels });
    }
  }
  return results;
}

/** The token ids of pictures: K numbers from 0 to codebookSize − 1 for each. Computed in batches that fit into memory. */
export async function tokenize(tokenizer: ImageTokenizer, pictures: readonly RgbImage[]): Promise<number[][]> {
  const { imageSize, latentTokens } = tokenizer.config;
  const rows: number[][] = [];
  for (const part of inParts(pictures, imagesAtOnce(imageSize))) {
    const images = toImages(part, imageSize);
    const { indices, mean } = noGrad(() =>
      tidy(() => {
        const { indices, z } = tokenizer.encode(images);
        return { indices, mean: z.mean() };
      }),
    );
    const [ids, latent] = [await indices.data(), await mean.item()];
    for (const t of [images, indices, mean]) t.dispose();
    if (!Number.isFinite(latent)) {
      throw new NonFiniteError(
        `tokenize: expected finite latents, got ${latent}. Are the tokenizer's weights damaged?`,
      );
    }
    for (const i of part.keys()) rows.push(Array.from(ids.subarray(i * latentTokens, (i + 1) * latentTokens)));
  }
  return rows;
}

/** The latents of pictures by a VAE: K rows of C numbers for each, the means of their distributions. @throws OptionError in VQ mode */
export async function latentsOf(tokenizer: TiTok, pictures: readonly RgbImage[]): Promise<number[][][]> {
  const { imageSize, latentTokens: K, tokenSize } = tokenizer.config;
  const all: number[][][] = [];
  for (const part of inParts(pictures, imagesAtOnce(imageSize))) {
    const images = toImages(part, imageSize);
    const z = noGrad(() => tidy(() => tokenizer.encodeContinuous(images).z)); // [n, C, 1, K]
    const values = await z.data();
    for (const t of [images, z]) t.dispose();
    if (firstNonFiniteIndex(values) >= 0)
      throw new NonFiniteError('latentsOf: expected finite latents. Are the weights damaged?');
    for (const i of part.keys()) {
      const at = (k: number, c: number) => values[(i * tokenSize + c) * K + k];
      all.push(Array.from({ length: K }, (_, k) => Array.from({ length: tokenSize }, (_, c) => at(k, c))));
    }
  }
  return all;
}

/** [n, 3, size, size] in 0..1: shorter edge to `size` (antialiased bicubic), center square. */
function toImages(pictures: readonly RgbImage[], size: number): Tensor {
  const each = 3 * size * size;
  const values = new Float32Array(pictures.length * each);
  for (const [i, picture] of pictures.entries()) {
    values.set(toUnit(toPlanes(resizeToSquare(picture, size))), i * each);
  }
  return tensor(values, [pictures.length, 3, size, size]);
}
