/** The gpu.js devices: every op as gpu.js kernels, values resident on the device from op to op. */
import { type Device, isRef, type KernelCall, type Pass, type Ref } from '../device.ts';
import { DeviceError } from '../errors.ts';
import { numel, type Shape, show } from '../shape.ts';
import { type Backend, OutOfMemory, openBackend } from './backend.ts';
import { flatten, isResident, type Mode, type Raw, type Rows } from './gpujs.ts';
import { type Earlier, origin } from './kept.ts';
import { KernelCache } from './kernel-cache.ts';
import { areContiguous, packPasses } from './pack.ts';
import { debugsKernels, type KernelProfile, Profile } from './profile.ts';
import { isSlot, type Slot, slotOn, type Values, type Window, windowOf } from './slot.ts';
import { kernelSource, linearThreads, withOffsets } from './source.ts';

/** Launches between two waits: WebGPU keeps destroyed buffers until its queue has drained. */
const LAUNCHES_IN_FLIGHT = 256;
/** Arrays that one kernel may read: with its result they fill WebGPU's default of 8 storage buffers. */
const MAX_ARRAYS = 7;
/** Milliseconds. A browser whose GPU process has died fails at once, and says why a little later. */
const NEWS_OF_LOSS = 100;
/** From this many values on, a result waits for the answer whether memory sufficed. */
const LARGE = 1 << 22;
/** From this many values on, kernels compute four per thread where they can; below, threads would be too few. */
const FOURS = 4096;
const SETTINGS = {
  pipeline: true,
  immutable: true,
  dynamicArguments: true,
  precision: 'single',
  loopMaxIterations: 1 << 24, // gpu.js ends loops silently after 1000 rounds otherwise
};

export interface DeviceStats {
  /** Values that were made and not yet freed. */
  live: number;
  /** Bytes of all arrays on the device. */
  bytes: number;
  /** Compiled kernels in the cache. */
  kernels: number;
  launches: number;
}

/** Opens `name`: a gpu.js mode, or 'gpujs-cpu' for gpu.js's own JavaScript path. @throws DeviceError when it is missing */
export async function openGpuJs(name: string): Promise<GpuJsDevice> {
  return new GpuJsDevice(name, await openBackend(name === 'gpujs-cpu' ? 'cpu' : (name as Mode)));
}

/**
 * Launches go to gpu.js one by one. Replaying a recorded training step through its `createPipeline` was measured (284
 * launches, webgpu in Node on SwiftShader: a quarter of the processor time), and left out: it keeps no state between
 * calls, so that all parameters and moments go in and come back as arrays at every step; it wants the same launches and
 * scalars every time; and on GL and webasm it gains little or nothing.
 */
export class GpuJsDevice implements Device {
  readonly name: string;
  readonly synchronous = false;
  readonly threads = 1;
  readonly #backend: Backend;
  readonly #kernels: KernelCache;
  readonly #profile = new Profile();
  /** Launches, reads and frees run one after another, in the order the program asked for them. */
  #tail: Promise<unknown> = Promise.resolve();
  /** Stands for arrays without values, which gpu.js cannot hold. */
  #nothing: Raw | undefined;
  #live = 0;
  #bytes = 0;
  #launches = 0;
  #inFlight = 0;
  #closed = false;

