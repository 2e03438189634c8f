/** What the page can train, sized for two cores and drawn shapes. */
import { noGrad, type Rng, type Tensor } from '../core/index.ts';
import { stateDict } from '../nn/index.ts';
import { leanTeacher, presets } from '../titok/index.ts';
import {
  type BatchSource,
  type SingleSettings,
  singleDefaults,
  type TeacherSettings,
  type Training,
  teacherDefaults,
  trainSingle,
  trainTeacher,
} from '../train/index.ts';
import type { ModelName } from './messages.ts';

export const imageSize = 32; // pixels

/** A model in training, and a look at what it has learned. */
export interface Learner {
  readonly training: Training;
  readonly parameters: number;
  /** Images through the model. Ids, of each image's tokens or codes, once its latents are quantized. */
  look(images: Tensor): { output: Tensor; ids: Tensor | undefined };
}

type StartLearner = (steps: number, data: BatchSource, rng: Rng) => Promise<Learner>;
export const learners: Readonly<Record<ModelName, StartLearner>> = {
  titok,
  teacher,
};

/** As the preset `tiny`, but narrower and shallower: shapes are simpler than emoji, and a page shall show something soon. */
const half = { width: 96, layers: 2, heads: 4 };

/**
 * A picture as 16 tokens in a row. From pixels alone that takes thousands of steps, which is why the recipes for laptops
 * let TiTok learn from a teacher first.
 */
async function titok(steps: number, data: BatchSource, rng: Rng): Promise<Learner> {
  const settings: SingleSettings = {
    ...singleDefaults,
    model: {
      ...presets.tiny,
      codebookSize: 256, // its k-means start is the one long pause
      encoder: { ...half, patchSize: 8 },
      decoder: { ...half, patchSize: 8 },
      head: 'pixels',
    },
    steps,
    scheduleSteps: steps,
    warmupSteps: Math.min(20, steps),
    continuousSteps: Math.min(singleDefaults.continuousSteps, Math.floor(steps / 3)),
  };
  const training = trainSingle(settings, data, rng);
  const { model } = training;
  return {
    training,
    parameters: count(model),
    look: (images) =>
      noGrad(() => {
        const z = model.encodeLatents(images);
        if (training.done <= settings.continuousSteps)
          return { output: model.decode(model.continuous(z)), ids: undefined };
        const { zQuantized, indices } = model.quantizeLatents(z);
        return { output: model.decode(zQuantized), ids: indices };
      }),
  };
}

/** A picture as a grid of 8 × 8 codes. Fast, because convolutions know what is beside what. */
async function teacher(steps: number, data: BatchSource, rng: Rng): Promise<Learner> {
  const settings: TeacherSettings = {
    ...teacherDefaults,
    teacher: { ...leanTeacher, codebookSize: 256 },
    steps,
    warmupSteps: Math.min(20, steps),
    pcaStart: false, // from random numbers, so that there is something to see
    continuousSteps: Math.min(100, Math.floor(steps / 3)), // random latents need longer than principal components
  };
  const training = await trainTeacher(settings, data, rng);
  return {
    training,
    parameters: count(training.teacher),
    look: (images) =>
      noGrad(() => {
        const { encoder, decoder } = training.teacher;
        if (training.done <= settings.continuousSteps)
          return { output: decoder.forward(encoder.forward(images)), ids: undefined };
        const { reconstruction, codes } = training.teacher.forward(images);
        return { output: reconstruction, ids: codes };
      }),
  };
}

const count = (model: object): number => Object.values(stateDict(model)).reduce((sum, p) => sum + p.size, 0);
