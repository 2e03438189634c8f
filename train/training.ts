/** A training: one `step()`, and the state that a checkpoint needs. The caller owns the loop. */
import * as z from 'zod';
import { CheckpointError, type Tensor } from '../core/index.ts';
import { psnrOf } from '../eval/index.ts';
import {
  cosineSchedule,
  type Ema,
  loadStateDict,
  type Optimizer,
  type StateDict,
  type StateValue,
  stateDict,
} from '../nn/index.ts';
import { savedPart } from './saved.ts';

/** What JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Loss terms and other figures of one update, by name; `loss` is the total. */
export type StepReport = { readonly loss: number } & Readonly<Record<string, number>>;

/** The PSNR of an update that reports its mean squared error. */
export const psnrIn = ({ mse = 0 }: Readonly<Record<string, number>>): { psnr?: number } =>
  mse > 0 ? { psnr: psnrOf(mse) } : {};

/** Batches in a seeded order whose position can be saved. */
export interface ImageSource {
  /** images [batch, 3, size, size] in 0..1 */
  next(): { readonly images: Tensor };
  state: unknown;
}

/** A training in progress: the model, one `step()`, and the state that a checkpoint needs. */
export interface Training<Model = object> {
  /** Changed in place by `step`. */
  readonly model: Model;
  /** Updates planned. */
  readonly steps: number;
  /** Images per update. */
  readonly batchSize: number;
  /** What to save so that a resumed training repeats the losses of one that never stopped. */
  readonly state: TrainingState;
  /** One update. @throws NonFiniteError when the loss or the gradient is NaN or infinite; the model is untouched then */
  step(): Promise<StepReport>;
  /**
   * Loss terms of held-out images, computed as in the latest update but without gradients or dropout. Changes nothing and draws
   * none of the training's random numbers.
   *
   * @param images  [n, 3, size, size] in 0..1
   * @param labels  [n], classes
   */
  measure?(images: Tensor, labels: Tensor): Promise<Readonly<Record<string, number>>>;
  /** Moving average of the weights, if this training keeps one: evaluate and release these instead of the last weights. */
  readonly ema?: Ema;
  /** Runs once before the first step (skipped when the training is already finished); counts as training time. */
  prepare?(): Promise<void>;
}

/** The parts of a training that change, by name. */
export interface Moving {
  readonly models: Readonly<Record<string, object>>;
  readonly optimizers: Readonly<Record<string, Optimizer>>;
  readonly averages?: Readonly<Record<string, Ema>>;
  /** Random generators and data positions: anything with a `state` that JSON can hold. */
  readonly streams: Readonly<Record<string, { state: unknown }>>;
}

const updates = z.record(z.string(), z.int().min(0));
/** Schema of what `TrainingState.values` returns. */
export const savedState = z.object({
  done: z.int().min(0),
  optimizers: updates,
  averages: updates.default({}),
  streams: z.record(z.string(), z.unknown()),
});

/** Collects the changing parts of a training for a checkpoint and puts them back. */
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
    for (const [name, o] of Object.entries(optimizers)) groups[`optimizer.${name}`] = { ...o.stateDict().tensors };
    for (const [name, a] of Object.entries(averages)) groups[`ema.${name}`] = { ...a.stateDict().tensors };
    return groups;
  }

  /** Everything that is not a tensor. */
  values(): Json {
    const { optimizers, averages = {}, streams } = this.#moving;
    const map = <T>(record: Readonly<Record<string, T>>, f: (x: T) => unknown) =>
      Object.fromEntries(Object.entries(record).map(([name, x]) => [name, f(x)]));
    return {
      done: this.done,
      optimizers: map(optimizers, (o) => o.updates),
      averages: map(averages, (a) => a.updates),
      streams: map(streams, (s) => s.state),
    } as Json;
  }

  /** @throws CheckpointError when the values belong to another kind of training */
  restore(
    groups: Readonly<Record<string, Readonly<Record<string, StateValue>>>>,
    values: unknown,
    source = 'checkpoint',
  ): void {
    const saved = savedPart(savedState, values, source, 'state');
    const { models, optimizers, averages = {}, streams } = this.#moving;
    for (const [kind, wanted] of Object.entries({ optimizers, averages, streams })) {
      const [names, known] = [Object.keys(wanted), Object.keys(saved[kind as 'streams'])];
      if (names.every((name) => known.includes(name))) continue;
      throw new CheckpointError(
        `${source}: expected the state of a training with the ${kind} ${names.join(', ')}, got ${known.join(', ') || 'none'}. Was it saved by another command?`,
      );
    }
    for (const [name, m] of Object.entries(models)) loadStateDict(m, groups[name] ?? {}, { source });
    for (const [name, o] of Object.entries(optimizers))
      o.loadStateDict({ step: saved.optimizers[name], tensors: groups[`optimizer.${name}`] ?? {} }, source);
    for (const [name, a] of Object.entries(averages))
      a.loadStateDict({ step: saved.averages[name], tensors: groups[`ema.${name}`] ?? {} }, source);
    for (const [name, s] of Object.entries(streams)) restoreStream(name, s, saved.streams[name], source);
    this.done = saved.done;
  }
}

function restoreStream(name: string, stream: { state: unknown }, state: unknown, source: string): void {
  try {
    stream.state = state;
  } catch (error) {
    const { message } = error as Error;
    throw new CheckpointError(`${source}, state.streams.${name}: ${message}`, { cause: error });
  }
}

export interface RateSettings {
  readonly steps: number;
  /** 0: as many as steps. */
  readonly scheduleSteps?: number | undefined;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly endRate: number;
}

/** The learning rate of each update: a linear rise, then half a cosine down to `endRate` of the top. */
export const learningRateOf = ({ steps, scheduleSteps, learningRate, warmupSteps, endRate }: RateSettings) =>
  cosineSchedule({ lr: learningRate, warmupSteps, totalSteps: scheduleSteps || steps, endLr: endRate * learningRate });