  /** Not for users: see `openDevice`. */
  constructor(name: string, backend: Backend) {
    this.name = name;
    this.#backend = backend;
    this.#kernels = new KernelCache(backend.maxKernels);
    if (debugsKernels()) process.once('exit', () => console.error(this.#profile.table(name)));
  }

  /** False once it was closed or lost; `openDevice` then opens a new one. */
  get usable(): boolean {
    return !this.#closed && this.#backend.fault() === undefined;
  }

  upload(values: ArrayLike<number>): Slot {
    const copy = Float32Array.from(values); // the caller may go on writing to its own
    // an identity kernel, so that every argument of every kernel is a handle
    return this.#make('upload', [copy.length], [], () =>
      this.#launch('upload', [copy.length], identity(copy.length), [{ raw: copy }]),
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
        if (pass === passes.at(-1)) return await this.#launch(call.op, call.shape, pass, inputs);
        const { owner, key } = origin(pass, args, earlier);
        let raw = owner?.kept?.get(key);
        if (!raw) {
          raw = await this.#launch(call.op, call.shape, pass, inputs);
          if (owner) {
            owner.kept ??= new Map();
            owner.kept.set(key, raw);
            owner.keptLength += numel(pass.out);
            this.#bytes += 4 * numel(pass.out);
          }
        }
        earlier.set(pass.name!, { raw, owner, key });
      }
      throw new Error('an op without passes');
    } finally {
      for (const { raw, owner } of earlier.values()) if (!owner) this.#delete(raw);
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
      // started in order and awaited outside the queue: what comes later does not wait for it
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
      for (const raw of [values.raw, ...(values.kept?.values() ?? [])]) if (raw) this.#delete(raw);
      this.#bytes -= 4 * values.keptLength;
      values.raw = undefined;
      values.kept = undefined;
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
    const nothing = this.#nothing;
    this.#nothing = undefined;
    if (nothing) this.#delete(nothing);
    this.#kernels.trim(0);
    await this.#backend.close();
  }

  stats(): DeviceStats {
    return { live: this.#live, bytes: this.#bytes, kernels: this.#kernels.size, launches: this.#launches };
  }
  /** Launches and host time per op and shape, most expensive first. */
  profile(): KernelProfile[] {
    return this.#profile.rows();
  }
  resetProfile(): void {
    this.#profile.reset();
  }
  /** Drops compiled kernels, the longest unused first, until at most `keep` are left. */
  evict(keep = 0): void {
    void this.#enqueue(async () => this.#kernels.trim(keep));
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {}); // an error belongs to the tensor that it made, not to the queue
    return result;
  }

  /** A slot that `work` will fill. An error, its own or that of a tensor it reads, stays with it. */
  #make(op: string, shape: Shape, reads: readonly Slot[], work: () => Promise<Raw>): Slot {
    if (this.#closed) throw new DeviceError(`${this.name}: ${op} on a device that was closed. Open it again.`);
    for (const read of reads) this.#alive(read, op);
    const values: Values = { length: numel(shape), slots: 0, keptLength: 0 };
    const slot = this.#share(values, op, shape);
    this.#bytes += 4 * values.length;
    if (values.length === 0) return slot;
    void this.#enqueue(async () => {
      try {
        for (const read of reads) if (read.values.error) throw read.values.error;
        this.#checkFault(op, shape);
        values.raw = await (values.length < LARGE ? work() : this.#backend.careful(work));
      } catch (error) {
        if (!(error instanceof DeviceError)) await pause(NEWS_OF_LOSS);
        values.error = this.#error(op, shape, error);
      }
    });
    return slot;
  }
  #share(values: Values, op: string, shape: Shape, from = 0): Slot {
    this.#live++;
    return slotOn(values, op, shape, from);
  }

  /** What is read is a whole array, so a piece is copied into one. */
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

  async #launch(op: string, shape: Shape, pass: Pass, args: (Window | number)[]): Promise<Raw> {
    const { gpu, declaresArguments, fixesRanks, fours, maxThreads, maxValues, limit } = this.#backend;
    const count = numel(pass.out);
    if (count === 0) return this.#empty();
    if (count > maxValues) {
      throw new DeviceError(
        `${this.name}: ${op} ${show(shape)}: expected at most ${maxValues} values in one array (${limit}), got ${count}. Use a smaller batch, or the cpu device.`,
      );
    }
    const arrays = args.filter((a) => typeof a !== 'number');
    if (arrays.length > MAX_ARRAYS)
      throw new Error(`expected at most ${MAX_ARRAYS} arrays in a kernel, got ${arrays.length}`);
    const four = fours && count >= FOURS ? pass.four : undefined;
    const kinds: string[] = [];
    const values: (Raw | number)[] = [];
    for (const a of args) {
      if (typeof a === 'number') values.push(a);
      else values.push(a.raw, ...(a.at === undefined ? [] : [a.at]));
      kinds.push(...(typeof a === 'number' ? ['Number'] : a.at === undefined ? ['Array'] : ['Array', 'Integer']));
    }
    const started = performance.now();
    const ranks = fixesRanks ? arrays.map(({ raw }) => (isResident(raw) ? raw.output.length : 0)) : '';
    const key = `${pass.out}|${Object.keys(pass.inputs)}|${kinds}|${ranks}|${pass.body}`;
    let kernel = this.#kernels.get(key);
    const fresh = !kernel;
    if (!kernel) {
      const wanted = four ? { ...pass, out: [pass.out[0] / 4, ...pass.out.slice(1)], body: four } : pass;
      const tooWide = wanted.out.length > 1 && wanted.out.some((n, i) => n > maxThreads[i]);
      const { out, body } = tooWide ? linearThreads(wanted) : wanted;
      const offset = Object.keys(pass.inputs).filter((_, i) => (args[i] as Window).at !== undefined);
      kernel = gpu.createKernel(kernelSource(withOffsets({ ...pass, body }, offset)), {
        ...SETTINGS,
        output: [...out],
        ...(declaresArguments && { argumentTypes: kinds }),
      });
      this.#kernels.add(key, kernel);
    }
    const result = await kernel(...values);
    if (fresh && kernel.kernel.constructor !== gpu.Kernel) {
      throw new Error(
        `expected gpu.js to run it on ${this.name}, got a silent fallback to ${kernel.kernel.constructor.mode} (${kernel.fallbackReason ?? 'no reason given'})`,
      );
    }
    this.#backend.release(kernel);
    this.#launches++;
    this.#profile.add(op, show(shape), performance.now() - started);
    if (++this.#inFlight >= LAUNCHES_IN_FLIGHT) {
      this.#inFlight = 0;
      await this.#backend.drain();
    }
    if (!('toArray' in result)) return flatten(result, count);
    if (four) Object.assign(result, { output: pass.out, componentCount: 1 }); // the fours lie side by side already
    return result;
  }

  async #empty(): Promise<Raw> {
    this.#nothing ??= await this.#launch('upload', [1], identity(1), [{ raw: new Float32Array(1) }]);
    return this.#nothing;
  }
  async #raw(slot: Slot): Promise<Raw> {
    if (slot.length === 0) return this.#empty();
    const { raw } = slot.values;
    if (!raw) throw new Error(`the values of ${slot.op} ${show(slot.shape)} were freed before they were read`);
    return raw;
  }
  #delete(raw: Raw): void {
    if (isResident(raw) && raw !== this.#nothing) raw.delete();
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
    const fault = this.#backend.fault(); // a lost device fails in many words, of which this is the cause
    let message =
      fault === undefined
        ? (error as Error).message
        : `${fault}. Its tensors are gone; open the device again and load the last checkpoint`;
    if (error instanceof OutOfMemory) {
      const used = (this.#bytes / 2 ** 20).toFixed(1);
      message = `out of memory with ${used} MiB in its arrays (${message}). Free tensors with tensorScope(), or make the batch smaller`;
    }
    return new DeviceError(`${this.name}: ${op} ${show(shape)}: ${message}.`, { cause: error });
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const identity = (n: number): Pass => ({ out: [n], inputs: { a: 0 }, body: 'return a[this.thread.x];' });
