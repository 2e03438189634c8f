/** The gpu.js devices. Every op runs as gpu.js kernels, and values stay on the device between ops. */
import { type Device, isRef, type KernelCall, type Ref } from '../device.ts';
import { DeviceError, OutOfMemoryError } from '../errors.ts';
import { numel, type Shape, show } from '../shape.ts';
import { type Backend, OutOfMemory, openBackend } from './backend.ts';
import { flatten, isResident, type Mode, type Raw, type Rows } from './gpujs.ts';
import { identity, Launcher, MAX_ARRAYS } from './launcher.ts';
import { areContiguous, packPasses } from './pack.ts';
import { type Earlier, origin } from './pass-cache.ts';
import type { KernelProfile } from './profile.ts';
import { isSlot, type Slot, slotOn, type Values, type Window, windowOf } from './slot.ts';

/** Milliseconds to wait for the reason of an error: when a browser's GPU process dies, the message comes a little later. */
const REASON_DELAY = 100;
/** A launch with at least this many values waits to hear whether it ran out of memory. */
const LARGE = 1 << 22;

/** Counts of a gpu.js device, for tests and debugging. */
export interface DeviceStats {
  /** Handles not yet freed. */
  live: number;
  /** Bytes of all arrays on the device. */
  bytes: number;
  /** Compiled kernels in the cache. */
  kernels: number;
  /** Kernel launches since the device was opened. */
  launches: number;
}

/** Opens a gpu.js mode, or 'gpujs-cpu': gpu.js's own JavaScript. @throws DeviceError when this machine lacks it */
export async function openGpuJs(name: string): Promise<GpuJsDevice> {
  return new GpuJsDevice(name, await openBackend(name === 'gpujs-cpu' ? 'cpu' : (name as Mode)));
}

/**
 * A device that runs kernels through gpu.js, one launch at a time, in the order of the program.
 *
 * gpu.js could also replay a recorded step through `createPipeline` (284 launches, webgpu in Node on SwiftShader: a
 * quarter of the processor time). It is not used: it caches no state between calls, so all parameters and moments would go
 * in and come back as arrays at every step; it needs the same launches and scalars each time; and on GL and webasm it
 * gains little or nothing.
 */
export class GpuJsDevice implements Device {
  readonly name: string;
  readonly synchronous = false;
  readonly threads = 1;
  readonly #backend: Backend;
  readonly #launcher: Launcher;
  /** The last job of the queue. Launches, reads and frees run one after another, in the order of the program. */
  #tail: Promise<unknown> = Promise.resolve();
  #live = 0;
  #bytes = 0;
  #closed = false;

  /** Not for users: see `openDevice`. */
  constructor(name: string, backend: Backend) {
    this.name = name;
    this.#backend = backend;
    this.#launcher = new Launcher(name, backend);
  }

  /** False once the device was closed or lost; `openDevice` then opens a new one. */
  get usable(): boolean {
    return !this.#closed && this.#backend.fault() === undefined;
  }

