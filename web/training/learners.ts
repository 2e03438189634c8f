/** What the page can train, sized for two cores and drawn shapes. */
import { noGrad, type Rng, type Tensor } from '../../core/index.ts';
import type { ImageSet } from '../../data/browser.ts';
import { countParameters } from '../../nn/index.ts';
import { leanTeacher, presets } from '../../titok/index.ts';
import {
  type ImageSource,
  parseSettings,
  pixelsOf,
  single,
  type Training,
  teacher,
  trainSingle,
  trainTeacher,
} from '../../train/browser.ts';
import type { ModelName } from './messages.ts';

export const imageSize = 32; // pixels

/** A model in training, and a look at what it has learned. */
export interface Learner {
  readonly training: Training;
  readonly parameters: number;
  /** Images through the model. Ids, of each image's tokens or codes, once its latents are quantized. */
  look(images: Tensor): { output: Tensor; ids: Tensor | undefined };
}

type StartLearner = (steps: number, data: ImageSource, rng: Rng, images: ImageSet) => Promise<Learner>;
export const learners: Readonly<Record<ModelName, StartLearner>> = { titok, teacher: grid };

/** As the preset `tiny`, but narrower and shallower: shapes are simpler than emoji, and a page should show something soon. */
const half = { width: 96, layers: 2, heads: 4, patchSize: 8 };

/** A picture as 16 tokens in a row. */
async function titok(steps: number, data: ImageSource, rng: Rng, images: ImageSet): Promise<Learner> {
  const { continuousSteps } = parseSettings(single.settings, {}, 'single');
  const model = { ...presets.tiny, head: 'pixels', codebookSize: 256, encoder: half, decoder: half } as const; // k-means of more codes is a long pause
  const settings = parseSettings(
    single.settings,
    {
      model: { ...model, pixels: pixelsOf(model, images) },
      steps,
      warmupSteps: Math.min(20, steps),
      continuousSteps: Math.min(continuousSteps, Math.floor(steps / 3)),
    },
    'titok on the page',
  );
  const training = trainSingle(settings, data, rng);
  const { model: titok, state } = training;
  return {
    training,
    parameters: countParameters(titok),
    look: (images) =>
      noGrad(() => {
        const z = titok.encodeLatents(images);
        if (state.done <= settings.continuousSteps)
          return { output: titok.decode(titok.normalizeLatents(z)), ids: undefined };
        const { zQuantized, indices } = titok.quantizeLatents(z);
        return { output: titok.decode(zQuantized), ids: indices };
      }),
  };
}

/** A picture as a grid of 8 × 8 codes. Fast, because convolutions know what is beside what. */
async function grid(steps: number, data: ImageSource, rng: Rng): Promise<Learner> {
  const settings = parseSettings(
    teacher.settings,
    {
      teacher: { ...leanTeacher, codebookSize: 256 },
      steps,
      warmupSteps: Math.min(20, steps),
      pcaStart: false, // from random numbers, so that there is something to see
      continuousSteps: Math.min(100, Math.floor(steps / 3)), // random latents need longer than principal components
    },
    'teacher on the page',
  );
  const training = await trainTeacher(settings, data, rng);
  const { model, state } = training;
  return {
    training,
    parameters: countParameters(model),
    look: (images) =>
      noGrad(() => {
        const { encoder, decoder } = model;
        if (state.done <= settings.continuousSteps)
          return { output: decoder.forward(encoder.forward(images)), ids: undefined };
        const { reconstruction, indices } = model.forward(images);
        return { output: reconstruction, ids: indices };
      }),
  };
}
