/** What the last tokenizer and the generator of a row make of pictures. */
import type { Tensor } from '../core/index.ts';
import { countParameters } from '../nn/index.ts';
import { decodeArgmax, throughTokens } from '../titok/index.ts';
import {
  diffusion,
  finetune,
  generator,
  generator2d,
  merge,
  parseSettings,
  type Run,
  type Sampler,
  type Stage,
  single,
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

/** The stages that draw pictures of classes. */
const drawing = [generator, generator2d, diffusion];

/** What a row draws pictures with, as the row says. @throws Error when it trains no generator */
export function samplerOf(run: Run, { name, sampling }: Row): Sampler {
  const stage: Stage | undefined = drawing.find((stage) => run.has(stage));
  const sampler = stage?.sampler?.(run, run.model(stage));
  if (!sampler) throw new Error(`studies, row ${name}: expected a stage that draws pictures, got none.`);
  const settings = parseSettings(sampler.settings, merge(sampler.sampling as object, sampling), 'sampling of a row');
  return {
    ...sampler,
    sampling: settings,
    draw: (labels, rng, options) => sampler.draw(labels, rng, { sampling: settings, ...options }),
  };
}

/** Millions of parameters of the network that draws. */
export function generatorParameters(run: Run): number {
  const networks = [
    run.has(generator) && run.model(generator).generator,
    run.has(generator2d) && run.model(generator2d).generator,
    run.has(diffusion) && run.model(diffusion).model,
  ];
  const network = networks.find((network) => network !== false);
  return network ? countParameters(network) / 1e6 : 0;
}
