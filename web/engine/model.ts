/** The engine's model, and pictures as the page draws them. */
import { noGrad, openDevice, setDefaultDevice, type Tensor, tensor, tensorScope } from '../../core/index.ts';
import { type SamplingOptions, samplingDefaults } from '../../maskgit/index.ts';
import type { Model } from '../../train/browser.ts';

/** RGBA of a square picture, row by row: what `ImageData` takes. */
export type Pixels = Uint8ClampedArray<ArrayBuffer>;

/** What the page knows about a model. */
export interface ModelInfo {
  readonly name: string;
  /** pixels */
  readonly size: number;
  /** per picture */
  readonly tokens: number;
  /** different tokens */
  readonly codes: number;
  /** Of the generator; none without it. */
  readonly classes: readonly string[];
  /** Decodes the first k tokens, for every k. */
  readonly variableLength: boolean;
  /** How the generator was meant to be sampled. */
  readonly sampling: Required<SamplingOptions>;
}

let model: Model | undefined;

/** The loaded model. @throws Error before `load` */
export function current(): Model {
  if (!model) throw new Error('The model is not there yet.');
  return model;
}

/** Replaces the model. */
export function use(next: Model): ModelInfo {
  model = next;
  return describe(next);
}

/** Opens the CPU device, in WebAssembly; with threads where the page may have them. */
export async function openEngine(): Promise<void> {
  device ??= openDevice('cpu', { matmulPrecision: 'high' });
  setDefaultDevice(await device);
}
let device: ReturnType<typeof openDevice> | undefined;

/** What the page is told about a model. */
export function describe({ tokenizer, classes, sampling, metadata }: Model): ModelInfo {
  const { imageSize, latentTokens, codebookSize, variableLength = false } = tokenizer.config;
  return {
    name: metadata.name,
    size: imageSize,
    tokens: latentTokens,
    codes: codebookSize,
    classes,
    variableLength,
    sampling: { ...samplingDefaults, ...sampling },
  };
}

/** Pictures [n, 3, size, size] in 0..1 of RGBA; white where transparent. */
export function toTensor(pictures: readonly Pixels[], size: number): Tensor {
  const area = size * size;
  const values = new Float32Array(pictures.length * 3 * area);
  pictures.forEach((rgba, n) => {
    for (let p = 0; p < area; p++) {
      const alpha = rgba[4 * p + 3] / 255;
      for (let c = 0; c < 3; c++) values[(3 * n + c) * area + p] = (rgba[4 * p + c] / 255) * alpha + 1 - alpha;
    }
  });
  return tensor(values, [pictures.length, 3, size, size]);
}

/** The pictures in `values`, which are [n, 3, size, size] in 0..1. */
export function toPixels(values: ArrayLike<number>, size: number): Pixels[] {
  const area = size * size;
  return Array.from({ length: values.length / (3 * area) }, (_, n) => {
    const rgba = new Uint8ClampedArray(4 * area).fill(255); // rounds and clamps
    for (let p = 0; p < area; p++) {
      for (let c = 0; c < 3; c++) rgba[4 * p + c] = 255 * values[(3 * n + c) * area + p];
    }
    return rgba;
  });
}

/** Token ids of pictures, one row each. */
export async function encode(pictures: readonly Pixels[]): Promise<number[][]> {
  using _ = tensorScope();
  const { tokenizer } = current();
  const { imageSize, latentTokens } = tokenizer.config;
  const ids = await noGrad(() => tokenizer.encode(toTensor(pictures, imageSize)).indices).data();
  return pictures.map((_, n) => Array.from(ids.subarray(n * latentTokens, (n + 1) * latentTokens)));
}

/** Pictures of rows of token ids, all of one length. */
export async function decode(rows: readonly (readonly number[])[]): Promise<Pixels[]> {
  using _ = tensorScope();
  const { tokenizer } = current();
  const ids = tensor(Int32Array.from(rows.flat()), [rows.length, rows[0].length], { dtype: 'int32' });
  return toPixels(await noGrad(() => tokenizer.decodeTokens(ids)).data(), tokenizer.config.imageSize);
}
