/**
 * Whole models: s128, b64, l32 and ll32vae encode and decode one 256 × 256 image; generator-… draw one; lean and vqgan are
 * training steps of teachers.
 */
import { noGrad, Rng, tensor, tidy } from '../../core/index.ts';
import { createGenerator, drawsFrom, inputSequence, maskId, publishedGenerators, sample } from '../../maskgit/index.ts';
import { countParameters, stateDict } from '../../nn/index.ts';
import { presets, publishedVqgan, Teacher, TiTok, throughTokens } from '../../titok/index.ts';
import { type ChangesOf, parseSettings, teacher, trainTeacher } from '../../train/index.ts';
import { serve, type Workload } from '../serve.ts';
import { filled, images } from '../values.ts';
import { always, firstLosses, steady } from './training.ts';

const reconstruction = (name: 's128' | 'b64' | 'l32' | 'll32vae') => (): Workload => {
  const model = filled(new TiTok(presets[name], new Rng(0)));
  const image = images(1, 256);
  const output = () => noGrad(() => tidy(() => throughTokens(model, image, model.config.latentTokens).output));
  return { run: () => output().dispose(), check: output(), parameters: countParameters(model) };
};

/** Eight guided steps and the decoder. Logits are compared, as rounding decides which of two equal tokens is chosen. */
const sampling = (name: 'b64' | 's128') => (): Workload => {
  const config = publishedGenerators[name];
  const rng = new Rng(0);
  const generator = filled(createGenerator(config, rng), 'generator.');
  const tokenizer = filled(new TiTok(presets[name], rng));
  const { latentTokens } = config;
  const some = Int32Array.from({ length: latentTokens }, (_, i) => (i % 2 === 0 ? 31 * i : maskId(config)));
  const options = { ...guided, randomizeTemperature: 3, annealing: true };
  return {
    async run() {
      const ids = await sample(generator, Int32Array.of(7), options, drawsFrom(rng));
      noGrad(() => tidy(() => tokenizer.decodeTokens(tensor(ids, [1, latentTokens])))).dispose();
    },
    check: noGrad(() => tidy(() => generator.forward(inputSequence(config, some, Int32Array.of(7))))),
    parameters: countParameters({ generator, tokenizer }),
  };
};
/** The same numbers as in bench/pytorch/maskgit.py. */
const guided = { steps: 8, guidance: 'linear', guidanceScale: 3 } as const;

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
  s128: reconstruction('s128'),
  b64: reconstruction('b64'),
  l32: reconstruction('l32'),
  ll32vae: reconstruction('ll32vae'),
  'generator-b64': sampling('b64'),
  'generator-s128': sampling('s128'),
  lean: teacherStep(32, {}),
  vqgan: teacherStep(64, { teacher: publishedVqgan, batchSize: 1, codebook: 'gradient' }),
});
