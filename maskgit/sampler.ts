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
import { maskId, nullLabel } from './config.ts';
import type { Generator } from './generator.ts';
import { guidanceAt, guide, isUnguided } from './guidance.ts';
import { GumbelNoise } from './gumbel.ts';
import { stillMasked } from './masking.ts';
import { predictedPositions, predictedStates } from './plan.ts';
import { noiseTemperature, type SamplingOptions, samplingDefaults, softmaxTemperature } from './sampling-options.ts';

/** Uniform random numbers of [0, 1). Recorded ones replay a run. */
export interface SamplingDraws {
  /** batch·K·V numbers, for choosing tokens. */
  tokens(step: number, count: number): ArrayLike<number>;
  /** batch·K numbers, for choosing which tokens to keep. */
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
): Promise<Int32Array> {
  let result: Int32Array = new Int32Array();
  for await (const { ids } of samplingSteps(generator, labels, options, draws)) result = ids;
  return result;
}

/** As `sample`, but yields the state before every step and after the last, to animate or to test. */
export async function* samplingSteps(
  generator: Generator,
  labels: ArrayLike<number>,
  options: SamplingOptions,
  draws: SamplingDraws,
): AsyncGenerator<SamplingState, void, undefined> {
  const settings = { ...samplingDefaults, ...options };
  const { steps } = settings;
  expectOption(Number.isInteger(steps) && steps > 0, 'sample steps', 'a whole number above 0', steps);
  expectOption(typeof draws?.tokens === 'function', 'sample', 'draws', draws, 'Pass drawsFrom(new Rng(0)).');
  const { latentTokens: K, codebookSize: V } = generator.config;
  const mask = maskId(generator.config);
  let ids = new Int32Array(labels.length * K).fill(mask);
  for (let step = 0; step < steps; step++) {
    yield { step, ids };
    // 1. Predict the masked tokens.
    const positions = predictedPositions(generator, ids);
    const predicted = guidedLogits(generator, ids, Array.from(labels), positions, step, settings); // [batch, count, V]
    const logits = await predicted.data();
    predicted.dispose();
    const bad = firstNonFiniteIndex(logits);
    if (bad >= 0) {
      throw new NonFiniteError(
        `sample, step ${step}: expected finite logits, got ${logits[bad]}. Are the generator's weights damaged?`,
      );
    }

    // 2. Draw each of them; its logit, not a probability, is the confidence. Tokens that are known are certain.
    const temperature = settings.randomizeTemperature * noiseTemperature(step, steps);
    const tokenNoise = new GumbelNoise(temperature, () => draws.tokens(step, ids.length * V));
    const drawn = Int32Array.from(ids);
    const confidence = new Float64Array(ids.length).fill(Infinity);
    for (const [n, i] of positions.entries()) {
      if (ids[i] !== mask) continue;
      const own = logits.subarray(n * V, (n + 1) * V);
      drawn[i] = tokenNoise.argmax(own, i * V);
      confidence[i] = own[drawn[i]];
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
