/** What the last tokenizer and the generator of a row make of pictures. */
import type { Tensor } from '../core/index.ts';
import { decodeArgmax, throughTokens } from '../titok/index.ts';
import {
  finetune,
  generator,
  merge,
  parseSettings,
  type Run,
  samplingSettings,
  single,
  type TrainedGenerator,
  teacher,
  warmup,
} from '../train/index.ts';
import type { Row } from './row.ts';

/** Pictures through tokens and back. */
export interface Reconstructor {
  readonly codebookSize: number;
  readonly latentTokens: number;
  readonly reconstruct: (images: Tensor) => { readonly reconstruction: Tensor; readonly codes?: Tensor | undefined };
}

/** The tokenizer that a row trained last: TiTok, or TiTok before stage 2 with the teacher's decoder, or the teacher. */
export function reconstructorOf(run: Run, row: Row): Reconstructor {
  if (run.has(finetune) || run.has(single)) {
    const model = run.pixelTokenizer();
    const { codebookSize, latentTokens } = model.config;
    const tokens = row.tokens ?? latentTokens;
    const reconstruct = (images: Tensor) => {
      const { output, indices } = throughTokens(model, images, tokens);
      return { reconstruction: output, codes: indices };
    };
    return { codebookSize, latentTokens, reconstruct };
  }
  const twoD = run.model(teacher);
  if (run.has(warmup)) {
    const model = run.model(warmup);
    const { codebookSize, latentTokens } = model.config;
    const reconstruct = (images: Tensor) => {
      const { output, indices } = model.forward(images);
      return { reconstruction: decodeArgmax(twoD, output), codes: indices };
    };
    return { codebookSize, latentTokens, reconstruct };
  }
  const reconstruct = (images: Tensor) => {
    const { reconstruction, indices } = twoD.forward(images);
    return { reconstruction, codes: indices };
  };
  return { codebookSize: twoD.codebook.shape[0], latentTokens: 0, reconstruct };
}

/** The generator of a row, which samples as the row says. */
export function generatorOf(run: Run, { sampling }: Row): TrainedGenerator {
  const trained = run.model(generator);
  return {
    ...trained,
    sampling: parseSettings(samplingSettings, merge(trained.sampling, sampling), 'sampling of a row'),
  };
}
