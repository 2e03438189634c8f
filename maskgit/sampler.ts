/** Sampling: from all tokens masked to none in a few steps, the surest tokens first. */
import {
  add,
  defaultDevice,
  div,
  embedding,
  mul,
  narrow,
  noGrad,
  type Rng,
  reshape,
  sub,
  type Tensor,
  tensor,
  tidy,
} from '../core/index.ts';
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
    const places = compilesShapes() ? ids.map((_, i) => i) : maskedPlaces(ids, latentTokens, mask);
    const logits = guidedLogits(generator, ids, labels, places, options, step, steps); // [batch, masked, V]
    const values = await logits.data();
    logits.dispose();
    const temperature = randomizeTemperature * noiseTemperature(step, steps);
    const tokenNoise = noise(temperature, () => draws.tokens(step, ids.length * codebookSize));
    const chosen = Int32Array.from(ids); // fixed tokens keep their value
    const confidence = new Float64Array(ids.length).fill(Infinity);
    for (const [slot, i] of places.entries()) {
      if (ids[i] !== mask) continue;
      const own = values.subarray(slot * codebookSize, (slot + 1) * codebookSize);
      chosen[i] = likeliest(own, tokenNoise, i * codebookSize);
      confidence[i] = own[chosen[i]]; // the logit itself, not a probability
    }
    const keepNoise = noise(temperature, () => draws.confidence(step, ids.length));
    for (let i = 0; i < ids.length; i++) confidence[i] += noiseAt(keepNoise, i);
    const masked = ids.subarray(0, latentTokens).filter((id) => id === mask).length; // in the first row, for all
    const count = stillMasked(latentTokens, step, steps, masked, schedule);
    if (count > 0) maskLeastSure(chosen, confidence, latentTokens, count, mask);
    ids = chosen;
  }
  yield { step: steps, ids };
}

/** On the gpu.js devices every shape is a kernel to compile: there all steps work for all tokens. */
const compilesShapes = (): boolean => !defaultDevice().synchronous;

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
  const factor = guidanceAt(guidance, guidanceScale, step, steps, guidancePower);
  const unguided = guidance === 'power-cosine' ? 1 : 0;
  const classes = Array.from(labels);
  const free = classes.map(() => nullLabel(generator.config));
  /** The guidance of `Guidance`, ahead of the head: there are fewer numbers. */
  const guide = (both: Tensor): Tensor => {
    const c = narrow(both, 0, 0, classes.length);
    const u = narrow(both, 0, classes.length, classes.length);
    return add(guidance === 'power-cosine' ? u : c, mul(sub(c, u), factor));
  };
  return noGrad(() =>
    tidy(() => {
      const logits =
        factor === unguided
          ? logitsOf(generator, ids, classes, places, (hidden) => hidden)
          : logitsOf(generator, ids, [...classes, ...free], places, guide);
      return annealing ? div(logits, softmaxTemperature(step, steps)) : logits;
    }),
  );
}

/**
 * Logits of the tokens at `places` for each label, where the rows of ids and places are gone through again when there are more
 * labels than rows. Rows with the same label and tokens are computed once, as in the first step all of a class.
 *
 * @param combine  what happens to the labels' rows before the head, as in `Shortcuts`
 * @returns        [rows of combine, places of a row, V]
 */
