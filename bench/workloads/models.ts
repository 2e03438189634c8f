/** Whole models: s128 encodes and decodes one 256 × 256 image with TiTok-S-128; lean and vqgan are training steps of teachers. */
import { noGrad, Rng, tidy } from '../../core/index.ts';
import { countParameters, stateDict } from '../../nn/index.ts';
import { presets, publishedVqgan, Teacher, TiTok } from '../../titok/index.ts';
import { type ChangesOf, parseSettings, teacher, trainTeacher } from '../../train/index.ts';
import { serve, type Workload } from '../serve.ts';
import { filled, images } from '../values.ts';
import { always, firstLosses, steady } from './training.ts';

function s128(): Workload {
  const model = filled(new TiTok(presets.s128, new Rng(0)));
  const image = images(1, 256);
  const throughTokens = () => noGrad(() => tidy(() => model.decodeTokens(tidy(() => model.encode(image).indices))));
  return {
    run: () => throughTokens().dispose(),
    check: throughTokens(),
    parameters: countParameters(model),
  };
}

const teacherStep = (size: number, changes: ChangesOf<typeof teacher>) => async (): Promise<Workload> => {
  const { scheduleSteps, ...constant } = steady;
  const fixed = { ...constant, weightDecay: 0, continuousSteps: 0, pcaStart: false };
  const settings = parseSettings(teacher.settings, { ...fixed, ...changes }, 'teacher step');
  const start = stateDict(filled(new Teacher(settings.teacher, new Rng(0))));
  const training = await trainTeacher(settings, always(images(settings.batchSize, size)), new Rng(0), start);
  for (const p of Object.values(start)) p.dispose();
  const run = async () => (await training.step()).loss;
  return { run, check: await firstLosses(run), parameters: countParameters(training.model) };
};

await serve({
  s128,
  lean: teacherStep(32, {}),
  vqgan: teacherStep(64, { teacher: publishedVqgan, batchSize: 1, codebook: 'gradient' }),
});
