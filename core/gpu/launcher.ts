/** Compiles passes to gpu.js kernels, once per source and size, and launches them. */
import type { Pass } from '../device.ts';
import { DeviceError } from '../errors.ts';
import { numel, type Shape, show } from '../shape.ts';
import type { Backend } from './backend.ts';
import { type BuiltKernel, flatten, isResident, lengthOf, type Raw } from './gpujs.ts';
import { KernelCache } from './kernel-cache.ts';
import { debugsKernels, Profile } from './profile.ts';
import type { Window } from './slot.ts';
import { checkQuotients, exactIndices, kernelSource, linearThreads, withOffsets } from './source.ts';

/** Arrays that one kernel may read. With its result that is WebGPU's default limit of 8 storage buffers. */
export const MAX_ARRAYS = 7;
/** Launches between two waits for the queue: WebGPU frees destroyed buffers only when its queue is empty. */
const LAUNCHES_IN_FLIGHT = 256;
/** Kernels with at least this many values compute four per thread where they can; smaller ones need all their threads. */
const FOURS = 4096;
const SETTINGS = {
  pipeline: true,
  immutable: true,
  dynamicArguments: true,
  precision: 'single',
  loopMaxIterations: 1 << 24, // by default gpu.js silently ends loops after 1000 iterations
};

/** A pass that copies n values. */
export const identity = (n: number): Pass => ({ out: [n], inputs: { a: 0 }, body: 'return a[this.thread.x];' });

export class Launcher {
  readonly kernels: KernelCache;
  readonly profile = new Profile();
  /** Launches so far. */
  launches = 0;
  readonly #device: string;
  readonly #backend: Backend;
  #inFlight = 0;
  /** Stands in for empty arrays, which gpu.js cannot hold. */
  #nothing: Raw | undefined;

  constructor(device: string, backend: Backend) {
    this.#device = device;
    this.#backend = backend;
    this.kernels = new KernelCache(backend.maxKernels);
    if (debugsKernels()) process.once('exit', () => console.error(this.profile.table(device)));
  }

  /**
   * Launches a pass, building its kernel if it is new.
   *
   * @param op, shape  of the op that it belongs to, for errors and the profile
   * @param args       in the order of the pass's inputs
   * @throws DeviceError when the result is too large for the device; Error when gpu.js cannot run the source there
   */
  async launch(op: string, shape: Shape, pass: Pass, args: readonly (Window | number)[]): Promise<Raw> {
    const { maxValues, limit, fours } = this.#backend;
    const count = numel(pass.out);
    if (count === 0) return this.empty();
    if (count > maxValues) {
      throw new DeviceError(
        `${this.#device}: ${op} ${show(shape)}: expected at most ${maxValues} values in one array (${limit}), got ${count}. Use a smaller batch, or the cpu device.`,
      );
    }
    const arrays = args.filter((a) => typeof a !== 'number');
    if (arrays.length > MAX_ARRAYS)
      throw new Error(`expected at most ${MAX_ARRAYS} arrays in a kernel, got ${arrays.length}`);
    const four = fours && count >= FOURS ? pass.four : undefined;
    const started = performance.now();
    const kernel = this.#kernelFor(pass, four, args);
    const result = await kernel(
      ...args.flatMap((a) => (typeof a === 'number' ? [a] : a.at === undefined ? [a.raw] : [a.raw, a.at])),
    );
    const { Kernel } = this.#backend.gpu;
    if (kernel.kernel.constructor !== Kernel) {
      throw new Error(
        `expected gpu.js to run it on ${this.#device}, got a silent fallback to ${kernel.kernel.constructor.mode} (${kernel.fallbackReason ?? 'no reason given'})`,
      );
    }
    this.#backend.release(kernel);
    this.launches++;
    this.profile.add(op, show(shape), performance.now() - started);
    if (++this.#inFlight >= LAUNCHES_IN_FLIGHT) {
      this.#inFlight = 0;
      await this.#backend.drain();
    }
    if (!('toArray' in result)) return flatten(result, count);
    if (four) Object.assign(result, { output: pass.out, componentCount: 1 }); // the values are in order already
    return result;
  }

  /** The array that stands in for empty ones. */
  async empty(): Promise<Raw> {
    this.#nothing ??= await this.launch('upload', [1], identity(1), [{ raw: new Float32Array(1) }]);
    return this.#nothing;
  }

  /** Frees an array on the device. */
  delete(raw: Raw): void {
    if (isResident(raw) && raw !== this.#nothing) raw.delete();
  }

  close(): void {
    const nothing = this.#nothing;
    this.#nothing = undefined;
    if (nothing) this.delete(nothing);
    this.kernels.trim(0);
  }

  #kernelFor(pass: Pass, four: string | undefined, args: readonly (Window | number)[]): BuiltKernel {
    const { gpu, declaresArguments, fixesRanks, farIndices, maxThreads } = this.#backend;
    const argumentTypes = args.flatMap((a) =>
      typeof a === 'number' ? ['Number'] : a.at === undefined ? ['Array'] : ['Array', 'Integer'],
    );
    const ranks = fixesRanks
      ? args.map((a) => (typeof a !== 'number' && isResident(a.raw) ? a.raw.output.length : 0))
      : '';
    const longest = Math.max(...args.map((a) => (typeof a === 'number' ? 0 : lengthOf(a.raw))));
    const exact = exactIndices(pass, longest, farIndices);
    const key = `${pass.out}|${Object.keys(pass.inputs)}|${argumentTypes}|${ranks}|${exact.body}`;
    let kernel = this.kernels.get(key);
    if (!kernel) {
      checkQuotients(pass);
      const wanted = four ? { ...pass, out: [pass.out[0] / 4, ...pass.out.slice(1)], body: four } : exact;
      const tooWide = wanted.out.length > 1 && wanted.out.some((n, i) => n > maxThreads[i]);
      const { out, body } = tooWide ? linearThreads(wanted) : wanted;
      const offset = Object.keys(pass.inputs).filter((_, i) => (args[i] as Window).at !== undefined);
      kernel = gpu.createKernel(kernelSource(withOffsets({ ...pass, body }, offset)), {
        ...SETTINGS,
        output: [...out],
        ...(declaresArguments && { argumentTypes }),
      });
      this.kernels.add(key, kernel);
    }
    return kernel;
  }
}
