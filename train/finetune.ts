/** Stage 2, "fine-tuning": the decoder learns pixels; encoder and codes stay as stage 1 left them. */
import type * as z from 'zod';
import { mean, noGrad, type Rng, type Tensor, tensorScope, tidy } from '../core/index.ts';
import { psnrOf } from '../eval/index.ts';
import { AdamW, clipCoefficient, finiteGradients, pick, stateDict } from '../nn/index.ts';
import {
  type Discriminator,
  discriminatorLoss,
  discriminatorParameters,
  isTrainedInStage2,
  keepFirst,
  LeCam,
  laptopFinetune,
  mobileNetLoss,
  type PerceptualLoss,
  reconstructionLoss,
  SmallDiscriminator,
  type TiTok,
  withPixelDecoder,
} from '../titok/index.ts';
import { readTerms } from './held-out.ts';
import { reconstructionWeights } from './model-settings.ts';
import { betas, count, fraction, group, positive, text, updates, weight } from './settings.ts';
import { defineStage, type RunContext } from './stage.ts';
import { teacher as teacherStage } from './teacher.ts';
import { copyOf, drawPixels, evaluatePixels, loadTiTok, tailsOf, titokModel } from './titok-stage.ts';
import { fitting, someWeight } from './together.ts';
import { type ImageSource, learningRateOf, type Training, TrainingState } from './training.ts';
import { warmup } from './warmup.ts';

export const finetuneSettings = group({
  from: text("a model whose decoder goes on, without the run's teacher and warmup; in the box, a file, or runs/NAME"),
  steps: updates(300, 'updates'),
  batchSize: count(16, 'images per update'),
  learningRate: positive(7e-4, 'at the top of the cosine'),
  discriminatorLearningRate: positive(5e-4, "the discriminator's, constant"),
  warmupSteps: updates(20, 'updates in which the rate rises'),
  endRate: fraction(0, 'of the learning rate, at the end'),
  betas: betas([0.9, 0.999], "of AdamW's averages; arXiv:2406.07550, stage 2"),
  weightDecay: weight(1e-4, 'on matrices; arXiv:2406.07550'),
  maxNorm: positive(1, 'gradients are clipped to this norm'),
  weights: reconstructionWeights(laptopFinetune, ['l2', 'l1', 'gradient', 'perceptual', 'adversarial']),
  sharpness: positive(5, "factor of stage 1's logits at the start: Fréchet distance 51 there, with 1 (published) 120"),
  discriminatorStart: fraction(
    0.05,
    'part of the steps before the discriminator joins in: at first it would judge noise',
  ),
}).superRefine(fitting(someWeight('l2', 'l1', 'gradient', 'perceptual', 'adversarial')));
/** The full settings of stage 2. */
export type FinetuneSettings = z.output<typeof finetuneSettings>;

/**
 * A training of stage 2, without a run: one `step()` is one update of the decoder and of the discriminator.
 *
 * @param model          from `withPixelDecoder`; changed in place
 * @param perceptual     one number from two batches of images, or null for none
 * @param discriminator  or null for none
 */
