/** One stage instead of two: TiTok from pixels, without a teacher. For checking the paper's claim that two are better. */
import type * as z from 'zod';
import { expectOption, type Rng, randn, type Tensor, tensorScope } from '../core/index.ts';
import { clipCoefficient, stateDict } from '../nn/index.ts';
import { keepFirst, laptopSingleStage, presets, TiTok, type TiTokConfig, withTokenSize } from '../titok/index.ts';
import { CodebookTraining, noteTokenSize, noteUnusedCodes } from './codebook.ts';
import { latentFigures } from './diagnostics.ts';
import { readTerms } from './held-out.ts';
import { fixedJudges, ImageLoss, type Judges, judgedBy, judgesOf, judgesSettings } from './judges.ts';
import { reconstructionWeights, titokSettings } from './model-settings.ts';
import { averageOf, averageSetting, optimizerSettings, stageOptimizers } from './optimizers.ts';
import { encodeInParts, gradientsInParts, partsOf, partsSettings } from './parts.ts';
import { modelThatFits } from './room.ts';
import { betas, count, fraction, group, oneOf, positive, text, updates, weight } from './settings.ts';
import { defineStage } from './stage.ts';
import { copyOf, drawPixels, evaluatePixels, loadTiTok, pixelsOf, tailsOf, titokModel } from './titok-stage.ts';
import { discriminatorHelps, fitting, modeHasTerms, networkHasFiles, someQuantized, someWeight } from './together.ts';
import { type ImageSource, learningRateOf, psnrIn, type Training, TrainingState } from './training.ts';

interface CodeSettings {
  readonly steps: number;
  readonly continuousSteps: number;
  readonly from: string;
  readonly model: Pick<TiTokConfig, 'quantizeMode'>;
}
/** A model that goes on has its codes, and one with continuous tokens never has any. */
const finallyQuantized = (settings: CodeSettings) =>
  settings.from === '' && settings.model.quantizeMode === 'vq' && someQuantized(settings);

/** As stage 1, so that both can be compared at equal time. */
export const singleSettings = group({
  from: text('a model that goes on as a whole, in its own sizes; in the box, a file, runs/NAME, or on the hub'),
  model: titokSettings(presets.tiny, 'pixels'),
  steps: updates(2000, 'updates'),
  scheduleSteps: updates(0, 'length of the cosine, where a run is cut short on purpose; 0: as many as steps'),
  batchSize: count(16, 'images per update'),
  ...partsSettings,
  learningRate: positive(2e-3, 'at the top of the cosine'),
  warmupSteps: updates(50, 'updates in which the rate rises'),
  endRate: fraction(0, 'of the learning rate, at the end'),
  ...optimizerSettings('muon'),
  betas: betas([0.9, 0.99], "of AdamW's averages"),
  weightDecay: weight(1e-4, 'on matrices; arXiv:2406.07550'),
  maxNorm: positive(1, 'gradients are clipped to this norm'),
  emaDecay: averageSetting,
  weights: reconstructionWeights(laptopSingleStage, [
    'l2',
    'l1',
    'gradient',
    'perceptual',
    'adversarial',
    'quantizer',
    'kl',
  ]),
  ...judgesSettings,
  codebook: oneOf(['average', 'gradient'], 'average', 'averages keep all codes of vq and rotation in use'),
  continuousSteps: updates(150, 'updates without quantization'),
}).superRefine(
  fitting(
    finallyQuantized,
    modeHasTerms,
    someWeight('l2', 'l1', 'gradient', 'perceptual'),
    discriminatorHelps,
    networkHasFiles,
  ),
);
/** The full settings of the single stage. */
export type SingleSettings = z.output<typeof singleSettings>;

/** What an update draws. */
interface Draws {
  readonly kept?: Int32Array | undefined;
  readonly noise?: Tensor | undefined;
}

/**
 * A training of the single stage, without a run: one `step()` is one update.
 *
 * @param judges  for weights above 0
 * @param from    a model of the settings' sizes that gives pixels, changed in place; default: random weights
 */
