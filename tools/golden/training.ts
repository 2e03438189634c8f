/** adamw, train_stage1, train_maskgit: optimizer steps and the weights after them. */
import { grad, type Tensor, type TensorData, tensorScope } from '../../core/index.ts';
import { dropLabels, inputSequence, maskedAccuracy, maskId, maskTokens } from '../../maskgit/index.ts';
import {
  AdamW,
  clipCoefficient,
  cosineSchedule,
  Ema,
  globalNorm,
  parameter,
  type StateDict,
  stateDict,
} from '../../nn/index.ts';
import type { CheckOptions, Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';
import { generatorOf, lossOf } from './maskgit.ts';
import { owned } from './owned.ts';
import { tokenizerLoss, tokenizerOf } from './titok.ts';

interface Hyper {
  readonly lr: number;
  readonly b1: number;
  readonly b2: number;
  readonly wd: number;
  readonly warm: number;
  readonly max: number;
  readonly end: number;
}

/** Optimizer and schedule of a file's hyper-parameters. */
function optimizerOf(
  file: GoldenFile,
  params: StateDict,
): { optimizer: AdamW; learningRate: (step: number) => number } {
  const { lr, b1, b2, wd, warm, max, end } = file.metadata<Hyper>('hyper');
  return {
    optimizer: new AdamW({ params, betas: [b1, b2], eps: 1e-8, weightDecay: wd }),
    learningRate: cosineSchedule({ lr, warmupSteps: warm, totalSteps: max, endLr: end }),
  };
}

/** How many steps a file has: keys 'step0/…', 'step1/…'. */
const stepsOf = (file: GoldenFile): number =>
  1 + Math.max(...file.keys.flatMap((key) => Number(key.match(/^step(\d+)\//)?.[1] ?? -1)));

export async function adamw(file: GoldenFile, check: Comparison): Promise<void> {
  check.inputs(/^step\d+\/grad\//);
  const params: StateDict = Object.fromEntries(
    file.below('init/').map((name) => [name, parameter(() => file.tensor(`init/${name}`))]),
  );
  const { optimizer, learningRate } = optimizerOf(file, params);
  using _owned = owned(params, optimizer);
  for (let step = 0; step < stepsOf(file); step++) {
    using _ = tensorScope();
    const prefix = `step${step}/`;
    const grads = Object.fromEntries(Object.keys(params).map((name) => [name, file.tensor(`${prefix}grad/${name}`)]));
    const norm = globalNorm(Object.values(grads));
    optimizer.step(grads, { lr: learningRate(step), scale: clipCoefficient(norm, 1) });
    await check.check(`${prefix}grad_norm_before_clip`, norm);
    await check.check(`${prefix}lr`, learningRate(step));
    await check.checkAll(`${prefix}param/`, params);
    await check.checkAll(`${prefix}exp_avg/`, optimizer.exp_avg);
    await check.checkAll(`${prefix}exp_avg_sq/`, optimizer.exp_avg_sq);
  }
}

export async function trainStage1(file: GoldenFile, check: Comparison): Promise<void> {
  check.inputs(/^step\d+\/(image|proxy_codes)$/);
  const model = tokenizerOf(file, 'init/');
  await train(file, check, model, async (prefix) => {
    const result = model.forward(file.tensor(`${prefix}image`));
    const { loss, reconstructionLoss } = tokenizerLoss(
      file,
      result.output,
      file.tensor(`${prefix}proxy_codes`),
      result.quantizerLoss,
    );
    await check.check(`${prefix}indices`, result.indices);
    await check.check(`${prefix}total_loss`, loss);
    await check.check(`${prefix}reconstruction_loss`, reconstructionLoss);
    await check.check(`${prefix}quantizer_loss`, result.quantizerLoss);
    await check.check(`${prefix}commitment_loss`, result.commitmentLoss);
    await check.check(`${prefix}codebook_loss`, result.codebookLoss);
    return loss;
  });
}

export async function trainMaskgit(file: GoldenFile, check: Comparison): Promise<void> {
  check.inputs(/^step\d+\/(tokens|condition|uniform_t|rand_perm_source|drop_rand)$|position_ids$/);
  const model = generatorOf(file, 'init/');
  const { config } = model;
  const dropProbability = Number(file.text('cond_drop_prob'));
  await train(file, check, model, async (prefix) => {
    const tokens = file.values(`${prefix}tokens`);
    const draws = { t: file.values(`${prefix}uniform_t`), order: file.values(`${prefix}rand_perm_source`) };
    const masked = maskTokens(tokens, draws, maskId(config));
    const labels = file.values(`${prefix}condition`);
    const kept = dropLabels(config, labels, file.values(`${prefix}drop_rand`), dropProbability);
    const logits = model.forward(inputSequence(config, masked.tokens, kept));
    const loss = lossOf(file, logits, tokens, masked.masks);
    await check.check(`${prefix}masks`, masked.masks);
    await check.check(`${prefix}loss`, loss);
    await check.check(`${prefix}correct_tokens`, await maskedAccuracy(logits, tokens, masked.masks));
    return loss;
  });
}

/**
 * Runs the file's steps and compares the weights after the last one. `lossAt` computes the loss of the step with a key
 * prefix.
 */
async function train(
  file: GoldenFile,
  check: Comparison,
  model: object,
  lossAt: (prefix: string) => Promise<Tensor>,
): Promise<void> {
  const params = stateDict(model);
  const { optimizer, learningRate } = optimizerOf(file, params);
  const ema = new Ema(params);
  using _owned = owned(model, optimizer, ema.shadow);
  const noise = new RoundingNoise();
  for (let step = 0; step < stepsOf(file); step++) {
    using _ = tensorScope();
    const prefix = `step${step}/`;
    const grads = grad(await lossAt(prefix), params);
    const rate = learningRate(step);
    await noise.observe(grads, rate);
    const norm = globalNorm(Object.values(grads));
    optimizer.step(grads, { lr: rate, scale: clipCoefficient(norm, 1) });
    ema.update();
    await check.check(`${prefix}grad_norm_before_clip`, norm);
    await check.check(`${prefix}lr`, rate);
  }
  for (const [name, p] of Object.entries(params)) await check.check(`final/${name}`, p, noise.optionsFor(name));
  for (const [name, p] of Object.entries(ema.shadow)) await check.check(`ema/${name}`, p, noise.optionsFor(name));
}

/**
 * Tells which weights only follow rounding errors. Some gradients are zero in exact arithmetic: softmax cancels the
 * bias of attention's keys. Rounding leaves some 1e-9 there. Adam divides a gradient by its own size and so takes steps
 * of up to the learning rate in a random direction. Such weights may differ by the sum of the learning rates.
 */
class RoundingNoise {
  /** The largest gradient of each value in any step, relative to the model's largest. */
  readonly #relative: Record<string, Float64Array> = {};
  #traveled = 0;

  async observe(grads: Readonly<Record<string, Tensor>>, learningRate: number): Promise<void> {
    this.#traveled += learningRate;
    const values: [name: string, g: TensorData][] = [];
    for (const [name, g] of Object.entries(grads)) values.push([name, await g.data()]);
    let largest = 0;
    for (const [, g] of values) for (const v of g) largest = Math.max(largest, Math.abs(v));
    for (const [name, g] of values) {
      this.#relative[name] ??= new Float64Array(g.length);
      const relative = this.#relative[name];
      g.forEach((v, i) => {
        relative[i] = Math.max(relative[i], Math.abs(v) / largest);
      });
    }
  }

  optionsFor(name: string): CheckOptions {
    return { slack: this.#relative[name]?.map((size) => (size > 0 && size < NOISE ? this.#traveled : 0)) };
  }
}

/** Rounding error of float32 sums of gradients, relative to the largest gradient in the model. */
const NOISE = 1e-6;
