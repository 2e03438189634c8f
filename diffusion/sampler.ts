/** Sampling: from noise to latents, step by step (DDIM, DDPM). */
import {
  expectKnown,
  expectNumber,
  expectOption,
  expectWhole,
  firstNonFiniteIndex,
  noGrad,
  type Rng,
  tensor,
  tidy,
} from '../core/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import type { Denoiser } from './dit.ts';
import type { NoiseSchedule } from './noise.ts';

/** How to sample; defaults are `diffusionDefaults`. */
export interface DiffusionOptions {
  /** S: how many times the model predicts the noise. */
  readonly steps?: number;
  /** w: 1 is the conditional prediction, 0 the unconditional one, more pushes towards the class. */
  readonly guidanceScale?: number;
  /** η: 0 adds no noise on the way (DDIM), 1 as much as DDPM. */
  readonly eta?: number;
}

/** Fifty deterministic steps without guidance. */
export const diffusionDefaults: Required<DiffusionOptions> = { steps: 50, guidanceScale: 1, eta: 0 };

/** How much to compute at once. */
export interface DiffusionWork {
  /** Rows that a step predicts at once, at most; samples do not depend on it, but for rounding. Default 64. */
  readonly rowsAtOnce?: number;
  /** Called after each prediction, with the rows predicted so far in all steps, and those of all steps together. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** S of the times 0…T−1 at equal distances, from the last to the first: `[999, 749, 500, 250, 0]`. */
export function samplingTimes(times: number, steps: number): number[] {
  expectOption(
    Number.isInteger(steps) && steps >= 1 && steps <= times,
    'steps',
    `a whole number from 1 to ${times}`,
    steps,
  );
  if (steps === 1) return [times - 1];
  return Array.from({ length: steps }, (_, i) => Math.round(((times - 1) * (steps - 1 - i)) / (steps - 1)));
}

/**
 * One step from time t to an earlier one, or to no noise.
 *
 *   x̂_0 = (x − √(1 − ᾱ_t) ε) / √ᾱ_t
 *   x' = √ᾱ' x̂_0 + √(1 − ᾱ' − σ²) ε + σ z,   σ = η √((1 − ᾱ') / (1 − ᾱ_t)) √(1 − ᾱ_t / ᾱ')
 *
 * @param x      values at time t, changed in place
 * @param noise  ε, as predicted
 * @param from   ᾱ_t
 * @param to     ᾱ', 1 for the last step
 * @param fresh  z of N(0, 1); undefined for η = 0
 * @see Song et al. 2021, arXiv:2010.02502, eq. 12 and 16
 */
export function denoise(
  x: Float32Array,
  noise: ArrayLike<number>,
  from: number,
  to: number,
  eta = 0,
  fresh?: ArrayLike<number>,
): void {
  const sigma = eta * Math.sqrt(((1 - to) / (1 - from)) * (1 - from / to));
  const [signal, rest] = [Math.sqrt(to / from), Math.sqrt(Math.max(0, 1 - to - sigma * sigma))];
  const noisy = Math.sqrt(1 - from);
  for (let i = 0; i < x.length; i++) {
    x[i] = signal * (x[i] - noisy * noise[i]) + rest * noise[i] + (fresh ? sigma * fresh[i] : 0);
  }
}

/**
 * Latents of classes, from noise. With guidance w, the noise is that of no class plus w times what the class adds:
 *
 *   ε = ε(x, none) + w (ε(x, class) − ε(x, none))
 *
 * @param labels  classes in 0..C, where C is no class
 * @returns       labels × channels·gridSize² numbers
 * @throws OptionError for an unknown option, or one out of range: steps outside 1..T, η outside 0..1; NonFiniteError when a prediction is NaN or infinite, as damaged weights make it
 * @see Ho and Salimans 2022, arXiv:2207.12598; the scale is that of arXiv:2212.09748, 1 more than theirs
 */
export async function sampleLatents(
  model: Denoiser,
  schedule: NoiseSchedule,
  labels: ArrayLike<number>,
  options: DiffusionOptions,
  rng: Rng,
  work: DiffusionWork = {},
): Promise<Float32Array> {
  expectKnown('sampleLatents', options, Object.keys(diffusionDefaults));
  expectKnown('sampleLatents, work', work, ['rowsAtOnce', 'onProgress']);
  const { rowsAtOnce = 64, onProgress } = work;
  const { steps, guidanceScale, eta } = { ...diffusionDefaults, ...options };
  expectOption(Number.isFinite(guidanceScale), 'sampleLatents, guidanceScale', 'a finite number', guidanceScale);
  expectNumber('sampleLatents, eta', eta, 0, 1);
  expectWhole('sampleLatents, rowsAtOnce', rowsAtOnce, 1, Number.MAX_SAFE_INTEGER);
  const times = samplingTimes(schedule.times, steps);
  const { channels, gridSize } = model.config;
  const width = channels * gridSize ** 2;
  const x = rng.normals(labels.length * width);
  let done = 0;
  for (const [step, t] of times.entries()) {
    const [from, to] = [schedule.alphaBars[t], step + 1 < steps ? schedule.alphaBars[times[step + 1]] : 1];
    const fresh = eta > 0 && step + 1 < steps ? rng.normals(x.length) : undefined;
    for (let row = 0; row < labels.length; row += rowsAtOnce) {
      const part = Array.prototype.slice.call(labels, row, row + rowsAtOnce) as number[];
      const [start, end] = [row * width, (row + part.length) * width];
      const own = x.subarray(start, end);
      const output = await predicted(model, own, t, part, guidanceScale);
      const noise = model.config.prediction === 'noise' ? output : noiseOf(own, output, from);
      denoise(own, noise, from, to, eta, fresh?.subarray(start, end));
      done += part.length;
      onProgress?.(done, steps * labels.length);
    }
  }
  return x;
}

/** The noise in x of a velocity: √ᾱ v + √(1 − ᾱ) x */
function noiseOf(x: Float32Array, velocity: ArrayLike<number>, alphaBar: number): Float64Array {
  const [signal, rest] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return Float64Array.from(x, (value, i) => signal * velocity[i] + rest * value);
}

/** The guided prediction for rows x at time t. */
async function predicted(model: Denoiser, x: Float32Array, t: number, labels: readonly number[], guidance: number) {
  const { channels, gridSize, classes } = model.config;
  const none = labels.map(() => classes);
  const isGuided = guidance !== 1;
  const asked = isGuided ? [...labels, ...none] : labels;
  const rows = new Float32Array(isGuided ? 2 * x.length : x.length);
  rows.set(x);
  if (isGuided) rows.set(x, x.length);
  const shape = [asked.length, channels, gridSize, gridSize];
  const noise = noGrad(() =>
    tidy(() =>
      model.forward(
        tensor(rows, shape, { device: model.device }),
        asked.map(() => t),
        asked,
      ),
    ),
  );
  const values = await noise.data();
  noise.dispose();
  const bad = firstNonFiniteIndex(values);
  if (bad >= 0)
    throw new NonFiniteError(
      `sampleLatents: expected finite predictions, got ${values[bad]} at time ${t}. Are the weights damaged?`,
    );
  if (!isGuided) return values;
  return Float32Array.from(x, (_, i) => values[x.length + i] + guidance * (values[i] - values[x.length + i]));
}
