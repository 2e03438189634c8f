/** What all optimizers share: parameters by name, groups of weight decay, a count of updates, and a state to save. */
import {
  CheckpointError,
  DeviceError,
  expectKnown,
  expectOption,
  full,
  noGrad,
  type Shape,
  ShapeError,
  sameShape,
  show,
  suggestion,
  Tensor,
  tidy,
  zeros,
} from '../core/index.ts';
import { parameter } from './init.ts';
import { loadStateDict, type StateDict, type StateValue, stateDict } from './module.ts';

/** Options that all optimizers share. */
export interface OptimizerOptions {
  /** Parameters to train, usually part of `stateDict(model)`. */
  readonly params: StateDict;
  /** Learning rate of steps that pass none. Default 1e-3. */
  readonly lr?: number;
  /** Default 0. */
  readonly weightDecay?: number;
  /** Parameters that decay, int32 ones never. Default `decaysWeight`; `() => true` is what PyTorch does. */
  readonly decays?: (name: string, shape: Shape) => boolean;
}

/** Options of one optimizer step. */
export interface StepOptions {
  /** Learning rate of this step. Default: the optimizer's `lr`. */
  readonly lr?: number;
  /** One element by which every gradient is multiplied. Default 1. Clipping passes `clipCoefficient(norm, maxNorm)`. */
  readonly scale?: Tensor;
}

/** What a checkpoint stores of an optimizer or a weight average: the number of updates, and tensors by key. */
export interface UpdateState<T = Tensor> {
  readonly step: number;
  readonly tensors: Readonly<Record<string, T>>;
}

/** Parameters that share their weight decay, as `Optimizer.update` gets them. */
export interface ParameterGroup {
  readonly names: readonly string[];
  readonly params: readonly Tensor[];
  readonly grads: readonly Tensor[];
  /** One element; multiply the gradients by it. */
  readonly scale: Tensor;
  readonly lr: number;
  readonly weightDecay: number;
  /** 1 for the first update. */
  readonly step: number;
  /** The group's entries of a state dict that has one tensor for each parameter. */
  of(state: StateDict): Tensor[];
}

/**
 * Base of all optimizers. A subclass declares its update with `defineUpdate`, holds its state in public fields (their
 * names become checkpoint keys, as in models), and implements `update`:
 *
 *   const signUpdate = defineUpdate('sign', ['p'], ['g'], ['lr'], { p: 'p - lr * where(0 < g, 1, where(g < 0, -1, 0))' });
 *   class SignDescent extends Optimizer {
 *     protected update({ params, grads, lr }: ParameterGroup) {
 *       signUpdate.all({ p: params, g: grads }, { lr });
 *     }
 *   }
 */
export abstract class Optimizer {
  readonly #params: StateDict;
  readonly #groups: readonly { readonly weightDecay: number; readonly names: readonly string[] }[];
  readonly #lr: number;
  #step = 0;

