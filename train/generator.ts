/** Stage 3: a generator learns to fill in masked tokens of a frozen tokenizer. */
import * as z from 'zod';
import { expectOption, noGrad, Rng, type Tensor, tensorScope } from '../core/index.ts';
import {
  createGenerator,
  dropLabels,
  type Generator,
  type GeneratorConfig,
  haltonGridOrder,
  inputSequence,
  laptopGenerators,
  maskedAccuracy,
  maskedTokenLoss,
  maskId,
  maskTokens,
  startFrom,
  totalWeight,
} from '../maskgit/index.ts';
import { clipCoefficient, Ema, loadStateDict, stateDict } from '../nn/index.ts';
import { readCodes, type TiTok } from '../titok/index.ts';
import { type Model, withGenerator } from './model.ts';
import { optimizerSettings, stageOptimizers } from './optimizers.ts';
import { gradientsInParts, partsOf, partsSettings } from './parts.ts';
import { modelThatFits } from './room.ts';
import { drawSamples, evaluateSamples } from './samples.ts';
import { savedPart } from './saved.ts';
import {
  betas,
  count,
  depth,
  fraction,
  group,
  internal,
  oneOf,
  positive,
  share,
  text,
  updates,
  weight,
} from './settings.ts';
import { defineStage, type RunContext, type SavedModel } from './stage.ts';
import { expectCodes } from './titok-stage.ts';
import { fitting, headsDivideWidth } from './together.ts';
import { TokenBatches, type TokenSource } from './token-batches.ts';
import { samplingSettings, scheduleNames, type TrainedGenerator, titokSampler } from './token-sampler.ts';
import { learningRateOf, type Training, TrainingState } from './training.ts';

const { tiny } = laptopGenerators;

/** For the tokens of some 6,500 emoji and their mirror images; figures of a whole run are in the README. */
const shape = {
  generator: group({
    architecture: oneOf(['bert', 'uvit'], tiny.architecture, 'post-norm ImageBert, or U-ViT with long skips'),
    codebookSize: internal(count(tiny.codebookSize, "the tokenizer's")),
    latentTokens: internal(count(tiny.latentTokens, "the tokenizer's")),
    classes: internal(count(tiny.classes, "the dataset's")),
    width: count(tiny.width, 'width of the transformer'),
    layers: depth(tiny.layers, 'transformer blocks'),
    heads: count(tiny.heads, 'attention heads; a divisor of the width'),
    mlpWidth: count(tiny.mlpWidth, 'width of the MLPs'),
    dropout: share(tiny.dropout, 'of hidden states'),
    attentionDropout: share(tiny.attentionDropout, 'of attention probabilities'),
    initializerRange: weight(tiny.initializerRange, 'standard deviation of the weights at the start, as published'),
  }).superRefine(fitting(headsDivideWidth)),
  tokensFile: text(
    'JSONL of \'titok tokenize --data --out\' in place of images, {"class_id": …, "tokens": […]} a line; none is mirrored',
  ),
  steps: updates(1000, 'updates'),
  batchSize: count(32, 'token rows per update'),
  ...partsSettings,
  learningRate: positive(1.5e-3, 'at the top of the cosine'),
  warmupSteps: updates(50, 'updates in which the rate rises'),
  endRate: fraction(0, 'of the learning rate, at the end'),
  ...optimizerSettings('adamw'),
  betas: betas([0.9, 0.96], "of AdamW's averages; arXiv:2406.07550"),
  weightDecay: weight(0.03, 'on matrices; arXiv:2406.07550'),
  maxNorm: positive(1, 'gradients are clipped to this norm'),
  labelSmoothing: share(0.1, 'of the cross-entropy; arXiv:2406.07550'),
  unmaskedWeight: weight(0.1, 'of tokens that the generator was shown, in the loss; arXiv:2406.07550'),
  labelDrop: fraction(0.1, 'of samples trained without their class, which guidance needs; arXiv:2406.07550'),
  emaDecay: share(0.995, 'of the averaged weights; published 0.999, for half a million steps'),
  schedule: oneOf(scheduleNames, 'arccos', 'how many tokens are masked, as published'),
  sampling: samplingSettings,
};
/** The settings of a generator of any tokens. */
export const tokenGeneratorSettings = group(shape);
export const generatorSettings = group({
  from: text(
    'a model whose generator learns other classes, in its own sizes; in the box, a file, runs/NAME, or on the hub',
  ),
  ...shape,
});
/** The full settings of stage 3. */
export type GeneratorSettings = z.output<typeof generatorSettings>;
/** Without `from`. */
export type TokenGeneratorSettings = z.output<typeof tokenGeneratorSettings>;

/** Loss and accuracy of token rows and their classes, masked in the same way every time. */
type MeasureTokens = (tokens: Int32Array, labels: Int32Array) => Promise<{ loss: number; accuracy: number }>;

/**
 * A training of stage 3, without a run: one `step()` is one update.
 *
 * @param settings  with the codebook size, tokens and classes of `data`
 * @param data      token rows and their classes
 * @param rng       for weights, masks and dropout
 * @param from      a generator of the same sizes to start from, and the names of the classes in `data`
 * @see Chang et al. 2022, arXiv:2202.04200; Yu et al. 2024, arXiv:2406.07550
 */
