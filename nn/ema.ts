/** A moving average of the weights, which is evaluated and released in place of the last weights. */
import { expectKnown, expectOption, mul, noGrad, outsideScopes, Tensor } from '../core/index.ts';
import { loadStateDict, type StateDict, type StateValue } from './module.ts';
import { expectUpdates, type UpdateState } from './optimizer.ts';
import { moveTowards, overwrite } from './updates.ts';

/** Options of `Ema`. */
export interface EmaOptions {
  /** Share of the average that survives an update. Default 0.999. */
  readonly decay?: number;
  /** Limits the decay to (1 + s) / (10 + s) after s updates, which soon forgets the random start. Default true. */
  readonly warmup?: boolean;
}

/**
 * Exponential moving average of parameters p, with the decay d = `emaDecay(n)` in the n-th update.
 *
 *   shadow ← shadow + (1 − d) (p − shadow)
 *
 * Its tensors live outside all scopes, as parameters do.
 */
export class Ema {
  /** The averages by parameter name, for release as a model's weights. */
  readonly shadow: StateDict;
  readonly #params: StateDict;
  readonly #decay: number;
  readonly #warmup: boolean;
  #step = 0;

  /** @throws OptionError for an unknown option or a decay outside of 0..1; TypeError when a parameter is no tensor */
  constructor(params: StateDict, options: EmaOptions = {}) {
    expectKnown('Ema', options, ['decay', 'warmup']);
    const { decay = 0.999, warmup = true } = options;
    expectOption(decay >= 0 && decay <= 1, 'Ema, decay', 'a number in 0..1', decay);
    for (const [name, p] of Object.entries<unknown>(params))
      if (!(p instanceof Tensor))
        throw new TypeError(`Ema: expected tensors by name, got another value as '${name}'. Pass stateDict(model).`);
    this.#params = { ...params };
    this.#decay = decay;
    this.#warmup = warmup;
    this.shadow = copies(params);
  }

  /** Updates done so far. */
  get updates(): number {
    return this.#step;
  }

  /** Moves the averages towards the parameters; call it after every optimizer step. */
  update(): void {
    const rest = 1 - emaDecay(++this.#step, this.#decay, this.#warmup);
    moveTowards.all({ x: this.#shadows(), seen: Object.values(this.#params) }, { rest });
  }

  /** Overwrites the model's weights with the averages. */
  copyToModel(): void {
    overwrite.all({ x: Object.values(this.#params), y: this.#shadows() }, {});
  }

  /** Runs f while the model holds the averages, then gives the model its own weights back, also when f fails. */
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

  /** The number of updates, and the averages by parameter name. */
  stateDict(): UpdateState {
    return { step: this.#step, tensors: this.shadow };
  }

  /**
   * Overwrites the averages; the parameters themselves are the model's.
   *
   * @param source  where the state came from, for error messages
   * @throws CheckpointError when the state belongs to other parameters; nothing is changed then
   */
  loadStateDict({ step, tensors }: UpdateState<StateValue>, source = 'weight average'): void {
    expectUpdates(step, source);
    loadStateDict(this.shadow, tensors, { source });
    this.#step = step;
  }
}

/**
 * Decay of the n-th update of an `Ema`, n = 1, 2, …: 0 for n = 1, then min(decay, n / (9 + n)); `decay` without warm-up.
 *
 * @see diffusers' `EMAModel`, which TiTok's published training uses
 */
export function emaDecay(n: number, decay = 0.999, warmup = true): number {
  if (!warmup) return decay;
  const s = n - 1;
  return s <= 0 ? 0 : Math.min(decay, (1 + s) / (10 + s));
}

const copies = (params: StateDict): StateDict =>
  outsideScopes(() =>
    noGrad(() => Object.fromEntries(Object.entries(params).map(([name, p]): [string, Tensor] => [name, mul(p, 1)]))),
  );
