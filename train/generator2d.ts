/** MaskGIT as published: a generator of the teacher's 2-D codes, to compare TiTok's short rows with. */
import type { Tensor } from '../core/index.ts';
import { patchSizeOf, type Teacher } from '../titok/index.ts';
import { startOnTokens, tokenGeneratorModel, tokenGeneratorSettings } from './generator.ts';
import { drawSamples, evaluateSamples } from './samples.ts';
import { defineStage, type RunContext } from './stage.ts';
import { teacher as teacherStage } from './teacher.ts';
import { type TrainedGenerator, tokenSampler } from './token-sampler.ts';

/** Pixels of the images that the run's teacher was trained on. */
export function teacherImageSize(run: RunContext): number {
  run.model(teacherStage); // throws when there is none
  return run.imageSize!;
}

function sampler(run: RunContext, model: TrainedGenerator) {
  const teacher = run.model(teacherStage);
  const imageSize = Math.sqrt(model.generator.config.latentTokens) * patchSizeOf(teacher.config);
  return tokenSampler(model, teacher, imageSize, { teacher });
}

/** The teacher's codes, row by row: (imageSize / patch)² for each image. */
function codesOf(teacher: Teacher, imageSize: number) {
  const { codebookSize } = teacher.config;
  const latentTokens = (imageSize / patchSizeOf(teacher.config)) ** 2;
  return {
    model: teacher,
    imageSize,
    latentTokens,
    codebookSize,
    indices: (images: Tensor) => teacher.encode(images).indices,
  };
}

/** Trains MaskGIT on the codes of the run's teacher. */
export const generator2d = defineStage({
  name: 'generator2d',
  about: "for comparison: MaskGIT on the teacher's 2-D codes (needs the run's teacher)",
  settings: tokenGeneratorSettings,
  imageSize: teacherImageSize,
  fixed({ generator: { architecture, width, layers, heads, mlpWidth }, optimizer }) {
    return { generator: { architecture, width, layers, heads, mlpWidth }, optimizer };
  },
  initial: ['generator.initializerRange'],

  async start(run, settings) {
    const teacher = run.model(teacherStage);
    const started = await startOnTokens(run, codesOf(teacher, teacherImageSize(run)), settings);
    return { ...started, madeWith: { teacher } };
  },

  ...tokenGeneratorModel,
  sampler,
  evaluate: (run, model) => evaluateSamples(run, 'generator2d', sampler(run, model)),
  picture: 'samples-2d.png',
  draw: (run, model) => drawSamples(run, 'samples-2d.png', sampler(run, model)),
});
