/** What the stages have in common whose result is a TiTok. */
import { Rng } from '../core/index.ts';
import { loadStateDict } from '../nn/index.ts';
import { TiTok, type TiTokConfig } from '../titok/index.ts';
import type { RunContext, SavedModel } from './stage.ts';

/** @throws CheckpointError when the checkpoint is of another size or kind */
export function loadTiTok({ settings, groups, source }: SavedModel): TiTok {
  const model = new TiTok(settings['model'] as TiTokConfig, new Rng(0));
  loadStateDict(model, groups['model'] ?? {}, { source });
  return model;
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
