/** Sampling: all tokens start masked; each step predicts them, keeps the surest, and masks the rest again. */
import {
  div,
  expectOption,
  expectRng,
  firstNonFiniteIndex,
  noGrad,
  type Rng,
  type Tensor,
  tidy,
} from '../core/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import { type GeneratorConfig, maskId, nullLabel } from './config.ts';
import type { Generator } from './generator.ts';
import { guidanceAt, guide, isUnguided } from './guidance.ts';
import { GumbelNoise } from './gumbel.ts';
import { stillMasked } from './masking.ts';
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

/** How much is computed at once. The samples do not depend on it. */
export interface SamplingWork {
  /** Rows that a step predicts at once, at most. Default: as many as fit into some 1 GiB. */
  readonly rowsAtOnce?: number;
  /** Called after each prediction, with the rows predicted so far in all steps, and those of all steps together. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The tokens that enter a step. After the last step, `step` is the number of steps and `ids` the result. */
export interface SamplingState {
  readonly step: number;
  /** batch·K, the mask id where masked */
  readonly ids: Int32Array;
}

/**
 * Samples one row of tokens per label.
 *
 * @param labels  classes in 0..C, where C is no class
 * @returns       batch·K ids in 0..V−1
 * @throws OptionError when steps is not a whole number above 0, RangeError when a label is out of range, NonFiniteError when a
 *   logit is NaN or infinite, as damaged weights make it
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
  for await (const { ids } of samplingSteps(generator, labels, options, draws, work)) result = ids;
  return result;
}

/** As `sample`, but yields the state before every step and after the last, to animate or to test. */
export async function* samplingSteps(
  generator: Generator,
  labels: ArrayLike<number>,
  options: SamplingOptions,
  draws: SamplingDraws,
  { rowsAtOnce = rowsThatFit(generator.config), onProgress }: SamplingWork = {},
): AsyncGenerator<SamplingState, void, undefined> {
  const settings = { ...samplingDefaults, ...options };
  const { steps } = settings;
  expectOption(Number.isInteger(steps) && steps > 0, 'sample steps', 'a whole number above 0', steps);
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
  let ids = new Int32Array(labels.length * K).fill(mask);
  for (let step = 0; step < steps; step++) {
    yield { step, ids };
    const temperature = settings.randomizeTemperature * noiseTemperature(step, steps);
    const drawn = Int32Array.from(ids);
    const confidence = new Float64Array(ids.length).fill(Infinity);
    for (let row = 0; row < labels.length; row += rows) {
      // 1. Predict the masked tokens.
      const own = ids.subarray(row * K, (row + rows) * K);
      const ownLabels = Array.from(labels).slice(row, row + rows);
      const positions = predictedPositions(generator, own);
      const predicted = guidedLogits(generator, own, ownLabels, positions, step, settings); // [rows, count, V]
      const logits = await predicted.data();
      predicted.dispose();
      expectFinite(logits, step);

      // 2. Draw each of them; its logit, not a probability, is the confidence. Tokens that are known are certain.
      const tokenNoise = new GumbelNoise(temperature, () => draws.tokens(step, own.length * V, row * K * V));
      for (const [n, i] of positions.entries()) {
        if (own[i] !== mask) continue;
        const scores = logits.subarray(n * V, (n + 1) * V);
        const at = row * K + i;
        drawn[at] = tokenNoise.argmax(scores, i * V);
        confidence[at] = scores[drawn[at]];
      }
      onProgress?.(step * labels.length + row + ownLabels.length, steps * labels.length);
    }
    const keepNoise = new GumbelNoise(temperature, () => draws.confidence(step, ids.length));
    for (let i = 0; i < ids.length; i++) confidence[i] += keepNoise.at(i);

    // 3. Ask the schedule how many tokens stay masked, 4. and mask the least certain again.
    const masked = ids.subarray(0, K).filter((id) => id === mask).length; // of the first row, for all
    const count = stillMasked(K, step, steps, masked, settings.schedule);
    if (count > 0) maskLeastCertain(drawn, confidence, K, count, mask);
    ids = drawn;
  }
  yield { step: steps, ids };
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

/** Logits of the tokens at `positions`. With guidance, rows with and without their class are one batch. */
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

/** Masks the `count` tokens of each row with the lowest confidence, and those equal to the last of them. */
function maskLeastCertain(ids: Int32Array, confidence: Float64Array, length: number, count: number, mask: number) {
  for (let row = 0; row < ids.length; row += length) {
    const cutoff = confidence.slice(row, row + length).sort()[count - 1];
    for (let i = row; i < row + length; i++) if (confidence[i] <= cutoff) ids[i] = mask;
  }
}
