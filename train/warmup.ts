/** Stage 1, "warm-up": TiTok learns to predict the teacher's codes (proxy codes) from its own few tokens. */
import type * as z from 'zod';
import { expectOption, type Rng, type Tensor, tensorScope } from '../core/index.ts';
import { clipCoefficient, mse, stateDict } from '../nn/index.ts';
import {
  decodeArgmax,
  decodeSoft,
  keepFirst,
  laptopWarmup,
  patchSizeOf,
  presets,
  proxyCrossEntropy,
  type Teacher,
  TiTok,
  warmupLoss,
  withTokenSize,
} from '../titok/index.ts';
import { CodebookTraining, noteTokenSize, noteUnusedCodes } from './codebook.ts';
import { type CodedSource, codedBatches } from './coded-batches.ts';
import { latentFigures } from './diagnostics.ts';
import { readTerms } from './held-out.ts';
import { titokSettings } from './model-settings.ts';
import { averageOf, averageSetting, optimizerSettings, stageOptimizers } from './optimizers.ts';
import { encodeInParts, gradientsInParts, partsOf, partsSettings } from './parts.ts';
import { modelThatFits } from './room.ts';
import { betas, count, fraction, group, oneOf, positive, updates, weight } from './settings.ts';
import { defineStage } from './stage.ts';
import { teacher as teacherStage } from './teacher.ts';
import { loadTiTok, pixelsOf, tailsOf, titokModel } from './titok-stage.ts';
import { fitting, someQuantized } from './together.ts';
import { learningRateOf, type Training, TrainingState } from './training.ts';

/** Measured at 32 pixels on two cores: cross-entropy 2.05 and 2.08, 17.9 and 17.7 dB (soft), all codes in use (seeds 0 and 1). */
export const warmupSettings = group({
  model: titokSettings(presets.tiny, 'proxy'),
  steps: updates(2000, 'updates'),
  scheduleSteps: updates(0, 'length of the cosine, where a run is cut short on purpose; 0: as many as steps'),
  batchSize: count(16, 'images per update'),
  ...partsSettings,
  learningRate: positive(2e-3, 'at the top of the cosine'),
  warmupSteps: updates(50, 'updates in which the rate rises'),
  endRate: fraction(0, 'of the learning rate, at the end'),
  ...optimizerSettings('muon'),
  betas: betas([0.9, 0.99], "of AdamW's averages; arXiv:2406.07550, stage 1"),
  weightDecay: weight(1e-4, 'on matrices; arXiv:2406.07550'),
  maxNorm: positive(1, 'gradients are clipped to this norm'),
  emaDecay: averageSetting,
  weights: group({
    quantizer: weight(laptopWarmup.quantizer, "of the quantizer's loss, as published"),
    embedding: weight(
      laptopWarmup.embedding,
      'of the embedding loss: cross-entropy 3.72 instead of 3.98 at equal time',
    ),
  }),
  codebook: oneOf(['average', 'gradient'], 'average', 'averages keep all codes of vq and rotation in use'),
  continuousSteps: updates(150, 'updates without quantization: latents first have to differ from picture to picture'),
}).superRefine(fitting(someQuantized));
/** The full settings of stage 1. */
export type WarmupSettings = z.output<typeof warmupSettings>;

/**
 * A training of stage 1, without a run: one `step()` is one update.
 *
 * @param settings  from `parseSettings(warmup.settings, { … }, where)`
 * @param teacher   frozen; its codes are the target
 * @param data      batches of images [batch, 3, size, size] in 0..1, with or without the teacher's codes
 * @param rng       for weights and the codebook
 * @throws OptionError when the model does not fit the teacher
 * @see Yu et al. 2024, arXiv:2406.07550, section 3.3
 */
export function trainWarmup(settings: WarmupSettings, teacher: Teacher, data: CodedSource, rng: Rng): Training<TiTok> {
  // model
  const { accumulate } = settings;
  const { head, quantizeMode, proxyCodebookSize } = settings.model;
  const codes = teacher.codebook.shape[0];
  expectOption(head === 'proxy', 'warmup, model.head', "'proxy'", head, 'The stage `single` learns from pixels.');
  expectOption(quantizeMode === 'vq', 'warmup, model.quantizeMode', "'vq'", quantizeMode);
  expectOption(
    proxyCodebookSize === codes,
    'warmup, model.proxyCodebookSize',
    `the teacher's ${codes}`,
    proxyCodebookSize,
  );
  const make = (rng: Rng) => new TiTok({ ...settings.model, pixelDecoder: null }, rng);
  const model = modelThatFits('warmup', make, rng);
  const codebook = new CodebookTraining(model.quantize!, settings, rng);

  // optimizer
  const params = codebook.optimized(stateDict(model));
  const optimizers = stageOptimizers(params, settings);
  const learningRate = learningRateOf(settings);
  const ema = averageOf(params, settings);
  const state = new TrainingState({
    models: { model, ...codebook.models },
    optimizers: optimizers.byName,
    averages: { ...(ema && { model: ema }) },
    streams: { data, rng },
  });

  // loss
  /** @param kept  tokens of each image that the decoder gets; all when undefined  @param done  updates before this one */
  function loss(images: Tensor, codes: Tensor, kept?: Int32Array, done = state.done) {
    const z = model.encodeLatents(images); // [batch, C, 1, K]
    const quantized = codebook.isQuantized(done) ? model.quantizeLatents(z) : undefined;
    const latents = quantized?.zQuantized ?? model.normalizeLatents(z);
    const logits = model.decode(kept ? keepFirst(latents, kept) : latents); // [batch, V, G, G]
    const quantizerLoss = quantized && codebook.lossOf(quantized);
    const terms = warmupLoss({ logits, codes, quantizerLoss, codebook: teacher.codebook }, settings.weights);
    return { ...terms, z, logits, indices: quantized?.indices };
  }

  const reported = (terms: ReturnType<typeof loss>) => ({
    loss: terms.loss,
    crossEntropy: terms.reconstructionLoss,
    embedding: terms.embeddingLoss,
    commitment: terms.quantizerLoss,
  });

  async function step() {
    const encode = (images: Tensor) => model.encodeLatents(images);
    await codebook.start(state.done, () => encodeInParts(data.next().images, accumulate, encode));
    using _ = tensorScope();
    const { images, codes = encodeInParts(images, accumulate, (x) => teacher.encode(x).indices) } = data.next(); // [batch, …], [batch, G²]
    const kept = tailsOf(settings.model, images, rng);
    const parts = partsOf({ images, codes, kept }, accumulate);
    const { value, grads, norm, report } = await gradientsInParts(
      settings,
      params,
      parts,
      (part) => loss(part.images, part.codes, part.kept),
      reported,
    );
    const lr = learningRate(state.done);
    optimizers.step(grads, { lr, scale: clipCoefficient(norm, settings.maxNorm) });
    ema?.update();
    codebook.update(value.z, value.indices);
    state.done++;
    return { ...report, ...(await latentFigures(model, value)), learningRate: lr };
  }

  const measure = (images: Tensor) =>
    readTerms(() => {
      const terms = loss(images, teacher.encode(images).indices, undefined, state.done - 1);
      return { ...reported(terms), mse: mse(images, decodeSoft(teacher, terms.logits)) };
    });

  return { model, steps: settings.steps, batchSize: settings.batchSize, state, step, measure, ...(ema && { ema }) };
}

