/** The gpu.js devices: every op as gpu.js kernels, values resident on the device from op to op. */
import { type Device, DeviceError, isRef, type KernelCall, type Pass } from '../device.ts';
import { numel, type Shape, show } from '../shape.ts';
import { type Backend, openBackend } from './backend.ts';
import { flatten, isResident, type Mode, type Raw, type Rows } from './gpujs.ts';
import { KernelCache } from './kernel-cache.ts';
import { debugsKernels, type KernelProfile, Profile } from './profile.ts';
import { kernelSource, linearThreads } from './source.ts';

/** Values on the device, or what became of them. An op returns it at once; the queue fills it in. */
interface Slot {
  readonly op: string;
  readonly shape: Shape;
  readonly length: number;
  raw?: Raw | undefined;
  error?: DeviceError;
  freed: boolean;
}
const isSlot = (x: unknown): x is Slot => typeof x === 'object' && x !== null && 'freed' in x;

/** Launches between two waits: WebGPU keeps destroyed buffers until its queue has drained. */
const LAUNCHES_IN_FLIGHT = 256;
/** Arrays that one kernel may read: with its result they fill WebGPU's default of 8 storage buffers. */
const MAX_ARRAYS = 7;
/** From this many values on, a result waits for the answer whether memory sufficed. */
const LARGE = 1 << 22;
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
  /** Compiled kernels in the cache. */
  kernels: number;
  launches: number;
}

/** Opens `name`: a gpu.js mode, or 'gpujs-cpu' for gpu.js's own JavaScript path. @throws DeviceError when it is missing */
export async function openGpuJs(name: string): Promise<GpuJsDevice> {
  return new GpuJsDevice(name, await openBackend(name === 'gpujs-cpu' ? 'cpu' : (name as Mode)));
}

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
      this.#launch('upload', [copy.length], identity(copy.length), [copy]),
    );
  }

  run(call: KernelCall): Slot {
    const args = call.args.map((a) => (isRef(a) ? (a.handle as Slot) : a));
    return this.#make(call.op, call.shape, args.filter(isSlot), async () => {
      const named = new Map<string, Raw>();
      const passes = call.passes();
      try {
        for (const [i, pass] of passes.entries()) {
          const inputs: (Raw | number)[] = [];
          for (const from of Object.values(pass.inputs)) {
            const arg = typeof from === 'string' ? named.get(from)! : args[from];
            inputs.push(isSlot(arg) ? await this.#raw(arg) : (arg as Raw | number));
          }
          const raw =
            numel(pass.out) === 0 ? await this.#empty() : await this.#launch(call.op, call.shape, pass, inputs);
          if (i === passes.length - 1) return raw;
          named.set(pass.name!, raw);
        }
        throw new Error('an op without passes');
      } finally {
        for (const raw of named.values()) if (raw !== this.#nothing) this.#delete(raw);
      }
    });
  }

  async read(handle: unknown, length: number): Promise<Float32Array> {
    const slot = handle as Slot;
    this.#alive(slot, 'read');
    if (length === 0) return new Float32Array(0);
    let reading: { rows: Rows | Promise<Rows> } | undefined;
    await this.#enqueue(async () => {
      if (slot.error) throw slot.error;
      // started in order and awaited outside the queue: what comes later does not wait for it
      reading = { rows: isResident(slot.raw!) ? slot.raw.toArray() : slot.raw!.slice() };
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
    void this.#enqueue(async () => {
      if (slot.raw) this.#delete(slot.raw);
      slot.raw = undefined;
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
    if (this.#nothing) this.#delete(this.#nothing);
    this.#kernels.trim(0);
    await this.#backend.close();
  }

  stats(): DeviceStats {
    return { live: this.#live, kernels: this.#kernels.size, launches: this.#launches };
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
    const slot: Slot = { op, shape, length: numel(shape), freed: false };
    this.#live++;
    if (slot.length === 0) return slot;
    void this.#enqueue(async () => {
      try {
        for (const read of reads) if (read.error) throw read.error;
        this.#checkFault(op, shape);
        slot.raw = await (slot.length < LARGE ? work() : this.#backend.careful(work));
      } catch (error) {
        slot.error = this.#error(op, shape, error);
      }
    });
    return slot;
  }

  async #launch(op: string, shape: Shape, pass: Pass, args: (Raw | number)[]): Promise<Raw> {
    const { gpu, declaresArguments, fixesRanks, maxThreads, maxValues, limit } = this.#backend;
    const count = numel(pass.out);
    if (count > maxValues) {
      throw new DeviceError(
        `${this.name}: ${op} ${show(shape)}: expected at most ${maxValues} values in one array (${limit}), got ${count}. Use a smaller batch, or the cpu device.`,
      );
    }
    const kinds = args.map((a) => (typeof a === 'number' ? 'Number' : 'Array'));
    const arrays = kinds.filter((k) => k === 'Array').length;
    if (arrays > MAX_ARRAYS) throw new Error(`expected at most ${MAX_ARRAYS} arrays in a kernel, got ${arrays}`);
    const started = performance.now();
    const ranks = fixesRanks ? args.map((a) => (typeof a === 'object' && isResident(a) ? a.output.length : 0)) : '';
    const key = `${pass.out}|${Object.keys(pass.inputs)}|${kinds}|${ranks}|${pass.body}`;
    let kernel = this.#kernels.get(key);
    const fresh = !kernel;
    if (!kernel) {
      const tooWide = pass.out.length > 1 && pass.out.some((n, i) => n > maxThreads[i]!);
      const { out, body } = tooWide ? linearThreads(pass) : pass;
      kernel = gpu.createKernel(kernelSource({ ...pass, body }), {
        ...SETTINGS,
        output: [...out],
        ...(declaresArguments && { argumentTypes: kinds }),
      });
      this.#kernels.add(key, kernel);
    }
    const result = await kernel(...args);
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
    return 'toArray' in result ? result : flatten(result, count);
  }

  async #empty(): Promise<Raw> {
    this.#nothing ??= await this.#launch('upload', [1], identity(1), [new Float32Array(1)]);
    return this.#nothing;
  }
  async #raw(slot: Slot): Promise<Raw> {
    if (slot.length === 0) return this.#empty();
    if (!slot.raw) throw new Error(`the values of ${slot.op} ${show(slot.shape)} were freed before they were read`);
    return slot.raw;
  }
  #delete(raw: Raw): void {
    if (isResident(raw)) raw.delete();
  }
  #alive(slot: Slot, op: string): void {
    if (slot.freed)
      throw new DeviceError(`${this.name}: ${op}: the values of ${slot.op} ${show(slot.shape)} were freed.`);
  }
  #checkFault(op: string, shape: Shape): void {
    const fault = this.#backend.fault();
    if (fault)
      throw this.#error(
        op,
        shape,
        new Error(`${fault}. Its tensors are gone; open the device again and load the last checkpoint`),
      );
  }
  #error(op: string, shape: Shape, error: unknown): DeviceError {
    if (error instanceof DeviceError) return error;
    const { message } = error as Error;
    return new DeviceError(`${this.name}: ${op} ${show(shape)}: ${message}.`, { cause: error });
  }
}

const identity = (n: number): Pass => ({ out: [n], inputs: { a: 0 }, body: 'return a[this.thread.x];' });
