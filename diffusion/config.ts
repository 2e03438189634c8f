/** The sizes of a diffusion transformer, and what it reads. */
import { expectOption } from '../core/index.ts';

/**
 * What a model predicts of x_t = √ᾱ x_0 + √(1 − ᾱ) ε: the noise ε, as published, or the velocity √ᾱ ε − √(1 − ᾱ) x_0. In noise
 * alone, a small error of ε is a large one of x_0; a velocity has no such place.
 *
 * @see Salimans and Ho 2022, arXiv:2202.00512, appendix D
 */
export type Prediction = 'noise' | 'velocity';
/** All of them. */
export const predictions: readonly Prediction[] = ['noise', 'velocity'];

/** A DiT predicts the noise in latents [batch, channels, gridSize, gridSize] from a time and a class. */
export interface DiTConfig {
  /** Numbers at each place of the grid. */
  readonly channels: number;
  /** Places per side of the grid. */
  readonly gridSize: number;
  /** Places per side of the square that becomes one token; must divide the grid. */
  readonly patchSize: number;
  /** C: how many classes there are. Label C stands for no class. */
  readonly classes: number;
  /** Dimension of the hidden states; a multiple of 4 for the position embedding. */
  readonly width: number;
  /** Transformer blocks. */
  readonly layers: number;
  /** Attention heads; must divide the width. */
  readonly heads: number;
  /** Hidden dimension of each block's MLP. */
  readonly mlpWidth: number;
  readonly prediction: Prediction;
}

/** Tokens of an image: (gridSize / patchSize)². */
export const tokensOf = ({ gridSize, patchSize }: Pick<DiTConfig, 'gridSize' | 'patchSize'>): number =>
  (gridSize / patchSize) ** 2;

/** @throws OptionError when a value is impossible or two contradict each other */
export function checkDiTConfig(config: DiTConfig): void {
  const { prediction, ...sizes } = config;
  expectOption(predictions.includes(prediction), 'DiT prediction', `one of ${predictions.join(', ')}`, prediction);
  for (const [name, value] of Object.entries(sizes))
    expectOption(Number.isInteger(value) && value > 0, `DiT ${name}`, 'a whole number above 0', value);
  const { width, heads, gridSize, patchSize } = sizes;
  expectOption(width % 4 === 0, 'DiT width', 'a multiple of 4, for the position embedding', width);
  expectOption(width % heads === 0, 'DiT heads', `a divisor of the width ${width}`, heads);
  expectOption(gridSize % patchSize === 0, 'DiT patchSize', `a divisor of the grid's side ${gridSize}`, patchSize);
}