export function trainSingle(
  settings: SingleSettings,
  data: ImageSource,
  rng: Rng,
  judges: Judges = {},
  from?: TiTok,
): Training<TiTok> {
  // model
  const { accumulate } = settings;
  const { head, pixelDecoder, tokenSize, latentTokens } = settings.model;
  const givesPixels = head === 'pixels' || pixelDecoder !== null;
  expectOption(givesPixels, 'single, model.head', "'pixels'", head, 'The stage `warmup` learns from a teacher.');
  const model = from ?? modelThatFits('single', (rng) => new TiTok(settings.model, rng), rng);
  const codebook = model.quantize && new CodebookTraining(model.quantize, settings, rng);
  const [mode, idle] = codebook ? (['vq', 'kl'] as const) : (['vae', 'quantizer'] as const);
  const unused = settings.weights[idle];
  expectOption(unused === 0, `single, weights.${idle}`, `0, as the model's quantizeMode is ${mode}`, unused);
  const imageLoss = new ImageLoss('single', settings, judges, model.lastLayer);

  // optimizer
  const params = codebook?.optimized(stateDict(model)) ?? stateDict(model);
  const optimizers = stageOptimizers(params, settings);
  const learningRate = learningRateOf(settings);
  const ema = averageOf(params, settings);
  const state = new TrainingState({
    models: { model, ...codebook?.models, ...imageLoss.models },
    optimizers: { ...optimizers.byName, ...imageLoss.optimizers },
    averages: { ...(ema && { model: ema }) },
    streams: { data, rng },
  });

  // loss
  /** What the decoder gets, and the terms of the loss that come with it. @param noise  of continuous tokens; 0 when undefined */
  function latentsOf(images: Tensor, done: number, noise?: Tensor) {
    if (!codebook) {
      const posterior = model.encodeContinuous(images, noise);
      return { latents: posterior.z, z: posterior.mean, terms: { posterior } };
    }
    const z = model.encodeLatents(images); // [batch, C, 1, K]
    if (!codebook.isQuantized(done)) return { latents: model.normalizeLatents(z), z, terms: {} };
    const { zQuantized, indices, ...losses } = model.quantizeLatents(z);
    return { latents: zQuantized, z, indices, terms: { quantizerLoss: codebook.lossOf(losses) } };
  }

  /** @param kept  tokens of each image that the decoder gets; all when undefined  @param done  updates before this one */
  function loss(images: Tensor, { kept, noise, done = state.done }: Draws & { readonly done?: number }) {
    const { latents, z, indices, terms } = latentsOf(images, done, noise);
    const reconstruction = model.decode(kept ? keepFirst(latents, kept) : latents);
    return { ...imageLoss.of({ images, reconstruction, ...terms }, done), reconstruction, z, indices };
  }

  const reported = (terms: ReturnType<typeof loss>) => ({
    loss: terms.loss,
    mse: terms.l2Loss,
    commitment: terms.quantizerLoss,
    ...imageLoss.reported(terms),
  });

  async function step() {
    const encode = (images: Tensor) => model.encodeLatents(images);
    await codebook?.start(state.done, () => encodeInParts(data.next().images, accumulate, encode));
    using _ = tensorScope();
    const { images } = data.next();
    const kept = tailsOf(settings.model, images, rng);
    const noise = codebook ? undefined : randn([images.shape[0], tokenSize, 1, latentTokens], rng);
    const parts = partsOf({ images, kept, noise }, accumulate);
    const { value, grads, norm, report } = await gradientsInParts(
      settings,
      params,
      parts,
      (part) => loss(part.images, part),
      reported,
    );
    const verdict = await imageLoss.judge(images, value.reconstruction, state.done);
    const lr = learningRate(state.done);
    optimizers.step(grads, { lr, scale: clipCoefficient(norm, settings.maxNorm) });
    ema?.update();
    codebook?.update(value.z, value.indices);
    const judged = imageLoss.update(verdict, report);
    state.done++;
    return { ...report, ...judged, ...psnrIn(report), ...(await latentFigures(model, value)), learningRate: lr };
  }

  const measure = (images: Tensor) => readTerms(() => reported(loss(images, { done: state.done - 1 })));

  return { model, steps: settings.steps, batchSize: settings.batchSize, state, step, measure, ...(ema && { ema }) };
}

/** The single stage. Trains TiTok from pixels. */
export const single = defineStage({
  name: 'single',
  about: 'TiTok from pixels in one stage, without a teacher; from random weights, or --from',
  settings: singleSettings,
  sized: (imageSize) => ({ model: { imageSize } }),
  imageSize: (run, { from, model }) => (from ? run.modelFrom(from).tokenizer.config : model).imageSize,
  fixed(settings) {
    const { from, model, codebook, optimizer, emaDecay } = settings;
    const { init: _, commitmentCost: __, entropyCost: ___, ...fixed } = withTokenSize(model);
    return {
      from,
      ...(from ? {} : { model: fixed }), // --from decides the sizes
      codebook,
      optimizer,
      ...fixedJudges(settings),
      'emaDecay above 0': emaDecay > 0,
    };
  },
  initial: ['model.init'],
  earlier: { optimizer: 'adamw', model: { variant: '1d' } },

  async start(run, settings, before) {
    const from = settings.from ? run.modelFrom(settings.from).tokenizer : undefined;
    const { imageSize, codebookSize, latentTokens } = from?.config ?? settings.model;
    const { train } = await run.dataset(imageSize);
    const pixels = before ? settings.model.pixels : pixelsOf(settings.model, train); // as it began, whatever init says now
    const sizes = from?.config ?? withTokenSize({ ...settings.model, pixels });
    const { variant = '1d', variableLength = false, quantizer = 'vq', entropyCost = 0.1 } = sizes;
    const model = { ...sizes, variant, variableLength, quantizer, entropyCost };
    noteTokenSize(run, model);
    const data = await run.batches(imageSize, settings.batchSize, 4);
    if (model.quantizeMode === 'vq') await noteUnusedCodes(run, imageSize, codebookSize, latentTokens);
    const judges = judgesOf(run, settings, imageSize, run.rng(5));
    const quantized = from ? { continuousSteps: 0 } : {}; // it has its codes
    const training = trainSingle({ ...settings, ...quantized, model }, data, run.rng(3), judges, from && copyOf(from));
    const madeWith = { ...(from && { 'model of --from': from }), ...judgedBy(judges) };
    return { training, stored: { model }, madeWith };
  },

  model: titokModel,
  load: loadTiTok,
  evaluate: evaluatePixels,
  picture: 'single.png',
  draw: (run, model) => drawPixels('single', run, model),
});
