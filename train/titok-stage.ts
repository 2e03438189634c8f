/** What the stages have in common whose result is a TiTok. */
import { z } from 'zod';
import { CheckpointError, OptionError, Rng } from '../core/index.ts';
import { loadStateDict } from '../nn/index.ts';
import { presets, TiTok } from '../titok/index.ts';
import { titokSettings } from './model-settings.ts';
import { savedPart } from './saved.ts';
import type { RunContext, SavedModel } from './stage.ts';
import { teacherSettings } from './teacher.ts';

const titokConfig = z.strictObject({
  ...titokSettings(presets.tiny, 'proxy').unwrap().shape,
  pixelDecoder: teacherSettings.unwrap().shape.teacher.unwrap().nullable().default(null),
});

/** @throws CheckpointError when the checkpoint is of another size or kind */
export function loadTiTok({ settings, groups, source }: SavedModel): TiTok {
  const config = savedPart(titokConfig, settings['model'], source, 'settings.model');
  try {
    const model = new TiTok(config, new Rng(0));
    loadStateDict(model, groups['model'] ?? {}, { source });
    return model;
  } catch (error) {
    if (!(error instanceof OptionError)) throw error; // two values that contradict each other
    throw new CheckpointError(`${source}, settings.model in its metadata: ${error.message}`, { cause: error });
  }
}

/** Figures of a TiTok that gives pixels. */
export const evaluatePixels = (run: RunContext, model: TiTok) =>
  run.evaluateReconstruction(model.config.codebookSize, (images) => {
    const { output, indices } = model.forward(images);
    return { reconstruction: output, codes: indices };
  });

/** Held-out images above what a TiTok that gives pixels makes of them. */
export const drawPixels = (name: string, run: RunContext, model: TiTok) =>
  run.drawReconstructions(`${name}.png`, { [name]: (images) => model.forward(images).output });
