/** Sampling: all tokens start masked; each step predicts them, keeps some of them, and masks the rest again. */
import {
  div,
  expectKnown,
  expectOption,
  expectRng,
  firstNonFiniteIndex,
  noGrad,
  type Rng,
  type Tensor,
  type TensorData,
  tidy,
} from '../core/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import { type GeneratorConfig, maskId, nullLabel } from './config.ts';
import { expectFilter, keepLikeliest } from './filter.ts';
import type { Generator } from './generator.ts';
import { guidanceAt, guidances, guide, isUnguided } from './guidance.ts';
import { GumbelNoise } from './gumbel.ts';
import { maskingSchedules, stillMasked } from './masking.ts';
import { samplingOrders, visitRanks } from './order.ts';
import { predictedPositions, predictedStates } from './plan.ts';
import { noiseTemperature, type SamplingOptions, samplingDefaults, softmaxTemperature } from './sampling-options.ts';

/** Uniform random numbers of [0, 1). Recorded ones replay a run. */
export interface SamplingDraws {
  /** For choosing tokens: `count` of the step's batch·K·V numbers, from the one at `start` on. Asked for in order. */
  tokens(step: number, count: number, start: number): ArrayLike<number>;
  /** For choosing which tokens to keep: batch·K numbers. */
  confidence(step: number, count: number): ArrayLike<number>;
}

/** Fresh random numbers. */
export function drawsFrom(rng: Rng): SamplingDraws {
  expectRng('drawsFrom', rng);
  return {
    tokens: (_step, count) => rng.uniforms(count),
    confidence: (_step, count) => rng.uniforms(count),
  };
}

