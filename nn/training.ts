/**
 * What a training recipe hands to whoever drives it. A recipe builds its model and optimizer and returns a Training;
 * the loop around it (progress, logs, pictures, checkpoints, Ctrl-C) belongs to the caller and is the same for all.
 */
import { noGrad, observeOps, type Rng, Tensor, tidy, valueAndGrad } from '../core/index.ts';
import type { Ema } from './ema.ts';
import { CheckpointError, loadStateDict, type StateDict, type StateValue, stateDict } from './module.ts';
import { type AdamW, globalNorm } from './optim.ts';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
/** Loss terms and other figures of one update, by name; `loss` is the total. */
export type StepReport = { readonly loss: number } & Readonly<Record<string, number>>;

/** Batches in a seeded order whose position can be saved. */
export interface BatchSource {
  /** images [batch, 3, size, size] in 0..1; labels int32 [batch] */
  next(): { images: Tensor; labels: Tensor };
  state: unknown;
}

export interface Training {
  /** Updates planned. */
  readonly steps: number;
  /** Updates done. */
  readonly done: number;
  /** One update. @throws NonFiniteError when the loss or the gradient is NaN or infinite; the model is untouched then */
  step(): Promise<StepReport>;
  /** All that a checkpoint needs, so that going on from it repeats the losses of a run that never stopped. */
  readonly state: TrainingState;
}

/** What changes in a training, by name. Model weights, averages, moments and streams of numbers. */
export interface Moving {
  readonly models: Readonly<Record<string, object>>;
  readonly optimizers: Readonly<Record<string, AdamW>>;
  readonly averages?: Readonly<Record<string, Ema>>;
  /** Generators of random numbers and data positions: anything with a `state` that JSON can hold. */
  readonly streams: Readonly<Record<string, { state: unknown }>>;
}

/** Gathers a training's moving parts for a checkpoint and puts them back. */
export class TrainingState {
  readonly #moving: Moving;
  /** Updates done. */
  done = 0;

  constructor(moving: Moving) {
    this.#moving = moving;
  }

  /** Tensors by group: 'model', 'optimizer.model', 'ema.model', … */
  groups(): Record<string, StateDict> {
    const { models, optimizers, averages = {} } = this.#moving;
    const groups: Record<string, StateDict> = {};
    for (const [name, m] of Object.entries(models)) groups[name] = stateDict(m);
    for (const [name, o] of Object.entries(optimizers)) groups[`optimizer.${name}`] = { ...o.state().tensors };
    for (const [name, a] of Object.entries(averages)) groups[`ema.${name}`] = { ...a.state().tensors };
    return groups;
  }
  /** Everything that is not a tensor. */
  values(): Json {
    const { optimizers, averages = {}, streams } = this.#moving;
    const map = (record: Readonly<Record<string, unknown>>, f: (x: never) => unknown) =>
      Object.fromEntries(Object.entries(record).map(([name, x]) => [name, f(x as never)]));
    return {
      done: this.done,
      optimizers: map(optimizers, (o: AdamW) => o.updates),
      averages: map(averages, (a: Ema) => a.updates),
      streams: map(streams, (s: Rng) => s.state),
    } as Json;
  }
  /** @throws CheckpointError when the values belong to another recipe */
  restore(
    groups: Readonly<Record<string, Readonly<Record<string, StateValue>>>>,
    values: Json,
    source = 'checkpoint',
  ): void {
    const saved = values as {
      done: number;
      optimizers: Record<string, number>;
      averages: Record<string, number>;
      streams: Record<string, unknown>;
    };
    const { models, optimizers, averages = {}, streams } = this.#moving;
    if (typeof saved?.done !== 'number' || Object.keys(streams).some((name) => !(name in (saved.streams ?? {})))) {
      throw new CheckpointError(
        `${source}: expected the state of a training with ${Object.keys(streams).join(', ')}, got ${JSON.stringify(values)?.slice(0, 80)}. Was it saved by another command?`,
      );
    }
    for (const [name, m] of Object.entries(models)) loadStateDict(m, groups[name] ?? {}, { source });
    for (const [name, o] of Object.entries(optimizers))
      o.loadState({ step: saved.optimizers[name], tensors: groups[`optimizer.${name}`] ?? {} }, source);
    for (const [name, a] of Object.entries(averages))
      a.loadState({ step: saved.averages[name], tensors: groups[`ema.${name}`] ?? {} }, source);
    for (const [name, s] of Object.entries(streams)) s.state = saved.streams[name];
    this.done = saved.done;
  }
}