function logitsOf(
  generator: Generator,
  ids: Int32Array,
  labels: readonly number[],
  places: Int32Array,
  combine: (hidden: Tensor) => Tensor,
): Tensor {
  const { config } = generator;
  const K = config.latentTokens;
  const batch = ids.length / K;
  const count = places.length / batch;
  const numbers = (values: readonly number[], shape: number[]) =>
    tensor(new Int32Array(values), shape, { dtype: 'int32' });

  const tokens = Array.from({ length: batch }, (_, row) => [...ids.subarray(row * K, (row + 1) * K)]);
  const tokensOf = (row: number) => tokens[row % batch];
  const sequence = (rows: readonly number[]) =>
    inputSequence(
      config,
      rows.flatMap(tokensOf),
      rows.map((row) => labels[row]),
    );
  if (compilesShapes()) return generator.forward(sequence([...labels.keys()]), undefined, undefined, { combine });
  const rows = firstOfEach(labels.map((label, row) => `${label} ${tokensOf(row)}`));
  const distinct = rows.first.length;
  const wanted = rows.first.flatMap((row, i) => {
    const own = places.subarray((row % batch) * count, ((row % batch) + 1) * count);
    return Array.from(own, (place) => i * (K + 1) + 1 + (place % K));
  });
  const kinds = firstOfEach(
    rows.first.flatMap((row) => [`class ${labels[row]}`, ...tokensOf(row).map((id, place) => id * K + place)]),
  );
  const forAll = (hidden: Tensor): Tensor => {
    if (distinct === labels.length) return hidden;
    const flat = embedding(reshape(hidden, [distinct, -1]), numbers(rows.of, [labels.length]));
    return reshape(flat, [labels.length, count, -1]);
  };
  return generator.forward(sequence(rows.first), undefined, undefined, {
    wanted: numbers(wanted, [distinct, count]),
    kinds: { places: numbers(kinds.first, [kinds.first.length]), of: numbers(kinds.of, [distinct, K + 1]) },
    combine: (hidden) => combine(forAll(hidden)),
  });
}

/** Where each of the distinct keys stands first, and which of them each key is. */
function firstOfEach(keys: readonly (string | number)[]): { first: number[]; of: number[] } {
  const seen = new Map<string | number, number>();
  const first: number[] = [];
  const of = keys.map((key, i) => {
    const known = seen.get(key) ?? first.length;
    if (known === first.length) {
      seen.set(key, known);
      first.push(i);
    }
    return known;
  });
  return { first, of };
}

const TINY = 1e-20; // both logarithms' argument stays above it, the inner one after its sign has turned

/** τ·G by position; no numbers are drawn where τ = 0. */
interface Noise {
  readonly temperature: number;
  readonly uniforms: ArrayLike<number>;
}
const noise = (temperature: number, uniforms: () => ArrayLike<number>): Noise => ({
  temperature,
  uniforms: temperature === 0 ? [] : uniforms(),
});

const negativeLog = (x: number): number => -Math.log(Math.max(x, TINY));
/** G = −log(−log u) */
const gumbelOf = (u: number): number => negativeLog(negativeLog(u));
const noiseAt = ({ temperature, uniforms }: Noise, i: number): number =>
  temperature === 0 ? 0 : temperature * gumbelOf(uniforms[i]);

/** e^(−i/4) */
const DECAY = Float64Array.from({ length: 128 }, (_, i) => Math.exp(-i / 4));

/**
 * argmax of logits plus the noise from a position on; the first of equals.
 *
 * The same as a race in which v arrives at −log u / e^((logit − top)/τ), and a score s is the time e^((top − s)/τ).
 * As −log u ≥ 1 − u, most numbers are seen to arrive too late without a logarithm.
 */
function likeliest(logits: ArrayLike<number>, { temperature, uniforms }: Noise, from: number): number {
  let best = 0;
  let top = -Infinity;
  for (let v = 0; v < logits.length; v++) {
    const logit = logits[v];
    if (logit > top) {
      best = v; // NaN never wins
      top = logit;
    }
  }
  if (temperature === 0) return best;
  const quarters = 4 / temperature;
  let highest = -Infinity;
  let latest = Infinity; // the best time so far, and a little more
  for (let v = 0; v < logits.length; v++) {
    const u = uniforms[from + v];
    if (1 - u > latest * DECAY[Math.min((top - logits[v]) * quarters, 127) | 0]) continue;
    const score = logits[v] + temperature * gumbelOf(u);
    if (score > highest) {
      best = v;
      highest = score;
      latest = 1.000001 * Math.exp((top - score) / temperature);
    }
  }
  return best;
}

/** Masks the `count` positions of each row with the lowest confidence, and those that equal the last of them. */
function maskLeastSure(ids: Int32Array, confidence: Float64Array, length: number, count: number, mask: number): void {
  for (let row = 0; row < ids.length; row += length) {
    const cutoff = confidence.slice(row, row + length).sort()[count - 1];
    for (let i = row; i < row + length; i++) if (confidence[i] <= cutoff) ids[i] = mask;
  }
}
