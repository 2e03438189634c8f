/** AdamW with global-norm clipping: one in-place pass over each parameter, or over all of them where launches cost. */
import {
  CheckpointError,
  defineUpdate,
  div,
  full,
  minimum,
  noGrad,
  pack,
  type Shape,
  suggestion,
  sumOfSquares,
  type Tensor,
  tidy,
  zeros,
} from '../core/index.ts';
import { parameter } from './init.ts';
import { loadStateDict, type StateDict, type StateValue, stateDict } from './module.ts';

export interface AdamWOptions {
  /** What to train, usually part of a state dict. */
  params: StateDict;
  /** Default for steps that give none. */
  lr?: number;
  betas?: readonly [number, number];
  eps?: number;
  weightDecay?: number;
  /** Which parameters decay; the published grouping unless given. */
  decays?: (name: string, shape: Shape) => boolean;
  /** Gradients are scaled down together when their norm is above this; Infinity: never. */
  maxNorm?: number;
}

/** What a checkpoint stores: `exp_avg.NAME` and `exp_avg_sq.NAME`, and the number of updates done. */
export interface OptimizerState<T = Tensor> {
  readonly step: number;
  readonly tensors: Readonly<Record<string, T>>;
}

/** `1 − β` comes in as a scalar of its own: in float32 the subtraction alone costs 2e-6. */
const adamw = defineUpdate(
  'adamw',
  ['m', 'v', 'p'],
  ['g', 'clip'],
  ['rest1', 'rest2', 'rate', 'decay', 'unbias', 'eps'],
  {
    m: 'm + rest1 * (g * clip - m)',
    v: 'v + rest2 * (g * clip * (g * clip) - v)',
    p: 'p - (decay * p + rate * m / (sqrt(v) * unbias + eps))',
  },
);

/**
 * Adam with decoupled weight decay.
 *
 *   m ← β₁ m + (1 − β₁) g;   v ← β₂ v + (1 − β₂) g²
 *   p ← p − lr (wd p + m̂ / (√v̂ + eps)),   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)
 *
 * @see Loshchilov and Hutter 2019, arXiv:1711.05101
 */
export class AdamW {
  readonly exp_avg: StateDict; // m
  readonly exp_avg_sq: StateDict; // v
  readonly #params: StateDict;
  readonly #decays: ReadonlySet<string>;
  readonly #options: Required<Omit<AdamWOptions, 'params' | 'decays'>>;
  #step = 0;

  constructor({
    params,
    lr = 1e-3,
    betas = [0.9, 0.999],
    eps = 1e-8,
    weightDecay = 0,
    decays = decaysWeight,
    maxNorm = Infinity,
  }: AdamWOptions) {
    this.#params = { ...params };
    this.#options = { lr, betas, eps, weightDecay, maxNorm };
    this.#decays = new Set(Object.keys(params).filter((name) => decays(name, params[name].shape)));
    const zerosLike = () =>
      Object.fromEntries(
        Object.entries(params).map(([name, p]) => [name, parameter(() => zeros(p.shape, { device: p.device }))]),
      );
    this.exp_avg = zerosLike();
    this.exp_avg_sq = zerosLike();
  }

  /** Updates done so far. */
  get updates(): number {
    return this.#step;
  }

  /**
   * One update of every parameter, in place.
   *
   * @param grads  a gradient for each parameter, under the same names
   * @param norm   their `globalNorm`, when it was computed already to see whether it is finite
   * @returns the norm of all gradients before clipping (one element, still on the device: nothing waits for it)
   * @throws TypeError when a gradient is missing
   */
  step(
    grads: Readonly<Record<string, Tensor>>,
    { lr = this.#options.lr, norm: known }: { lr?: number; norm?: Tensor } = {},
  ): Tensor {
    const { betas, eps, weightDecay, maxNorm } = this.#options;
    const names = Object.keys(this.#params);
    const missing = names.find((name) => !grads[name]);
    if (missing !== undefined) {
      throw new TypeError(
        `AdamW: expected a gradient for '${missing}', got ${Object.keys(grads).length} others${suggestion(missing, Object.keys(grads))}.`,
      );
    }
    const t = ++this.#step;
    const [b1, b2] = betas;
    const scalars = { rest1: 1 - b1, rest2: 1 - b2, rate: lr / (1 - b1 ** t), unbias: 1 / Math.sqrt(1 - b2 ** t), eps };
    return noGrad(() =>
      tidy(() => {
        const norm = known ?? globalNorm(names.map((name) => grads[name]));
        const clip = clipCoefficient(norm, maxNorm);
        for (const decays of [true, false]) {
          const group = names.filter((name) => this.#decays.has(name) === decays);
          const of = (dict: Readonly<Record<string, Tensor>>) => group.map((name) => dict[name]);
          const tensors = { m: of(this.exp_avg), v: of(this.exp_avg_sq), p: of(this.#params), g: of(grads) };
          adamw.all({ ...tensors, clip }, { ...scalars, decay: decays ? lr * weightDecay : 0 });
        }
        return norm;
      }),
    );
  }

  state(): OptimizerState {
    return { step: this.#step, tensors: stateDict(this) };
  }

  /** @throws CheckpointError when the state belongs to other parameters */
  loadState({ step, tensors }: OptimizerState<StateValue>, source = 'AdamW state'): void {
    if (!Number.isInteger(step) || step < 0)
      throw new CheckpointError(`${source}: expected a whole number of updates done, got ${step}.`);
    loadStateDict(this, tensors, { source });
    this.#step = step;
  }
}

/** √(Σ g²) over all values of all gradients. One element. */
export const globalNorm = (grads: readonly Tensor[]): Tensor => sumOfSquares(pack(grads)).sqrt();

/** min(1, maxNorm / (norm + 1e-6)), as in PyTorch's `clip_grad_norm_`. One element, computed on the device. */
export const clipCoefficient = (norm: Tensor, maxNorm: number): Tensor =>
  maxNorm === Infinity ? full(norm.shape, 1, { device: norm.device }) : minimum(div(maxNorm, norm.add(1e-6)), 1);

/**
 * The published grouping: matrices decay, but neither vectors nor anything whose name says norm, bias, embedding or token.
 * `patch_embed.weight` and `decoder_embed.weight` therefore do not decay either.
 */
export const decaysWeight = (name: string, shape: Shape): boolean =>
  shape.length >= 2 &&
  !['ln', 'bias', 'latent_tokens', 'mask_token', 'embedding', 'norm', 'gamma', 'embed'].some((part) =>
    name.includes(part),
  );
