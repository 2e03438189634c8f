/**
 * What a training recipe hands to whoever drives it. A recipe builds its model and optimizer and returns a Training;
 * the loop around it (progress, logs, pictures, checkpoints, Ctrl-C) belongs to the caller and is the same for all.
 */
import { CheckpointError, type Rng, type Tensor } from '../core/index.ts';
import type { Ema } from '../nn/index.ts';
import { type AdamW, loadStateDict, type StateDict, type StateValue, stateDict } from '../nn/index.ts';

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
