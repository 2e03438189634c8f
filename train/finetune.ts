/** Stage 2, "fine-tuning": the decoder learns pixels; encoder and codes stay as stage 1 left them. */
import type * as z from 'zod';
import { type Rng, type Tensor, tensorScope } from '../core/index.ts';
import { AdamW, clipCoefficient, pick, stateDict } from '../nn/index.ts';
import { isTrainedInStage2, keepFirst, laptopFinetune, type TiTok, withPixelDecoder } from '../titok/index.ts';
import { readTerms } from './held-out.ts';
import { fixedJudges, ImageLoss, type Judges, judgedBy, judgesOf, judgesSettings } from './judges.ts';
import { reconstructionWeights } from './model-settings.ts';
import { averageOf, averageSetting } from './optimizers.ts';
import { encodeInParts, gradientsInParts, partsOf, partsSettings } from './parts.ts';
import { betas, count, fraction, group, positive, text, updates, weight } from './settings.ts';
import { defineStage, type RunContext } from './stage.ts';
import { teacher as teacherStage } from './teacher.ts';
import { copyOf, drawPixels, evaluatePixels, expectCodes, loadTiTok, tailsOf, titokModel } from './titok-stage.ts';
import { discriminatorHelps, fitting, networkHasFiles, someWeight } from './together.ts';
import { type ImageSource, learningRateOf, psnrIn, type Training, TrainingState } from './training.ts';
import { warmup } from './warmup.ts';

export const finetuneSettings = group({
  from: text(
    "a model whose decoder goes on, without the run's teacher and warmup; in the box, a file, runs/NAME, or on the hub",
  ),
  steps: updates(300, 'updates'),
  batchSize: count(16, 'images per update'),
  ...partsSettings,
  learningRate: positive(7e-4, 'at the top of the cosine'),
  warmupSteps: updates(20, 'updates in which the rate rises'),
  endRate: fraction(0, 'of the learning rate, at the end'),
  betas: betas([0.9, 0.999], "of AdamW's averages; arXiv:2406.07550, stage 2"),
  weightDecay: weight(1e-4, 'on matrices; arXiv:2406.07550'),
  maxNorm: positive(1, 'gradients are clipped to this norm'),
  emaDecay: averageSetting,
  weights: reconstructionWeights(laptopFinetune, ['l2', 'l1', 'gradient', 'perceptual', 'adversarial']),
  sharpness: positive(5, "factor of stage 1's logits at the start: Fréchet distance 51 there, with 1 (published) 120"),
  ...judgesSettings,
}).superRefine(
  fitting(someWeight('l2', 'l1', 'gradient', 'perceptual', 'adversarial'), discriminatorHelps, networkHasFiles),
);
/** The full settings of stage 2. */
export type FinetuneSettings = z.output<typeof finetuneSettings>;

/**
 * A training of stage 2, without a run: one `step()` is one update of the decoder and of the discriminator.
 *
 * @param model   from `withPixelDecoder`; changed in place
 * @param judges  for weights above 0
 */
export function trainFinetune(
  settings: FinetuneSettings,
  model: TiTok,
  data: ImageSource,
  rng: Rng,
  judges: Judges = {},
): Training<TiTok> {
  const { steps, batchSize, accumulate, maxNorm } = settings;
  const imageLoss = new ImageLoss('finetune', settings, judges, model.lastLayer);

  // optimizer
  const params = pick(stateDict(model), isTrainedInStage2);
  const { betas, weightDecay } = settings;
  const optimizer = new AdamW({ params, betas, weightDecay });
  const learningRate = learningRateOf(settings);
  const ema = averageOf(params, settings);
  const state = new TrainingState({
    models: { model, ...imageLoss.models },
    optimizers: { model: optimizer, ...imageLoss.optimizers },
    averages: { ...(ema && { model: ema }) },
    streams: { data, rng },
  });

  // loss
  function loss(images: Tensor, zQuantized: Tensor, done = state.done) {
    const reconstruction = model.decode(zQuantized);
    return { ...imageLoss.of({ images, reconstruction }, done), reconstruction };
  }
  const reported = (terms: ReturnType<typeof loss>) => ({
    loss: terms.loss,
    mse: terms.l2Loss,
    perceptual: terms.perceptualLoss,
    gan: terms.ganLoss,
    ...imageLoss.reported(terms),
  });

  async function step() {
    using _ = tensorScope();
    const { images } = data.next();
    const kept = tailsOf(model.config, images, rng);
    const encoded = encodeInParts(images, accumulate, (x) => model.encode(x).zQuantized);
    const zQuantized = kept ? keepFirst(encoded, kept) : encoded;
    const { value, grads, norm, report } = await gradientsInParts(
      settings,
      params,
      partsOf({ images, zQuantized }, accumulate),
      (part) => loss(part.images, part.zQuantized),
      reported,
    );
    const verdict = await imageLoss.judge(images, value.reconstruction, state.done);
    const lr = learningRate(state.done);
    optimizer.step(grads, { lr, scale: clipCoefficient(norm, maxNorm) }); // after both passes turned out finite
    ema?.update();
    const judged = imageLoss.update(verdict, report);
    state.done++;
    return { ...report, ...judged, ...psnrIn(report), learningRate: lr };
  }

  const measure = (images: Tensor) =>
    readTerms(() => reported(loss(images, model.encode(images).zQuantized, state.done - 1)));

  return { model, steps, batchSize, state, step, measure, ...(ema && { ema }) };
}

/** Stage 2. Fine-tunes the decoder on pixels. */
export const finetune = defineStage({
  name: 'finetune',
  about: "stage 2: the decoder on pixels (needs the run's teacher and warmup, or --from)",
  settings: finetuneSettings,
  imageSize: (run, { from }) => (from ? run.modelFrom(from).tokenizer : run.model(warmup)).config.imageSize,
  fixed: (settings) => ({
    from: settings.from,
    ...fixedJudges(settings),
    'emaDecay above 0': settings.emaDecay > 0,
  }),
  initial: ['sharpness'],

  async start(run, settings) {
    const { model, madeWith } = settings.from ? goOn(run, settings.from) : await beginning(run, settings.sharpness);
    expectCodes('finetune', model.config);
    const rng = run.rng(2);
    const data = await run.batches(model.config.imageSize, settings.batchSize, 3);
    const judges = judgesOf(run, settings, model.config.imageSize, rng);
    const training = trainFinetune(settings, model, data, rng, judges);
    return { training, stored: { model: model.config }, madeWith: { ...madeWith, ...judgedBy(judges) } };
  },

  model: titokModel,
  load: loadTiTok,
  evaluate: evaluatePixels,
  picture: 'finetune.png',
  draw: (run, model) => drawPixels('finetune', run, model),
});

/** The model of stage 1 with its teacher's decoder. */
async function beginning(run: RunContext, sharpness: number) {
  const [warm, teacher] = [run.model(warmup), run.model(teacherStage)];
  await run.expectMadeWith(warmup, { teacher });
  return { model: withPixelDecoder(warm, teacher, sharpness), madeWith: { warmup: warm, teacher } };
}

function goOn(run: RunContext, from: string) {
  const { tokenizer } = run.modelFrom(from);
  return { model: copyOf(tokenizer), madeWith: { 'model of --from': tokenizer } };
}
