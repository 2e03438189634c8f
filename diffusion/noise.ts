/** The forward process: how much noise latents have at each time. */
import { add, expectOption, mul, ShapeError, sameShape, show, sub, type Tensor, tensor } from '../core/index.ts';
import { type Prediction, predictions } from './config.ts';

/** The name of a noise schedule. */
export type NoiseScheduleName = 'linear' | 'cosine';
/** All of them. */
export const noiseSchedules: readonly NoiseScheduleName[] = ['linear', 'cosine'];

/** Noise by time t = 0…T−1; in float64. */
export interface NoiseSchedule {
  /** T */
  readonly times: number;
  /** β_t: the variance of the noise that time t adds. */
  readonly betas: Float64Array;
  /** ᾱ_t = Π_{s ≤ t} (1 − β_s): what is left of the signal's variance. */
  readonly alphaBars: Float64Array;
}

/**
 * A noise schedule of T times.
 *
 *   linear   β from 1e-4 · 1000/T to 0.02 · 1000/T
 *   cosine   ᾱ(s) = cos²(π/2 · (s + 0.008) / 1.008),   β_t = min(0.999, 1 − ᾱ((t+1)/T) / ᾱ(t/T))
 *
 * @throws OptionError for another name, or unless T is a whole number above 20, from which on every β is below 1
 * @see Ho et al. 2020, arXiv:2006.11239; Nichol and Dhariwal 2021, arXiv:2102.09672
 */
export function noiseSchedule(name: NoiseScheduleName, times = 1000): NoiseSchedule {
  expectOption(noiseSchedules.includes(name), 'noiseSchedule name', `one of ${noiseSchedules.join(', ')}`, name);
  expectOption(Number.isInteger(times) && times > 20, 'noiseSchedule times', 'a whole number above 20', times);
  const scale = 1000 / times;
  const signal = (s: number) => Math.cos(((s + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  const beta = {
    linear: (t: number) => scale * (1e-4 + ((0.02 - 1e-4) * t) / (times - 1)),
    cosine: (t: number) => Math.min(0.999, 1 - signal((t + 1) / times) / signal(t / times)),
  }[name];
  const betas = Float64Array.from({ length: times }, (_, t) => beta(t));
  let product = 1;
  const alphaBars = betas.map((b) => (product *= 1 - b));
  return { times, betas, alphaBars };
}

/**
 * Latents at time t:  x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε
 *
 * @param x      x_0 [batch, …]
 * @param noise  ε, of the same shape
 * @param times  batch whole numbers in 0..T−1
 * @throws ShapeError unless the noise has the shape of x and there is a time for each row; RangeError for another time
 */
export function addNoise(x: Tensor, noise: Tensor, times: ArrayLike<number>, schedule: NoiseSchedule): Tensor {
  const { signal, rest } = factors('addNoise', x, noise, times, schedule);
  return add(mul(x, signal), mul(noise, rest));
}

/**
 * What a model is to predict of the latents that `addNoise` returns; parameters as there.
 * @throws as `addNoise`; OptionError for another prediction
 */
export function targetOf(
  prediction: Prediction,
  x: Tensor,
  noise: Tensor,
  times: ArrayLike<number>,
  schedule: NoiseSchedule,
): Tensor {
  expectOption(predictions.includes(prediction), 'targetOf', `one of ${predictions.join(', ')}`, prediction);
  const { signal, rest } = factors('targetOf', x, noise, times, schedule);
  if (prediction === 'noise') return noise;
  return sub(mul(noise, signal), mul(x, rest));
}

/** √ᾱ_t and √(1 − ᾱ_t) of each row, as tensors [batch, 1, …]. @throws as `addNoise` */
function factors(
  where: string,
  { shape, device }: Tensor,
  noise: Tensor,
  times: ArrayLike<number>,
  { alphaBars }: NoiseSchedule,
) {
  if (!sameShape(noise.shape, shape))
    throw new ShapeError(`${where}: expected noise of the shape of x, ${show(shape)}, got ${show(noise.shape)}.`);
  if (times.length !== shape[0])
    throw new ShapeError(`${where}: expected ${shape[0]} times for x ${show(shape)}, got ${times.length}.`);
  const bad = Array.from(times).find((t) => !(t in alphaBars));
  if (bad !== undefined)
    throw new RangeError(`${where}: expected times that are whole numbers in 0..${alphaBars.length - 1}, got ${bad}.`);
  const perRow = (f: (alphaBar: number) => number) =>
    tensor(
      Float32Array.from(times, (t) => Math.sqrt(f(alphaBars[t]))),
      shape.map((n, i) => (i === 0 ? n : 1)),
      { device },
    );
  return { signal: perRow((a) => a), rest: perRow((a) => 1 - a) };
}
