/** What the stages have in common whose result is a TiTok. */
import * as z from 'zod';
import { expectOption, OptionError, Rng, type Tensor } from '../core/index.ts';
import { type ImageSet, type ImageStream, isStream, pixelBatches } from '../data/browser.ts';
import { loadStateDict, stateDict } from '../nn/index.ts';
import {
  checkConfig,
  drawTails,
  presets,
  TiTok,
  type TiTokConfig,
  tailLengths,
  throughTokens,
} from '../titok/index.ts';
import type { Reconstruction } from './evaluate.ts';
import { titokSettings } from './model-settings.ts';
import { savedPart } from './saved.ts';
import type { RunContext, SavedModel } from './stage.ts';
import { teacherSettings } from './teacher.ts';
import { spreadViews } from './views.ts';

/** The configuration of a TiTok in a checkpoint's settings. */
export const titokModel = z.looseObject({
  model: z
    .strictObject({
      ...titokSettings(presets.tiny, 'proxy').unwrap().shape,
      pixelDecoder: teacherSettings.unwrap().shape.teacher.unwrap().nullable(),
    })
    .superRefine((config, context) => {
      const message = contradiction(config);
      if (message !== undefined)
        context.addIssue({ code: 'custom', message: `values that fit each other (${message})` });
    }),
});

function contradiction(config: TiTokConfig): string | undefined {
  try {
    checkConfig(config);
  } catch (error) {
    if (error instanceof OptionError) return error.message;
    throw error;
  }
  return undefined;
}

/** With the averaged weights, if the training kept some. @throws CheckpointError when the checkpoint is of another size or kind */
export function loadTiTok({ settings, groups, source }: SavedModel): TiTok {
  const model = new TiTok(savedPart(titokModel, settings, source, 'settings').model, new Rng(0));
  loadStateDict(model, { ...groups['model'], ...groups['ema.model'] }, { source });
  return model;
}

/** A tokenizer of its own, with the same weights. */
export function copyOf(model: TiTok): TiTok {
  const copy = new TiTok(model.config, new Rng(0));
  loadStateDict(copy, stateDict(model));
  return copy;
}

/** @throws OptionError for a tokenizer with continuous tokens */
export const expectCodes = (where: string, { quantizeMode }: TiTokConfig): void =>
  expectOption(
    quantizeMode === 'vq',
    `${where}, tokenizer`,
    'one with codes',
    "one with continuous tokens (model.quantizeMode 'vae')",
    'The stage `single` trains either.',
  );

const streamedForPixels = 4096; // images: all would take as long as an epoch

/** Mean and standard deviation of a set's pixels (of a stream those of 4,096 images, spread over it), which a model with starting values 'fan-in' subtracts and divides by. */
export function pixelsOf({ init, pixels }: TiTokConfig, set: ImageSet | ImageStream): TiTokConfig['pixels'] {
  if (init !== 'fan-in' || pixels) return pixels;
  const some = spreadViews(set, streamedForPixels).map(({ index }) => index);
  let [sum, squares, count] = [0, 0, 0];
  for (const images of isStream(set) ? pixelBatches(set, some, 64) : [set.images]) {
    for (const x of images) {
      sum += x;
      squares += x * x;
    }
    count += images.length;
  }
  const mean = sum / count;
  const std = Math.sqrt(squares / count - mean ** 2);
  return { mean: mean / 255, std: Math.max(std, 1) / 255 }; // a set of one color has no deviation
}

/** How many tokens each image keeps in an update of a model of variable length; undefined: all. */
export const tailsOf = ({ variableLength, latentTokens }: TiTokConfig, images: Tensor, rng: Rng) =>
  variableLength ? drawTails(images.shape[0], latentTokens, rng) : undefined;

/** Figures of a TiTok that gives pixels; of a model of variable length also the PSNR of the first k tokens, `psnr4`. */
export async function evaluatePixels(run: RunContext, model: TiTok): Promise<Reconstruction> {
  const { codebookSize, latentTokens, variableLength } = model.config;
  const figures = (k: number) =>
    run.evaluateReconstruction(codebookSize, (images) => {
      const { output, indices } = throughTokens(model, images, k);
      return { reconstruction: output, codes: indices };
    });
  const shorter: Record<string, number> = {};
  for (const k of variableLength ? tailLengths(latentTokens).slice(0, -1) : [])
    shorter[`psnr${k}`] = (await figures(k)).psnr;
  return { ...(await figures(latentTokens)), ...shorter };
}

/** Held-out images above what a TiTok that gives pixels makes of them, with each number of tokens if its length varies. */
export function drawPixels(name: string, run: RunContext, model: TiTok): Promise<void> {
  const { variableLength, latentTokens } = model.config;
  if (!variableLength)
    return run.drawReconstructions(`${name}.png`, {
      [name]: (images) => throughTokens(model, images, latentTokens).output,
    });
  const rows = tailLengths(latentTokens).map((k) => [
    `${k} ${k === 1 ? 'token' : 'tokens'}`,
    (images: Tensor) => throughTokens(model, images, k).output,
  ]);
  return run.drawReconstructions(`${name}.png`, Object.fromEntries(rows));
}