  /**
   * @param own  names of options that only the subclass has
   * @throws OptionError for an unknown option or a value out of range; TypeError when a parameter is no tensor
   */
  constructor(options: OptimizerOptions, own: readonly string[] = []) {
    const where = new.target.name;
    expectKnown(where, options, ['params', 'lr', 'weightDecay', 'decays', ...own]);
    const { params, lr = 1e-3, weightDecay = 0, decays = decaysWeight } = options;
    expectParameters(where, params);
    expectFinite(`${where}, lr`, lr);
    expectFinite(`${where}, weightDecay`, weightDecay);
    expectOption(typeof decays === 'function', `${where}, decays`, 'a function of name and shape', decays);
    this.#params = { ...params };
    this.#lr = lr;
    const names = Object.keys(params);
    const decayOf = (name: string, { shape, dtype }: Tensor) =>
      dtype !== 'int32' && decays(name, shape) ? weightDecay : 0; // ids stay
    const decay = new Map(names.map((name) => [name, decayOf(name, params[name])]));
    this.#groups = [...new Set(decay.values())].map((weightDecay) => ({
      weightDecay,
      names: names.filter((name) => decay.get(name) === weightDecay),
    }));
  }

  /** Changes the parameters of one group, in place. Runs without recording gradients, in a scope of its own. */
  protected abstract update(group: ParameterGroup): void;

  /** Updates done so far. */
  get updates(): number {
    return this.#step;
  }

  /**
   * Updates every parameter in place; nothing is read back from the device.
   *
   *   optimizer.step(grads, { lr: learningRate(step), scale: clipCoefficient(norm, 1) });
   *
   * @param grads  a gradient for each parameter, under the same names; one that the loss does not depend on has zeros and still
   *   decays, where PyTorch leaves it alone
   * @throws TypeError when a gradient is missing, or belongs to no parameter; ShapeError when one has another shape than its
   *   parameter; OptionError for an unknown option or a rate that is no finite number ≥ 0
   */
  step(grads: Readonly<Record<string, Tensor>>, options: StepOptions = {}): void {
    expectKnown('optimizer.step', options, ['lr', 'scale']);
    const { lr = this.#lr, scale } = options;
    expectFinite('optimizer.step, lr', lr);
    this.#checkGradients(grads);
    if (scale?.disposed) throw freed('the scale');
    if (scale !== undefined && !(scale instanceof Tensor && scale.size === 1)) {
      const got = scale instanceof Tensor ? show(scale.shape) : `a ${typeof scale}`;
      throw new ShapeError(`optimizer.step: expected a scale that is a tensor with one element, got ${got}.`);
    }
    const step = this.#step + 1;
    noGrad(() =>
      tidy(() => {
        for (const { names, weightDecay } of this.#groups) {
          const of = (state: StateDict) => names.map((name) => state[name]);
          const params = of(this.#params);
          const factor = scale ?? full([], 1, { device: params[0].device });
          this.update({ names, params, grads: of(grads), scale: factor, lr, weightDecay, step, of });
        }
      }),
    );
    this.#step = step;
  }

  #checkGradients(grads: Readonly<Record<string, Tensor>>): void {
    const names = Object.keys(this.#params);
    for (const name of names) {
      const g: unknown = grads[name];
      if (!(g instanceof Tensor)) {
        const near = suggestion(name, Object.keys(grads));
        const whole = 'grads' in grads ? " Pass the 'grads' of valueAndGrad's result." : '';
        throw new TypeError(`optimizer.step: expected a gradient for '${name}', got none${near}.${whole}`);
      }
      const { shape, device } = this.#params[name];
      if (g.disposed) throw freed(`the gradient of '${name}'`);
      if (this.#params[name].disposed) throw freed(`the parameter '${name}'`);
      if (g.device !== device)
        throw new DeviceError(
          `optimizer.step: expected a gradient on ${device.name} for '${name}', got one on ${g.device.name}. Move it with to(g, device).`,
        );
      if (!sameShape(g.shape, shape))
        throw new ShapeError(
          `optimizer.step: expected a gradient of shape ${show(shape)} for '${name}', got ${show(g.shape)}.`,
        );
    }
    const extra = Object.keys(grads).find((name) => !(name in this.#params));
    if (extra !== undefined)
      throw new TypeError(
        `optimizer.step: expected gradients of the optimizer's ${names.length} parameters, got one for '${extra}' too. Leave it out with pick(grads, …), or train it.`,
      );
  }

  /** The number of updates, and the optimizer's tensors as `FIELD.PARAMETER`: 'exp_avg.encoder.ln_pre.weight'. */
  stateDict(): UpdateState {
    return { step: this.#step, tensors: stateDict(this) };
  }

  /**
   * Overwrites the state; the parameters themselves are the model's.
   *
   * @param source  where the state came from, for error messages
   * @throws CheckpointError when the state belongs to other parameters or another optimizer; nothing is changed then
   */
  loadStateDict({ step, tensors }: UpdateState<StateValue>, source = 'optimizer'): void {
    expectUpdates(step, source);
    loadStateDict(this, tensors, { source });
    this.#step = step;
  }
}

const freed = (what: string) =>
  new DeviceError(`optimizer.step: expected live tensors, got ${what} after it was freed. keep() what leaves a scope.`);

/** @throws OptionError unless x is a finite number ≥ 0 */
export const expectFinite = (where: string, x: number): void =>
  expectOption(Number.isFinite(x) && x >= 0, where, 'a finite number ≥ 0', x);

/** @throws OptionError unless x is in 0..1, 1 excluded */
export const expectShare = (where: string, x: number): void =>
  expectOption(x >= 0 && x < 1, where, 'a number in 0..1, 1 excluded', x);

function expectParameters(where: string, params: StateDict): void {
  const isRecord = typeof params === 'object' && params !== null;
  expectOption(isRecord, `${where}, params`, 'parameters by name', params, 'Pass stateDict(model).');
  const wrong = Object.entries(params).find(([, p]) => !((p as unknown) instanceof Tensor));
  if (wrong)
    throw new TypeError(
      `${where}, params: expected tensors, got another value as '${wrong[0]}'. Pass stateDict(model).`,
    );
  const names = new Map<Tensor['storage'], string>();
  expectOption(Object.keys(params).length > 0, `${where}, params`, 'at least one parameter', 'none');
  for (const [name, p] of Object.entries(params)) {
    const other = names.get(p.storage); // views share it
    if (other !== undefined)
      throw new TypeError(
        `${where}, params: expected each tensor once, got '${other}' and '${name}' for the same ${p === params[other] ? 'one' : 'values, of which one is a view'}, which would be updated twice. Leave one out with pick(params, …).`,
      );
    names.set(p.storage, name);
  }
}

/** @throws CheckpointError unless `step` counts updates */
export function expectUpdates(step: number, source: string): void {
  if (Number.isInteger(step) && step >= 0) return;
  throw new CheckpointError(`${source}: expected a whole number of updates done, got ${step}.`);
}

/** Zeros for each parameter, for the state of an optimizer. */
export const zerosFor = (params: StateDict): StateDict =>
  Object.fromEntries(
    Object.entries(params).map(([name, p]) => [name, parameter(() => zeros(p.shape, { device: p.device }))]),
  );

/**
 * The grouping of TiTok's and MaskGIT's published code: matrices decay; vectors, and anything whose name says norm, bias,
 * embedding or token, do not. So `patch_embed.weight` and `decoder_embed.weight` do not decay either.
 */
export const decaysWeight = (name: string, shape: Shape): boolean =>
  shape.length >= 2 &&
  !['ln', 'bias', 'latent_tokens', 'mask_token', 'embedding', 'norm', 'gamma', 'embed'].some((part) =>
    name.includes(part),
  );
