/** A moving average of the weights: what is evaluated and released instead of the last weights. */
import { CheckpointError, mul, noGrad, outsideScopes, type Tensor } from '../core/index.ts';
import { loadStateDict, type StateDict, type StateValue } from './module.ts';
import { moveTowards, overwrite } from './updates.ts';

export interface EmaOptions {
  decay?: number;
  /** Starts with a shorter memory, (1 + s) / (10 + s) after s updates, so that the random start is forgotten. */
  warmup?: boolean;
}

/**
 * Exponential moving average of parameters.
 *
 *   n-th update, s = n − 1:   d = 0 if s = 0, else min(decay, (1 + s) / (10 + s));   shadow ← shadow − (1 − d)(shadow − p)
 */
export class Ema {
  /** The averages under the parameters' names: save these as the released weights. */
  readonly shadow: StateDict;
  readonly #params: StateDict;
  readonly #decay: number;
  readonly #warmup: boolean;
  #step = 0;

  constructor(params: StateDict, { decay = 0.999, warmup = true }: EmaOptions = {}) {
    this.#params = { ...params };
    this.#decay = decay;
    this.#warmup = warmup;
    this.shadow = copies(params);
  }

  /** Updates done so far. */
  get updates(): number {
    return this.#step;
  }

  /** Call after every optimizer step. */
  update(): void {
    const rest = 1 - emaDecay(++this.#step, this.#decay, this.#warmup);
    moveTowards.all({ x: this.#shadows(), seen: Object.values(this.#params) }, { rest });
  }

  /** Overwrites the model's weights with the averages. */
  copyToModel(): void {
    overwrite.all({ x: Object.values(this.#params), y: this.#shadows() }, {});
  }

  /** Runs f while the model holds the averages, then gives it its own weights back. */
  async evaluate<T>(f: () => T | Promise<T>): Promise<T> {
    const own = copies(this.#params);
    try {
      this.copyToModel();
      return await f();
    } finally {
      overwrite.all({ x: Object.values(this.#params), y: Object.values(own) }, {});
      for (const t of Object.values(own)) t.dispose();
    }
  }

  #shadows(): Tensor[] {
    return Object.keys(this.#params).map((name) => this.shadow[name]);
  }

  state(): { readonly step: number; readonly tensors: StateDict } {
    return { step: this.#step, tensors: this.shadow };
  }

  /** @throws CheckpointError when the state belongs to other parameters */
  loadState(
    { step, tensors }: { readonly step: number; readonly tensors: Readonly<Record<string, StateValue>> },
    source = 'Ema state',
  ): void {
    if (!Number.isInteger(step) || step < 0)
      throw new CheckpointError(`${source}: expected a whole number of updates done, got ${step}.`);
    loadStateDict(this.shadow, tensors, { source });
    this.#step = step;
  }
}

/** Decay of the n-th update, n = 1, 2, … */
export function emaDecay(n: number, decay = 0.999, warmup = true): number {
  if (!warmup) return decay;
  const s = n - 1;
  return s <= 0 ? 0 : Math.min(decay, (1 + s) / (10 + s));
}

const copies = (params: StateDict): StateDict =>
  outsideScopes(() =>
    noGrad(() => Object.fromEntries(Object.entries(params).map(([name, p]): [string, Tensor] => [name, mul(p, 1)]))),
  );