export function trainFinetune(
  settings: FinetuneSettings,
  model: TiTok,
  data: ImageSource,
  rng: Rng,
  perceptual: PerceptualLoss | null,
  discriminator: Discriminator | null,
): Training<TiTok> {
  const { steps, batchSize, weights, maxNorm } = settings;

  // optimizers: the decoder's and the discriminator's
  const params = pick(stateDict(model), isTrainedInStage2);
  const { betas, weightDecay, discriminatorLearningRate } = settings;
  const optimizer = new AdamW({ params, betas, weightDecay });
  const learningRate = learningRateOf(settings);
  const criticParams = discriminator ? discriminatorParameters(discriminator) : {};
  const criticOptimizer = new AdamW({ params: criticParams, lr: discriminatorLearningRate, betas, weightDecay });
  const lecam = new LeCam();
  const criticStart = Math.round(settings.discriminatorStart * steps);
  const state = new TrainingState({
    models: { model, discriminator: discriminator ?? {}, lecam },
    optimizers: { model: optimizer, discriminator: criticOptimizer },
    streams: { data, rng },
  });

  // losses
  function decoderLoss(images: Tensor, zQuantized: Tensor, critic: Discriminator | null) {
    const reconstruction = model.decode(zQuantized);
    const parts = { images, reconstruction, perceptual: perceptual ?? undefined, discriminator: critic ?? undefined };
    return { ...reconstructionLoss(parts, weights), reconstruction };
  }
  const reported = (terms: ReturnType<typeof decoderLoss>) => ({
    loss: terms.loss,
    mse: terms.l2Loss,
    perceptual: terms.perceptualLoss,
    gan: terms.ganLoss,
  });
  const criticAfter = (done: number) => (done >= criticStart ? discriminator : null);
  const criticPass = (critic: Discriminator, images: Tensor, reconstruction: Tensor) =>
    finiteGradients(
      criticParams,
      () => discriminatorLoss({ discriminator: critic, lecam, images, reconstruction }),
      ({ loss, realLogits, fakeLogits }) => ({ discriminator: loss, margin: mean(realLogits).sub(mean(fakeLogits)) }),
    );

  async function step() {
    using _ = tensorScope();
    const { images } = data.next();
    const critic = criticAfter(state.done);
    const kept = tailsOf(model.config, images, rng);
    const zQuantized = noGrad(() =>
      tidy(() => {
        const { zQuantized } = model.encode(images);
        return kept ? keepFirst(zQuantized, kept) : zQuantized;
      }),
    );
    const decoder = await finiteGradients(params, () => decoderLoss(images, zQuantized, critic), reported);
    const judged = critic && (await criticPass(critic, images, decoder.value.reconstruction));
    const lr = learningRate(state.done);
    optimizer.step(decoder.grads, { lr, scale: clipCoefficient(decoder.norm, maxNorm) }); // after both passes turned out finite
    if (judged) {
      criticOptimizer.step(judged.grads, { scale: clipCoefficient(judged.norm, maxNorm) });
      lecam.update(judged.value.realLogits, judged.value.fakeLogits);
    }
    state.done++;
    return {
      ...decoder.report,
      ...(judged && { discriminator: judged.report.discriminator, margin: judged.report.margin }),
      ...(decoder.report.mse > 0 && { psnr: psnrOf(decoder.report.mse) }),
      learningRate: lr,
    };
  }

  const measure = (images: Tensor) =>
    readTerms(() => reported(decoderLoss(images, model.encode(images).zQuantized, criticAfter(state.done - 1))));

  return { model, steps, batchSize, state, step, measure };
}

/** Stage 2. Fine-tunes the decoder on pixels. */
export const finetune = defineStage({
  name: 'finetune',
  about: "stage 2: the decoder on pixels (needs the run's teacher and warmup, or --from)",
  settings: finetuneSettings,
  imageSize: (run, { from }) => (from ? run.modelFrom(from).tokenizer : run.model(warmup)).config.imageSize,
  fixed: ({ from, weights }) => ({ from, 'weights.adversarial above 0': weights.adversarial > 0 }),
  initial: ['sharpness'],

  async start(run, settings) {
    const { model, madeWith } = settings.from ? goOn(run, settings.from) : await beginning(run, settings.sharpness);
    const { perceptual, adversarial } = settings.weights;
    const rng = run.rng(2);
    const training = trainFinetune(
      settings,
      model,
      await run.batches(model.config.imageSize, settings.batchSize, 3),
      rng,
      perceptual > 0 ? mobileNetLoss(run.trunk) : null,
      adversarial > 0 ? new SmallDiscriminator(rng) : null,
    );
    return { training, stored: { model: model.config }, madeWith };
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