  upload(values: ArrayLike<number>): Slot {
    const copy = Float32Array.from(values); // the caller may change its own array before the launch
    // copied by a kernel, so that every argument of every kernel is a handle
    return this.#make('upload', [copy.length], [], () =>
      this.#launcher.launch('upload', [copy.length], identity(copy.length), [{ raw: copy }]),
    );
  }

  run(call: KernelCall): Slot {
    const args = call.args.map((a) => (isRef(a) ? (a.handle as Slot) : a));
    return this.#make(call.op, call.shape, args.filter(isSlot), () => this.#runPasses(call, args));
  }

  async #runPasses(call: KernelCall, args: readonly unknown[]): Promise<Raw> {
    const earlier = new Map<string, Earlier>();
    const passes = call.passes();
    try {
      for (const pass of passes) {
        const inputs: (Window | number)[] = [];
        for (const from of Object.values(pass.inputs)) {
          const arg = typeof from === 'string' ? earlier.get(from) : args[from];
          inputs.push(isSlot(arg) ? windowOf(arg, await this.#raw(arg)) : (arg as Window | number));
        }
        if (pass === passes.at(-1)) return await this.#launcher.launch(call.op, call.shape, pass, inputs);
        const { owner, key } = origin(pass, args, earlier);
        let raw = owner?.cached?.get(key);
        if (!raw) {
          raw = await this.#launcher.launch(call.op, call.shape, pass, inputs);
          if (owner) {
            owner.cached ??= new Map();
            owner.cached.set(key, raw);
            owner.cachedLength += numel(pass.out);
            this.#bytes += 4 * numel(pass.out);
          }
        }
        earlier.set(pass.name!, { raw, owner, key });
      }
      throw new Error('an op without passes');
    } finally {
      for (const { raw, owner } of earlier.values()) if (!owner) this.#launcher.delete(raw);
    }
  }

  pack(parts: readonly Ref[]): Slot {
    const slots = parts.map((p) => p.handle as Slot);
    for (const slot of slots) this.#alive(slot, 'pack');
    const arrays = [...new Set(slots.map((s) => s.values))];
    const [whole] = arrays as [Values];
    const pieces = slots.map((s) => ({ of: arrays.indexOf(s.values), from: s.from, length: s.length }));
    const shape = [pieces.reduce((n, p) => n + p.length, 0)];
    if (arrays.length === 1 && shape[0] === whole.length && areContiguous(pieces))
      return this.#share(whole, 'pack', shape);
    const args = arrays.map((values) => ({
      handle: { op: 'pack', shape: [], length: values.length, values, from: 0, freed: false } satisfies Slot,
      shape: [values.length],
    }));
    return this.run({ op: 'pack', shape, args, passes: () => packPasses(pieces, MAX_ARRAYS) });
  }

  unpack(whole: unknown, shapes: readonly Shape[]): Slot[] {
    const { op, values, from } = whole as Slot;
    this.#alive(whole as Slot, 'unpack');
    let at = from;
    return shapes.map((shape) => {
      const piece = this.#share(values, op, shape, at);
      at += piece.length;
      return piece;
    });
  }

  async read(handle: unknown, length: number): Promise<Float32Array> {
    const slot = handle as Slot;
    this.#alive(slot, 'read');
    if (length === 0) return new Float32Array(0);
    if (length < slot.values.length) return this.#readPiece(slot);
    let reading: { rows: Rows | Promise<Rows> } | undefined;
    await this.#enqueue(async () => {
      const { raw, error } = slot.values;
      if (error) throw error;
      // started in order, but awaited outside the queue, so that later launches do not wait for it
      reading = { rows: isResident(raw!) ? raw.toArray() : raw!.slice() };
      if (reading.rows instanceof Promise) reading.rows.catch(() => {});
    }).catch((error) => {
      throw this.#error('read', slot.shape, error);
    });
    const rows = await Promise.resolve(reading!.rows).catch((error) => {
      throw this.#error('read', slot.shape, error);
    });
    this.#checkFault('read', slot.shape);
    return flatten(rows, length);
  }

  free(handle: unknown): void {
    const slot = handle as Slot;
    this.#alive(slot, 'free');
    slot.freed = true;
    this.#live--;
    const { values } = slot;
    if (--values.slots > 0) return;
    this.#bytes -= 4 * values.length;
    void this.#enqueue(async () => {
      for (const raw of [values.raw, ...(values.cached?.values() ?? [])]) if (raw) this.#launcher.delete(raw);
      this.#bytes -= 4 * values.cachedLength;
      values.raw = undefined;
      values.cached = undefined;
    });
  }

  async sync(): Promise<void> {
    await this.#tail;
    await this.#backend.drain();
    this.#checkFault('sync', []);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#tail;
    this.#launcher.close();
    await this.#backend.close();
  }

  stats(): DeviceStats {
    const { kernels, launches } = this.#launcher;
    return { live: this.#live, bytes: this.#bytes, kernels: kernels.size, launches };
  }
  /** Launches and host time by op and shape, most expensive first. */
  profile(): KernelProfile[] {
    return this.#launcher.profile.rows();
  }
  /** Starts the profile anew. */
  resetProfile(): void {
    this.#launcher.profile.reset();
  }
  /** Drops compiled kernels, least recently used first, until at most `keep` are left. */
  evict(keep = 0): void {
    void this.#enqueue(async () => this.#launcher.kernels.trim(keep));
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {}); // an error belongs to the tensor that was to be made, not to the queue
    return result;
  }

  /** A slot that `work` will fill. If `work` or an input failed, the slot holds the error, and reading it throws. */
  #make(op: string, shape: Shape, reads: readonly Slot[], work: () => Promise<Raw>): Slot {
    if (this.#closed) throw new DeviceError(`${this.name}: ${op} on a device that was closed. Open it again.`);
    for (const read of reads) this.#alive(read, op);
    const values: Values = { length: numel(shape), slots: 0, cachedLength: 0 };
    const slot = this.#share(values, op, shape);
    this.#bytes += 4 * values.length;
    if (values.length === 0) return slot;
    void this.#enqueue(async () => {
      try {
        for (const read of reads) if (read.values.error) throw read.values.error;
        this.#checkFault(op, shape);
        values.raw = await (values.length < LARGE ? work() : this.#backend.careful(work));
      } catch (error) {
        if (!(error instanceof DeviceError)) await pause(REASON_DELAY);
        values.error = this.#error(op, shape, error);
      }
    });
    return slot;
  }
  #share(values: Values, op: string, shape: Shape, from = 0): Slot {
    this.#live++;
    return slotOn(values, op, shape, from);
  }

  /** Copies a piece into an array of its own, because gpu.js reads whole arrays only. */
  async #readPiece(piece: Slot): Promise<Float32Array> {
    const shape = [piece.length];
    const copy = this.run({
      op: 'read',
      shape,
      args: [{ handle: piece, shape }],
      passes: () => [identity(piece.length)],
    });
    const values = this.read(copy, piece.length);
    this.free(copy);
    return values;
  }

  async #raw(slot: Slot): Promise<Raw> {
    if (slot.length === 0) return this.#launcher.empty();
    const { raw } = slot.values;
    if (!raw) throw new Error(`the values of ${slot.op} ${show(slot.shape)} were freed before they were read`);
    return raw;
  }
  #alive(slot: Slot, op: string): void {
    if (slot.freed)
      throw new DeviceError(`${this.name}: ${op}: the values of ${slot.op} ${show(slot.shape)} were freed.`);
  }
  #checkFault(op: string, shape: Shape): void {
    if (this.#backend.fault() !== undefined) throw this.#error(op, shape, undefined);
  }
  #error(op: string, shape: Shape, error: unknown): DeviceError {
    if (error instanceof DeviceError) return error;
    const fault = this.#backend.fault(); // after a loss, every later failure has its own message; this is the cause
    const message =
      fault === undefined
        ? (error as Error).message
        : `${fault}. Its tensors are gone; open the device again and load the last checkpoint`;
    const where = `${this.name}: ${op} ${show(shape)}`;
    if (error instanceof OutOfMemory) {
      const used = (this.#bytes / 2 ** 20).toFixed(1);
      return new OutOfMemoryError(
        `${where}: out of memory with ${used} MiB in its arrays (${message}). Free tensors with tensorScope(), or make the batch smaller.`,
        { cause: error },
      );
    }
    return new DeviceError(`${where}: ${message}.`, { cause: error });
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