/** A loss or gradient that is NaN or infinite. Training stops before the model is touched. */
export class NonFiniteError extends Error {
  override name = 'NonFiniteError';
}

/**
 * Forward and backward pass whose loss terms and gradients are known to be finite, so that no update spoils a model.
 *
 *   const { value, grads, norm, report } = await finiteGradients(params, forward, ({ loss }) => ({ loss }));
 *   optimizer.step(grads, { lr, norm });
 *
 * @param terms  what to report of the forward pass, each one element
 * @param rng    what forward draws from (dropout), so that a failed pass can be repeated as it was
 * @returns      report holds the terms and `gradientNorm`, √(Σ g²) before clipping
 * @throws NonFiniteError naming the first op whose result is NaN or infinite
 */
export async function finiteGradients<K extends string, V extends { readonly loss: Tensor }, T extends string>(
  params: Readonly<Record<K, Tensor>>,
  forward: () => V,
  terms: (value: V) => Readonly<Record<T, Tensor>>,
  rng?: Rng,
): Promise<{ value: V; grads: Record<K, Tensor>; norm: Tensor; report: Record<T | 'gradientNorm', number> }> {
  const start = rng?.state;
  const { value, grads } = valueAndGrad(params, forward);
  const norm = noGrad(() => tidy(() => globalNorm(Object.values<Tensor>(grads))));
  const read: [string, number][] = [];
  for (const [name, t] of Object.entries<Tensor>({ ...terms(value), gradientNorm: norm })) {
    read.push([name, await t.item()]);
  }
  const bad = read.find(([, x]) => !Number.isFinite(x));
  if (!bad) return { value, grads, norm, report: Object.fromEntries(read) as Record<T | 'gradientNorm', number> };

  if (rng && start) rng.state = start;
  const first = await firstNonFinite(() => valueAndGrad(params, forward));
  const poisoned = await nonFiniteNames(params);
  const where = poisoned.length > 0 ? ` Weights that hold it: ${poisoned.slice(0, 3).join(', ')}.` : '';
  throw new NonFiniteError(`${bad[0]} is ${bad[1]}. ${first}${where}`);
}

async function nonFiniteNames(params: StateDict): Promise<string[]> {
  const found: string[] = [];
  for (const [name, p] of Object.entries(params)) if (!(await p.data()).every(Number.isFinite)) found.push(name);
  return found;
}

/** A sentence naming the first op in f whose result is not finite although its arguments are. */
export async function firstNonFinite(f: () => unknown): Promise<string> {
  const suspects: {
    op: string;
    shape: string;
    values: Promise<ArrayLike<number>>;
    args: Promise<ArrayLike<number>>[];
  }[] = [];
  let found = false;
  observeOps(
    ({ op, y, args }) => {
      if (found) return;
      const values = y.device.synchronous ? y.dataSync() : undefined;
      if (values?.every(Number.isFinite)) return;
      if (values) found = true;
      const tensors = args.filter((a): a is Tensor => a instanceof Tensor);
      suspects.push({ op, shape: `[${y.shape}]`, values: y.data(), args: tensors.map((t) => t.data()) });
    },
    () => noGrad(f),
  );
  for (const s of suspects) {
    const ok = async (values: Promise<ArrayLike<number>>) => Array.from(await values).every(Number.isFinite);
    if (await ok(s.values)) continue;
    const fine = (await Promise.all(s.args.map(ok))).every(Boolean);
    return fine
      ? `The first op to make it is ${s.op}, result ${s.shape}, from finite arguments.`
      : `The first op to meet it is ${s.op}, result ${s.shape}, whose arguments already hold it (weights or data).`;
  }
  return 'Running the step again gave finite values only.';
}