/** What to start from, and how much to compute at once. */
export interface SamplingWork {
  /**
   * batch·K ids in 0..V; V, the mask, where a token is to be sampled. All others are kept (inpainting). The schedule counts
   * down from what is masked, row by row. Default: every token is masked.
   */
  readonly start?: ArrayLike<number>;
  /** Rows that a step predicts at once, at most; samples do not depend on it. Default: as many as fit into some 1 GiB. */
  readonly rowsAtOnce?: number;
  /** Called after each prediction, with the rows predicted so far in all steps, and those of all steps together. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The tokens that enter a step, and what the step before predicted. After the last step, `step` is the number of steps and
 * `ids` the result.
 */
export interface SamplingState {
  readonly step: number;
  /** batch·K, the mask id where masked */
  readonly ids: Int32Array;
  /** batch·K: the token that the step before drew at each position, also where it was masked again. At step 0 the `ids`. */
  readonly guesses: Int32Array;
  /**
   * batch·K, in 0..1: the probability of each guess, the softmax of the logits that it was drawn from (guided and
   * annealed, without noise). 1 for tokens that were known and not predicted; 0 for masks at step 0.
   */
  readonly confidence: Float32Array;
  /** batch·K: 1 where `ids` holds a token, 0 where it holds the mask. */
  readonly kept: Uint8Array;
}

/**
 * Samples one row of tokens per label; with `work.start`, only the masked tokens of the rows given there.
 *
 * @param labels  classes in 0..C, where C is no class
 * @returns       batch·K ids in 0..V−1
 * @throws OptionError for an option that is unknown or out of range, when K does not fit the order, or when `start` has another
 *   length than batch·K; RangeError when a label or an id of `start` is out of range; NonFiniteError when a logit is NaN or
 *   infinite, as damaged weights make it
 * @see Chang et al. 2022, arXiv:2202.04200, section 3.2
 */
export async function sample(
  generator: Generator,
  labels: ArrayLike<number>,
  options: SamplingOptions,
  draws: SamplingDraws,
  work?: SamplingWork,
): Promise<Int32Array> {
  let result: Int32Array = new Int32Array();
  for await (const { ids } of statesOf(generator, labels, options, draws, work, false)) result = ids;
  return result;
}

/** As `sample`, but yields the state before every step and after the last, to animate or to test. */
export function samplingSteps(
  generator: Generator,
  labels: ArrayLike<number>,
  options: SamplingOptions,
  draws: SamplingDraws,
  work?: SamplingWork,
): AsyncGenerator<SamplingState, void, undefined> {
  return statesOf(generator, labels, options, draws, work, true);
}

/** @param withConfidence  false leaves `confidence` at 0: an exponential per logit, which `sample` saves */
async function* statesOf(
  generator: Generator,
  labels: ArrayLike<number>,
  options: SamplingOptions,
  draws: SamplingDraws,
  work: SamplingWork = {},
  withConfidence: boolean,
): AsyncGenerator<SamplingState, void, undefined> {
  expectKnown('sample', options, Object.keys(samplingDefaults));
  expectKnown('sample, work', work, ['start', 'rowsAtOnce', 'onProgress']);
  const { start, rowsAtOnce = rowsThatFit(generator.config), onProgress } = work;
  const settings = { ...samplingDefaults, ...options };
  const { steps, order, topK, topP } = settings;
  checkSampling(settings);
  expectOption(
    Number.isInteger(rowsAtOnce) && rowsAtOnce > 0,
    'sample rowsAtOnce',
    'a whole number above 0',
    rowsAtOnce,
  );
  expectOption(typeof draws?.tokens === 'function', 'sample', 'draws', draws, 'Pass drawsFrom(new Rng(0)).');
  const parts = Math.ceil(labels.length / rowsAtOnce);
  const rows = Math.ceil(labels.length / parts); // parts of about one size: small products are computed in other ways
  const { latentTokens: K, codebookSize: V } = generator.config;
  const mask = maskId(generator.config);
  const ranks = visitRanks(order, K);
  let ids = start ? startIds(start, labels.length, generator.config) : new Int32Array(labels.length * K).fill(mask);
  let guesses = ids;
  let confidence = Float32Array.from(ids, (id) => (id === mask ? 0 : 1));
  const isKept = (): Uint8Array => Uint8Array.from(ids, (id) => (id === mask ? 0 : 1));
  const maskedIn = (row: number): number => ids.subarray(row * K, (row + 1) * K).filter((id) => id === mask).length;
  const toSample = Array.from({ length: labels.length }, (_, row) => maskedIn(row));
  for (let step = 0; step < steps; step++) {
    yield { step, ids, guesses, confidence, kept: isKept() };
    const temperature = settings.randomizeTemperature * noiseTemperature(step, steps);
    const drawn = Int32Array.from(ids);
    const certainty = new Float64Array(ids.length).fill(Infinity);
    confidence = new Float32Array(ids.length).fill(1);
    for (let row = 0; row < labels.length; row += rows) {
      // 1. Predict the masked tokens.
      const own = ids.subarray(row * K, (row + rows) * K);
      const ownLabels = Array.from(labels).slice(row, row + rows);
      const positions = own.includes(mask) ? predictedPositions(generator, own) : new Int32Array();
      const logits =
        positions.length > 0
          ? await logitsAt(generator, own, ownLabels, positions, step, settings)
          : new Float32Array();

      // 2. Draw each of them; its logit, not a probability, says how certain it is, or its place in the order. Tokens that are
      // known are certain.
      const tokenNoise = new GumbelNoise(temperature, () => draws.tokens(step, own.length * V, row * K * V));
      for (const [n, i] of positions.entries()) {
        if (own[i] !== mask) continue;
        const scores = keepLikeliest(logits.subarray(n * V, (n + 1) * V), topK, topP);
        const at = row * K + i;
        drawn[at] = tokenNoise.argmax(scores, i * V);
        certainty[at] = ranks ? -ranks[i % K] : scores[drawn[at]];
        if (withConfidence) confidence[at] = probabilityOf(drawn[at], scores);
      }
      onProgress?.(step * labels.length + row + ownLabels.length, steps * labels.length);
    }
    const keepNoise = new GumbelNoise(ranks ? 0 : temperature, () => draws.confidence(step, ids.length));
    for (let i = 0; i < ids.length; i++) certainty[i] += keepNoise.at(i);
    guesses = drawn.slice();

    // 3. Ask the schedule how many tokens of a row stay masked, 4. and mask the least certain again.
    for (const [row, length] of toSample.entries()) {
      if (length === 0) continue;
      const masked = maskedIn(start ? row : 0); // the published code counts those of the first row, for all
      const count = stillMasked(length, step, steps, masked, settings.schedule);
      if (count > 0) maskLeastCertain(drawn, certainty, row * K, (row + 1) * K, count, mask);
    }
    ids = drawn;
  }
  yield { step: steps, ids, guesses, confidence, kept: isKept() };
}

/** @throws OptionError for a name that is unknown or a number out of range */
function checkSampling(settings: Required<SamplingOptions>): void {
  const { steps, order, topK, topP, guidance, schedule } = settings;
  const oneOf = (what: string, names: readonly string[], got: string) =>
    expectOption(names.includes(got), `sample ${what}`, `one of ${names.join(', ')}`, got);
  expectOption(Number.isInteger(steps) && steps > 0, 'sample steps', 'a whole number above 0', steps);
  oneOf('order', samplingOrders, order);
  oneOf('guidance', guidances, guidance);
  oneOf('schedule', Object.keys(maskingSchedules), schedule);
  expectFilter('sample', topK, topP);
  expectOption(
    Number.isFinite(settings.guidanceScale),
    'sample guidanceScale',
    'a finite number',
    settings.guidanceScale,
  );
  for (const name of ['guidancePower', 'randomizeTemperature'] as const) {
    const value = settings[name];
    expectOption(Number.isFinite(value) && value >= 0, `sample ${name}`, 'a finite number ≥ 0', value);
  }
}

/** @throws OptionError unless there are K ids for each label, RangeError unless all are in 0..V */
function startIds(start: ArrayLike<number>, batch: number, config: GeneratorConfig): Int32Array<ArrayBuffer> {
  const { latentTokens: K } = config;
  const mask = maskId(config);
  expectOption(
    start.length === batch * K,
    'sample start',
    `${batch} × ${K} ids, K for each label`,
    `${start.length} ids`,
  );
  for (const id of Array.from(start)) {
    if (Number.isInteger(id) && id >= 0 && id <= mask) continue;
    throw new RangeError(`sample start: expected ids in 0..${mask - 1}, or ${mask} for the mask, got ${id}.`);
  }
  return Int32Array.from(start);
}

/** softmax(logits) at `id`: 1 / Σ_v e^(logit_v − logit_id) */
function probabilityOf(id: number, logits: ArrayLike<number>): number {
  let sum = 0;
  for (let v = 0; v < logits.length; v++) sum += Math.exp(logits[v] - logits[id]);
  return 1 / sum;
}

/** @throws NonFiniteError for NaN or infinity, as damaged weights give them */
function expectFinite(logits: ArrayLike<number>, step: number): void {
  const bad = firstNonFiniteIndex(logits);
  if (bad < 0) return;
  throw new NonFiniteError(
    `sample, step ${step}: expected finite logits, got ${logits[bad]}. Are the generator's weights damaged?`,
  );
}

/** Rows whose activations in all layers, with and without their class, and logits take some 1 GiB: 480 of preset tiny. */
export function rowsThatFit({
  latentTokens: K,
  codebookSize: V,
  width,
  layers,
  mlpWidth,
  heads,
}: GeneratorConfig): number {
  const length = 1 + K;
  const values = 2 * length * layers * (12 * width + 2 * mlpWidth + 2 * heads * length) + 2 * K * V;
  return Math.max(1, Math.floor(2 ** 28 / values));
}

/** Logits of the tokens at `positions`: rows·count·V values. @throws NonFiniteError */
async function logitsAt(
  generator: Generator,
  ids: Int32Array,
  labels: readonly number[],
  positions: Int32Array,
  step: number,
  settings: Required<SamplingOptions>,
): Promise<TensorData> {
  const predicted = guidedLogits(generator, ids, labels, positions, step, settings); // [rows, count, V]
  const logits = await predicted.data();
  predicted.dispose();
  expectFinite(logits, step);
  return logits;
}

/** The same, as a tensor. With guidance, rows with and without their class are one batch. */
function guidedLogits(
  generator: Generator,
  ids: Int32Array,
  labels: readonly number[],
  positions: Int32Array,
  step: number,
  { steps, guidance, guidanceScale, guidancePower, annealing }: Required<SamplingOptions>,
): Tensor {
  const factor = guidanceAt(guidance, guidanceScale, step, steps, guidancePower);
  const hidden = (): Tensor => {
    if (isUnguided(guidance, factor)) return predictedStates(generator, ids, labels, positions);
    const withoutClass = labels.map(() => nullLabel(generator.config));
    const both = predictedStates(generator, ids, [...labels, ...withoutClass], positions);
    return guide(both, guidance, factor); // ahead of the head, which has more numbers
  };
  return noGrad(() =>
    tidy(() => {
      const logits = generator.head(hidden());
      return annealing ? div(logits, softmaxTemperature(step, steps)) : logits;
    }),
  );
}

/** Masks the `count` tokens of a row, from `start` to `end`, that are least certain, and those equal to the last of them. */
function maskLeastCertain(
  ids: Int32Array,
  certainty: Float64Array,
  start: number,
  end: number,
  count: number,
  mask: number,
): void {
  const cutoff = certainty.slice(start, end).sort()[count - 1];
  for (let i = start; i < end; i++) if (certainty[i] <= cutoff) ids[i] = mask;
}