/** Stage 1. TiTok learns to predict the codes of the run's teacher. */
export const warmup = defineStage({
  name: 'warmup',
  about: "stage 1: TiTok on the teacher's codes (needs the run's teacher)",
  settings: warmupSettings,
  sized: (imageSize) => ({ model: { imageSize } }),
  fixed({ model, codebook, optimizer, emaDecay }) {
    const {
      variant,
      imageSize,
      latentTokens,
      codebookSize,
      tokenSize,
      variableLength,
      encoder,
      decoder,
      quantizer,
      l2Norm,
      legacy,
    } = withTokenSize(model);
    const { patchSize: _, ...half } = decoder; // the teacher's
    return {
      model: {
        variant,
        imageSize,
        latentTokens,
        codebookSize,
        tokenSize,
        variableLength,
        encoder,
        decoder: half,
        quantizer,
        l2Norm,
        legacy,
      },
      codebook,
      optimizer,
      'emaDecay above 0': emaDecay > 0,
    };
  },
  initial: ['model.init'],
  earlier: { optimizer: 'adamw', model: { variant: '1d' } },

  imageSize(run, { model: { imageSize } }) {
    const { config } = run.model(teacherStage);
    const trainedAt = run.imageSize ?? imageSize;
    const where = 'warmup settings, model.imageSize';
    expectOption(imageSize === trainedAt, where, `${trainedAt}, as the run's teacher has`, imageSize);
    const patch = patchSizeOf(config);
    expectOption(imageSize % patch === 0, where, `a multiple of the teacher's patches of ${patch} pixels`, imageSize);
    return imageSize;
  },

  async start(run, settings, before) {
    const teacher = run.model(teacherStage);
    const { config } = teacher; // the decoder predicts this teacher's codes: one output for each of its patches
    const decoder = { ...settings.model.decoder, patchSize: patchSizeOf(config) };
    const { batchSize, steps } = settings;
    const { imageSize, codebookSize, latentTokens } = settings.model;
    const dataset = await run.dataset(imageSize);
    const pixels = before ? settings.model.pixels : pixelsOf(settings.model, dataset.train); // as it began, whatever init says now
    const model = withTokenSize({ ...settings.model, pixels, decoder, proxyCodebookSize: config.codebookSize });
    noteTokenSize(run, model);
    await noteUnusedCodes(run, imageSize, codebookSize, latentTokens);
    const data = codedBatches(await run.batches(imageSize, batchSize, 2), dataset, teacher);
    const training = trainWarmup({ ...settings, model }, teacher, data, run.rng(1));
    const prepare = () => data.prepare(steps * batchSize, run.notify);
    return { training: { ...training, prepare }, stored: { model }, madeWith: { teacher } };
  },

  model: titokModel,
  load: loadTiTok,

  async evaluate(run, model) {
    const teacher = run.model(teacherStage);
    const { codebookSize } = model.config;
    const { fd: fdSoft, ...soft } = await run.evaluateReconstruction(codebookSize, (images) => {
      const { output, indices } = model.forward(images);
      const terms = { loss: proxyCrossEntropy(output, teacher.encode(images).indices) };
      return { reconstruction: decodeSoft(teacher, output), codes: indices, terms };
    });
    const argmax = await run.evaluateReconstruction(codebookSize, (images) => {
      const { output, indices } = model.forward(images);
      return { reconstruction: decodeArgmax(teacher, output), codes: indices };
    });
    return { ...soft, psnrArgmax: argmax.psnr, fdSoft, fd: argmax.fd };
  },

  picture: 'warmup.png',
  async draw(run, model) {
    const teacher = run.model(teacherStage);
    await run.drawReconstructions('warmup.png', {
      warmup: (images) => decodeSoft(teacher, model.forward(images).output),
    });
  },
});
