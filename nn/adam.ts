/** Adam and AdamW: each update is one fused pass over parameter, gradient and both moments. */
import { defineUpdate, expectOption } from '../core/index.ts';
import type { StateDict } from './module.ts';
import {
  expectFinite,
  expectShare,
  Optimizer,
  type OptimizerOptions,
  type ParameterGroup,
  zerosFor,
} from './optimizer.ts';

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the mean of the gradients and of the mean of their squares. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
}

/** What both updates read. `1 − β` is a scalar of its own: in float32 the subtraction alone costs 2e-6. */
const numbers = ['rest1', 'rest2', 'rate', 'decay', 'unbias', 'eps'] as const;

const adam = defineUpdate('adam', ['m', 'v', 'p'], ['g', 'scale'], numbers, {
  m: 'm + rest1 * (g * scale + decay * p - m)',
  v: 'v + rest2 * ((g * scale + decay * p) * (g * scale + decay * p) - v)',
  p: 'p - rate * m / (sqrt(v) * unbias + eps)',
});

const adamw = defineUpdate('adamw', ['m', 'v', 'p'], ['g', 'scale'], numbers, {
  m: 'm + rest1 * (g * scale - m)',
  v: 'v + rest2 * (g * scale * (g * scale) - v)',
  p: 'p - (decay * p + rate * m / (sqrt(v) * unbias + eps))',
});

/** Moments and bias correction. Adam and AdamW differ in where the weight decay goes. */
abstract class Moments extends Optimizer {
  /** m by parameter name. */
  readonly exp_avg: StateDict;
  /** v by parameter name. */
  readonly exp_avg_sq: StateDict;
  readonly #betas: readonly [number, number];
  readonly #eps: number;

  constructor(options: AdamOptions) {
    super(options, ['betas', 'eps']);
    const { betas = [0.9, 0.999], eps = 1e-8 } = options;
    const where = new.target.name;
    expectOption(Array.isArray(betas) && betas.length === 2, `${where}, betas`, 'two numbers', betas);
    for (const beta of betas) expectShare(`${where}, betas`, beta);
    expectFinite(`${where}, eps`, eps);
    this.#betas = betas;
    this.#eps = eps;
    this.exp_avg = zerosFor(options.params);
    this.exp_avg_sq = zerosFor(options.params);
  }

  /** What the update reads and writes. */
  protected tensors({ params: p, grads: g, scale, of }: ParameterGroup) {
    return { m: of(this.exp_avg), v: of(this.exp_avg_sq), p, g, scale };
  }

  /** The update's factors at this step. */
  protected scalars({ lr, step }: ParameterGroup) {
    const [b1, b2] = this.#betas;
    const unbias = 1 / Math.sqrt(1 - b2 ** step);
    return { rest1: 1 - b1, rest2: 1 - b2, rate: lr / (1 - b1 ** step), unbias, eps: this.#eps };
  }
}

/**
 * Adam. Weight decay is an L2 penalty, whose gradient joins that of the loss, as in PyTorch's `Adam`.
 *
 *   g ← scale · g + wd · p
 *   m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²
 *   p ← p − lr m̂ / (√v̂ + eps),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)
 *
 * @see Kingma and Ba 2015, arXiv:1412.6980
 */
export class Adam extends Moments {
  protected update(group: ParameterGroup): void {
    adam.all(this.tensors(group), { ...this.scalars(group), decay: group.weightDecay });
  }
}

/**
 * Adam with decoupled weight decay, which bypasses the moments.
 *
 *   g ← scale · g
 *   m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²
 *   p ← p − lr (wd · p + m̂ / (√v̂ + eps)),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)
 *
 * @see Loshchilov and Hutter 2019, arXiv:1711.05101
 */
export class AdamW extends Moments {
  protected update(group: ParameterGroup): void {
    adamw.all(this.tensors(group), { ...this.scalars(group), decay: group.lr * group.weightDecay });
  }
}