export function trainGenerator(
  settings: Omit<TokenGeneratorSettings, 'sampling' | 'tokensFile'>,
  data: TokenSource,
  rng: Rng,
  from?: { readonly trained: TrainedGenerator; readonly classes: readonly string[] },
): Training<Generator> & { readonly ema: Ema; measureTokens: MeasureTokens } {
  // model
  const config = settings.generator;
  const generator = modelThatFits('generator', (rng) => createGenerator(config, rng), rng);
  if (from) startFrom(generator, from.trained.generator, from.classes, from.trained.classes);
  const params = stateDict(generator);
  const ema = new Ema(params, { decay: settings.emaDecay });

  // optimizer
  const optimizers = stageOptimizers(params, settings);
  const learningRate = learningRateOf(settings);
  const state = new TrainingState({
    models: { model: generator },
    optimizers: optimizers.byName,
    averages: { model: ema },
    streams: { data, rng },
  });

  async function step() {
    using _ = tensorScope();
    const { tokens, labels } = data.next();
    const draws = { t: rng.uniforms(labels.length), order: rng.uniforms(tokens.length) };
    const masked = maskTokens(tokens, draws, maskId(config), settings.schedule);
    const shown = dropLabels(config, labels, rng.uniforms(labels.length), settings.labelDrop);
    const sequence = inputSequence(config, masked.tokens, shown);
    const total = totalWeight(masked.masks, settings);
    const parts = partsOf({ sequence, tokens, masks: masked.masks }, settings.accumulate);
    const { value, grads, norm, report } = await gradientsInParts(
      settings,
      params,
      parts.map((part) => ({ ...part, share: totalWeight(part.masks, settings) / total })),
      ({ sequence, tokens, masks }) => {
        const logits = generator.forward(sequence, { rng }); // dropout on
        return { loss: maskedTokenLoss(logits, tokens, masks, settings), logits };
      },
      ({ loss }) => ({ loss }),
      rng,
    );
    const lr = learningRate(state.done);
    optimizers.step(grads, { lr, scale: clipCoefficient(norm, settings.maxNorm) });
    ema.update();
    state.done++;
    const accuracy = await maskedAccuracy(value.logits, tokens, masked.masks);
    return { ...report, accuracy, learningRate: lr };
  }

  async function measureTokens(tokens: Int32Array, labels: Int32Array) {
    using _ = tensorScope();
    const rng = new Rng(0);
    const draws = { t: rng.uniforms(labels.length), order: rng.uniforms(tokens.length) };
    const masked = maskTokens(tokens, draws, maskId(config), settings.schedule);
    const logits = noGrad(() => generator.forward(inputSequence(config, masked.tokens, labels)));
    const loss = await maskedTokenLoss(logits, tokens, masked.masks, settings).item();
    return { loss, accuracy: await maskedAccuracy(logits, tokens, masked.masks) };
  }

  return { model: generator, ema, steps: settings.steps, batchSize: settings.batchSize, state, step, measureTokens };
}

const generatorModel = z
  .object({ generator: shape.generator, classes: z.array(z.string()), sampling: samplingSettings })
  .refine(({ generator, classes }) => generator.classes === classes.length, {
    path: ['classes'],
    error: 'as many classes as generator.classes says',
  });

/** What stages have in common that train a generator of tokens. */
export const tokenGeneratorModel = {
  model: generatorModel,

  /** The generator with its averaged weights. */
  load({ settings, groups, source }: SavedModel): TrainedGenerator {
    const saved = savedPart(generatorModel, settings, source, 'settings');
    const generator = createGenerator(saved.generator, new Rng(0));
    loadStateDict(generator, groups['ema.model'] ?? {}, { source });
    return { ...saved, generator };
  },
};

/** The tokens that a generator learns: how many an image has, how many there are, and how to find them. */
interface Tokens {
  /** What makes them. */
  readonly model: object;
  readonly imageSize: number;
  readonly latentTokens: number;
  readonly codebookSize: number;
  /** images [batch, 3, size, size] → ids [batch, K] */
  indices(images: Tensor): Tensor;
}

/**
 * Encodes the run's images, or reads a file of tokens, and builds the training of a generator on them.
 *
 * @param earlier  a model whose generator goes on
 */
