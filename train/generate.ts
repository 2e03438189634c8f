/** What trained models are for: new pictures of a class, pictures through their tokens and back, pictures as tokens. */
import { noGrad, OptionError, Rng, suggestion, type Tensor, tensor, tidy } from '../core/index.ts';
import { type RgbImage, resizeToSquare, toPlanes, toUnit } from '../data/index.ts';
import { psnr } from '../eval/index.ts';
import type { SamplingOptions } from '../maskgit/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import type { TiTok } from '../titok/index.ts';
import { generator } from './generator.ts';
import { picturesOf } from './pictures.ts';
import type { Run } from './run.ts';
import { sampleImages } from './samples.ts';

/** Options of `generate`. */
export interface GenerateOptions {
  /** Pictures of each class. Default 1. */
  readonly count?: number;
  /** Default 0: the same pictures every time. */
  readonly seed?: number;
  /** Sampling settings that differ from those that the generator was trained with. */
  readonly sampling?: SamplingOptions;
}

/**
 * New pictures by a run's generator.
 *
 *   const pictures = await generate(run, 'cats', { count: 12 });
 *   await writePng('cats.png', await imageGrid(pictures, 4));
 *
 * @param classes  a class, or several; by name or by what its name begins with, in any case
 * @returns        `count` pictures of the first class, then of the second, …
 * @throws OptionError for an unknown class; CheckpointError when the run has no generator or no tokenizer
 */
export async function generate(
  run: Run,
  classes: string | readonly string[],
  { count = 1, seed = 0, sampling = {} }: GenerateOptions = {},
): Promise<RgbImage[]> {
  const [trained, tokenizer] = [run.model(generator), run.pixelTokenizer()];
  await run.expectMadeWith(generator, { tokenizer });
  const labels = [classes].flat().flatMap((name) => new Array<number>(count).fill(classIndex(name, trained.classes)));
  const model = { ...trained, sampling: { ...trained.sampling, ...sampling } };
  const images = await sampleImages(model, tokenizer, labels, new Rng(seed));
  const pictures = await picturesOf(images);
  images.dispose();
  return pictures;
}

/** Index of a class by its name, or by what its name begins with, in any case. @throws OptionError */
export function classIndex(text: string, classes: readonly string[], where = 'class'): number {
  if (classes.includes(text)) return classes.indexOf(text);
  const found = classes.filter((name) => name.toLowerCase().startsWith(text.toLowerCase()));
  if (found.length === 1) return classes.indexOf(found[0]);
  const names = classes.map((name) => `'${name}'`).join(', ');
  throw new OptionError(`${where}: expected one of ${names}, got '${text}'${suggestion(text, classes)}.`);
}

/** A picture before and after its tokens. */
export interface Reconstructed {
  /** The input as the model sees it: scaled and cropped to a square. */
  readonly input: RgbImage;
  readonly output: RgbImage;
  /** dB */
  readonly psnr: number;
}

/** Pictures through their tokens and back. @param tokenizer  one that gives pixels: `run.pixelTokenizer()` */
export async function reconstruct(tokenizer: TiTok, pictures: readonly RgbImage[]): Promise<Reconstructed[]> {
  const images = toImages(pictures, tokenizer.config.imageSize);
  const outputs = noGrad(() => tidy(() => tokenizer.forward(images).output));
  const [before, after] = [await images.data(), await outputs.data()];
  const [shownBefore, shownAfter] = [await picturesOf(images), await picturesOf(outputs)];
  for (const t of [images, outputs]) t.dispose();
  const each = before.length / pictures.length;
  return pictures.map((_, i) => ({
    input: shownBefore[i],
    output: shownAfter[i],
    psnr: psnr(before.subarray(i * each, (i + 1) * each), after.subarray(i * each, (i + 1) * each)),
  }));
}

/** The token ids of pictures: K numbers from 0 to codebookSize − 1 for each. */
export async function tokenize(tokenizer: TiTok, pictures: readonly RgbImage[]): Promise<number[][]> {
  const images = toImages(pictures, tokenizer.config.imageSize);
  const { indices, commitmentLoss } = noGrad(() =>
    tidy(() => {
      const { indices, commitmentLoss } = tokenizer.encode(images);
      return { indices, commitmentLoss };
    }),
  );
  const [ids, distance] = [await indices.data(), await commitmentLoss.item()];
  for (const t of [images, indices, commitmentLoss]) t.dispose();
  if (!Number.isFinite(distance)) {
    throw new NonFiniteError(
      `tokenize: expected finite latents, got ${distance}. Are the tokenizer's weights damaged?`,
    );
  }
  const k = tokenizer.config.latentTokens;
  return pictures.map((_, i) => Array.from(ids.subarray(i * k, (i + 1) * k)));
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
