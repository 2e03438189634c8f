/** Sampling: from all tokens masked to none in a few steps, the surest tokens first. */
import { add, div, mul, narrow, noGrad, type Rng, sub, type Tensor, tensor, tidy } from '../core/index.ts';
import { maskId, nullLabel } from './config.ts';
import { type Generator, inputSequence } from './generator.ts';
import { type Schedule, stillMasked } from './masking.ts';

/**
 * How the class pulls. With c and u the logits with and without the class, in step s of T:
 *
 *   constant       c + g (c − u)
 *   linear         c + g s/T (c − u)
 *   power-cosine   u + w (c − u),   w = 1 + (g − 1)(1 − cos(π (s/T)^p)) / 2
 *
 * The scales are not comparable: no guidance is g = 0 in the first two, g = 1 in the last.
 */
export type Guidance = 'constant' | 'linear' | 'power-cosine';

export interface SamplingOptions {
  readonly steps?: number;
  readonly guidance?: Guidance;
  readonly guidanceScale?: number;
  /** p of power-cosine. */
  readonly guidancePower?: number;
  /** τ₀; the noise of step s is scaled by τ₀ (1 − (s+1)/T), so that the last step takes the most likely tokens. */
  readonly randomizeTemperature?: number;
  /** Divides the logits by 0.5 + 0.8 (1 − (s+1)/T). */
  readonly annealing?: boolean;
  readonly schedule?: Schedule;
}

/** Where the uniform random numbers of [0, 1) come from; a recording replays a run. */
export interface SamplingDraws {
  /** For choosing tokens: batch·K·V numbers. */
  tokens(step: number, count: number): ArrayLike<number>;
  /** For choosing what to keep: batch·K numbers. */
  confidence(step: number, count: number): ArrayLike<number>;
}

export const drawsFrom = (rng: Rng): SamplingDraws => ({
  tokens: (_step, count) => rng.uniforms(count),
  confidence: (_step, count) => rng.uniforms(count),
});

/** The tokens that enter a step; `step` equals the number of steps for the result. */
export interface SamplingState {
  readonly step: number;
  readonly ids: Int32Array; // batch·K, the mask id where masked
}

/** τ of a step: the scale of its noise for τ₀ = 1, and what the annealed logits are divided by. */
export const noiseTemperature = (step: number, steps: number): number => 1 - (step + 1) / steps;
export const softmaxTemperature = (step: number, steps: number): number => 0.5 + 0.8 * noiseTemperature(step, steps);

/** The factor of (c − u) in a step, see `Guidance`. */
export function guidanceAt(guidance: Guidance, scale: number, step: number, steps: number, power = 3): number {
  const progress = step / steps;
  if (guidance === 'constant') return scale;
  if (guidance === 'linear') return scale * progress;
  return 1 + ((scale - 1) * (1 - Math.cos(Math.PI * progress ** power))) / 2;
}

/**
 * Token rows for these classes.
 *
 * @param labels  one class per row, C for none
 * @returns       batch·K ids in 0..V−1
 */
export async function sample(
  generator: Generator,
  labels: ArrayLike<number>,
  options: SamplingOptions,
  draws: SamplingDraws,
): Promise<Int32Array> {
  let ids = new Int32Array();
  for await (const state of samplingSteps(generator, labels, options, draws)) ids = Int32Array.from(state.ids);
  return ids;
}

/** The same, one state per step: what a page animates and a test compares. */
export async function* samplingSteps(
  generator: Generator,
  labels: ArrayLike<number>,
  options: SamplingOptions,
  draws: SamplingDraws,
): AsyncGenerator<SamplingState, void, undefined> {
  const { steps = 8, randomizeTemperature = 1, schedule = 'arccos' } = options;
  const { latentTokens, codebookSize } = generator.config;
  if (!Number.isInteger(steps) || steps < 1) {
    throw new RangeError(`sample: expected a whole number of steps, 1 or more, got ${steps}.`);
  }
  const mask = maskId(generator.config);
  let ids = new Int32Array(labels.length * latentTokens).fill(mask);
  for (let step = 0; step < steps; step++) {
    yield { step, ids };
    const places = maskedPlaces(ids, latentTokens, mask);
    const logits = guidedLogits(generator, ids, labels, places, options, step, steps); // [batch, masked, V]
    const values = await logits.data();
    logits.dispose();
    const temperature = randomizeTemperature * noiseTemperature(step, steps);
    const tokenNoise = gumbel(temperature, () => draws.tokens(step, ids.length * codebookSize));
    const chosen = Int32Array.from(ids); // fixed tokens keep their value
    const confidence = new Float64Array(ids.length).fill(Infinity);
    for (const [slot, i] of places.entries()) {
      if (ids[i] !== mask) continue;
      const logitsOf = values.subarray(slot * codebookSize, (slot + 1) * codebookSize);
      chosen[i] = likeliest(logitsOf, tokenNoise, i * codebookSize);
      confidence[i] = logitsOf[chosen[i]!]!; // the logit itself, not a probability
    }
    const keepNoise = gumbel(temperature, () => draws.confidence(step, ids.length));
    for (let i = 0; i < ids.length; i++) confidence[i]! += keepNoise.at(i);
    const masked = ids.subarray(0, latentTokens).filter((id) => id === mask).length; // in the first row, for all
    const count = stillMasked(latentTokens, step, steps, masked, schedule);
    if (count > 0) maskLeastSure(chosen, confidence, latentTokens, count, mask);
    ids = chosen;
  }
  yield { step: steps, ids };
}