export async function startOnTokens(
  run: RunContext,
  tokens: Tokens,
  { sampling, tokensFile, ...settings }: TokenGeneratorSettings,
  earlier?: TrainedGenerator,
) {
  const { latentTokens, codebookSize } = tokens;
  if (sampling.order === 'halton-2d') haltonGridOrder(latentTokens); // an error now rather than after the training
  const { batchSize, steps } = settings;
  if (sampling.steps > latentTokens) {
    run.notify(
      `sampling.steps ${sampling.steps}: an image has ${latentTokens} tokens, and every round fills in at least one.`,
    );
  }
  const most = steps * batchSize;
  const { data, classes, hasImages } = await (tokensFile === ''
    ? ofImages(run, tokens, batchSize, most)
    : ofFile(run, tokensFile, tokens, batchSize, most));
  const config = {
    ...settings.generator,
    ...(earlier && sizesOf(earlier.generator.config)),
    latentTokens,
    codebookSize,
    classes: classes.length,
  };
  const { indices } = tokens;
  const { model, measureTokens, ...training } = trainGenerator(
    { ...settings, generator: config },
    data,
    run.rng(4),
    earlier && { trained: earlier, classes },
  );
  const measure = async (images: Tensor, labels: Tensor) => {
    using _ = tensorScope();
    const ids = noGrad(() => indices(images));
    return measureTokens(Int32Array.from(await ids.data()), Int32Array.from(await labels.data()));
  };
  return {
    training: { ...training, ...(hasImages && { measure }), model: { generator: model, classes, sampling } },
    stored: { generator: config, classes: [...classes] },
  };
}

/** Token rows, the names of their classes, and whether there are images to measure with. */
interface TokenData {
  readonly data: TokenBatches;
  readonly classes: readonly string[];
  readonly hasImages: boolean;
}

/** The run's images, encoded. @param most  rows that will be drawn in all */
async function ofImages(
  run: RunContext,
  { imageSize, indices }: Tokens,
  batchSize: number,
  most: number,
): Promise<TokenData> {
  const dataset = await run.dataset(imageSize);
  const data = await TokenBatches.encode(indices, dataset, batchSize, run.seed + 5, most, run.notify);
  return { data, classes: dataset.classes, hasImages: true };
}

/** As `ofImages`, from a file. Images that the run is given beside it are measured with, so they need its classes. */
async function ofFile(
  run: RunContext,
  path: string,
  tokens: Tokens,
  batchSize: number,
  most: number,
): Promise<TokenData> {
  const { classes, ...rows } = await run.tokensFrom(path, tokens);
  const data = TokenBatches.of(rows, batchSize, run.seed + 5, most, run.notify);
  if (!run.hasImages) return { data, classes, hasImages: false };
  const { classes: own } = await run.dataset(tokens.imageSize);
  expectOption(
    classes.length === own.length && classes.every((name, i) => name === own[i] || name === String(i)),
    'images to measure with (--data)',
    `the ${classes.length} classes of ${path}, ${classes.slice(0, 8).join(', ')}`,
    own.slice(0, 8).join(', '),
    'Give the images that the tokens were made from, or none.',
  );
  return { data, classes, hasImages: true };
}

/** The sizes of a generator that another one goes on from. */
const sizesOf = ({ architecture, width, layers, heads, mlpWidth }: GeneratorConfig) => ({
  architecture,
  width,
  layers,
  heads,
  mlpWidth,
});

/** What a generator has learned is about the codes of its tokenizer. @throws OptionError when the run has other sizes */
async function compareCodes(run: RunContext, own: TiTok, { tokenizer, metadata }: Model): Promise<void> {
  for (const size of ['latentTokens', 'codebookSize'] as const) {
    const expected = `a model of the tokenizer's ${size} ${own.config[size]}`;
    expectOption(
      tokenizer.config[size] === own.config[size],
      'generator settings, from',
      expected,
      tokenizer.config[size],
    );
  }
  const [now, before] = [await readCodes(own), await readCodes(tokenizer)];
  if (now.length === before.length && Array.from(now).every((value, i) => value === before[i])) return;
  run.notify(`from: the codes of ${metadata.name} are not the run's, so its generator knows less than it could.`);
}

const samplerOf = (run: RunContext, model: TrainedGenerator) => titokSampler(model, run.pixelTokenizer());

/** Stage 3. Trains MaskGIT on the tokens of the run's tokenizer. */
export const generator = defineStage({
  name: 'generator',
  about: "stage 3: MaskGIT on TiTok's tokens (needs finetune or single, or --from)",
  settings: generatorSettings,
  imageSize: (run, { from }) => run.pixelTokenizer(from).config.imageSize,
  fixed({ from, generator: { architecture, width, layers, heads, mlpWidth }, optimizer }) {
    const sizes = { architecture, width, layers, heads, mlpWidth };
    return { from, ...(from ? {} : { generator: sizes }), optimizer }; // --from decides the sizes
  },
  initial: ['generator.initializerRange'],

  async start(run, { from, ...settings }) {
    const tokenizer = run.pixelTokenizer(from);
    expectCodes('generator', tokenizer.config);
    const earlier = from ? withGenerator(run.modelFrom(from)) : undefined;
    if (earlier) await compareCodes(run, tokenizer, earlier);
    const tokens = {
      ...tokenizer.config,
      model: tokenizer,
      indices: (images: Tensor) => tokenizer.encode(images).indices,
    };
    const madeWith = { tokenizer, ...(earlier && { 'model of --from': earlier.generator }) };
    return { ...(await startOnTokens(run, tokens, settings, earlier)), madeWith };
  },

  ...tokenGeneratorModel,
  sampler: samplerOf,
  evaluate: (run, model) => evaluateSamples(run, 'generator', samplerOf(run, model)),
  picture: 'samples.png',
  draw: (run, model) => drawSamples(run, 'samples.png', samplerOf(run, model)),
});