/** Places of the masked tokens in batch·K, as many for each row: one with fewer names its last again, or its first token. */
function maskedPlaces(ids: Int32Array, length: number, mask: number): Int32Array {
  const rows: number[][] = [];
  ids.forEach((id, i) => {
    if (i % length === 0) rows.push([]);
    if (id === mask) rows.at(-1)!.push(i);
  });
  const most = Math.max(0, ...rows.map((row) => row.length));
  const padded = (row: number[], r: number) =>
    Array.from({ length: most }, (_, j) => row[j] ?? row.at(-1) ?? r * length);
  return Int32Array.from(rows.flatMap(padded));
}

/** One forward pass for the tokens at `places`: both halves of the guidance lie in the same batch. */
function guidedLogits(
  generator: Generator,
  ids: Int32Array,
  labels: ArrayLike<number>,
  places: Int32Array,
  options: SamplingOptions,
  step: number,
  steps: number,
): Tensor {
  const { guidance = 'constant', guidanceScale = 0, guidancePower = 3, annealing = false } = options;
  const { config } = generator;
  const factor = guidanceAt(guidance, guidanceScale, step, steps, guidancePower);
  const unguided = guidance === 'power-cosine' ? 1 : 0;
  const batch = labels.length;
  /** In sequences of 1+K tokens, for `halves` of the batch. */
  const wanted = (halves: number): Tensor => {
    const K = config.latentTokens;
    const first = places.map((i) => Math.floor(i / K) * (K + 1) + 1 + (i % K));
    const all = Array.from({ length: halves }, (_, half) =>
      Array.from(first, (i) => i + half * batch * (K + 1)),
    ).flat();
    return tensor(Int32Array.from(all), [halves * batch, places.length / batch], { dtype: 'int32' });
  };
  return noGrad(() =>
    tidy(() => {
      let logits: Tensor;
      if (factor === unguided) {
        logits = generator.forward(inputSequence(config, ids, labels), undefined, undefined, wanted(1));
      } else {
        const free = new Int32Array(batch).fill(nullLabel(config));
        const sequence = inputSequence(config, [...ids, ...ids], [...Array.from(labels), ...free]);
        const both = generator.forward(sequence, undefined, undefined, wanted(2));
        const c = narrow(both, 0, 0, batch);
        const u = narrow(both, 0, batch, batch);
        logits = add(guidance === 'power-cosine' ? u : c, mul(sub(c, u), factor));
      }
      return annealing ? div(logits, softmaxTemperature(step, steps)) : logits;
    }),
  );
}

const TINY = 1e-20; // both logarithms' argument stays above it, the inner one after its sign has turned

interface Noise {
  /** The noise of a position. */
  at(i: number): number;
  /** No less than that, and cheap. */
  most(i: number): number;
}
const SILENCE: Noise = { at: () => 0, most: () => 0 };

const negativeLog = (x: number): number => -Math.log(Math.max(x, TINY));
/** G = −log(−log u) */
const gumbelOf = (u: number): number => negativeLog(negativeLog(u));
/** G grows with u: entry i is that of the end of the i-th of equal steps. */
const MOST = Float64Array.from({ length: 4096 }, (_, i) => gumbelOf((i + 1) / 4096));

/** τ·G by position; no numbers are drawn where τ = 0. */
function gumbel(temperature: number, uniforms: () => ArrayLike<number>): Noise {
  if (temperature === 0) return SILENCE;
  const u = uniforms();
  return {
    at: (i) => temperature * gumbelOf(u[i]!),
    most: (i) => temperature * MOST[Math.floor(u[i]! * MOST.length)]!,
  };
}

/** argmax of logits plus the noise from a position on; the first of equals. Most cannot win by any noise, and need no logarithms. */
function likeliest(logits: ArrayLike<number>, noise: Noise, from: number): number {
  let best = 0;
  let highest = -Infinity;
  for (let v = 0; v < logits.length; v++) {
    if (logits[v]! + noise.most(from + v) <= highest) continue;
    const score = logits[v]! + noise.at(from + v);
    if (score > highest) {
      highest = score;
      best = v;
    }
  }
  return best;
}

/** Masks the `count` positions of each row with the lowest confidence, and those that equal the last of them. */
function maskLeastSure(ids: Int32Array, confidence: Float64Array, length: number, count: number, mask: number): void {
  for (let row = 0; row < ids.length; row += length) {
    const cutoff = confidence.slice(row, row + length).sort()[count - 1]!;
    for (let i = row; i < row + length; i++) if (confidence[i]! <= cutoff) ids[i] = mask;
  }
}
