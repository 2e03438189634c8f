/**
 * The default device: WebAssembly SIMD kernels on all cores. Values stay in one shared memory between ops; a handle is
 * a byte address. An op runs as a compiled formula, as a hand-written routine, or, without either, as plain JavaScript.
 */
import {
  type Device,
  type Handle,
  isRef,
  type KernelArg,
  type KernelCall,
  type MatmulPrecision,
  matmulPrecisions,
  type Ref,
} from '../device.ts';
import { DeviceError } from '../errors.ts';
import { type Expr, type Formula, substitute } from '../formula.ts';
import { runPasses } from '../passes.ts';
import { numel } from '../shape.ts';
import { type CacheKey, TensorCache } from './cache.ts';
import { elementwiseKernel, formulaCost, type Variable } from './elementwise.ts';
import type { Params, WasmFunction } from './function.ts';
import type { Kernel, Launch, Numbers } from './kernel.ts';
import { kernels, routines } from './kernels/index.ts';
import { CpuMemory, LAYOUT } from './memory.ts';
import { buildModule, ConstantTable, supportsRelaxedMadd, type WasmModule } from './module.ts';
import { availableThreads, canShare, mostThreads, onX86, setEngineFlags } from './platform.ts';
import type { Cpu, CpuArg, CpuRef, Routine } from './routine.ts';
import { Threads } from './threads.ts';
import { waitingFunctions } from './worker.ts';

export interface CpuOptions {
  /** Default: one per core. One where workers or shared memory are missing. */
  readonly threads?: number;
  /** Default: 'highest'. */
  readonly matmulPrecision?: MatmulPrecision;
  /** Size to which memory may grow, at most 4096. */
  readonly maximumMiB?: number;
}

/** Formulas compiled for certain kinds of arguments. */
interface Compiled {
  /** Absent when a function has no SIMD form. */
  readonly kernel?: Kernel;
  /** Scalar operations per element. */
  readonly cost: number;
}
/** Kinds of arguments, one letter each. */
const KIND: Readonly<Record<string, Variable['kind']>> = { f: 'full', o: 'one', s: 'scalar' };

/** Threads' ranges of elementwise loops begin at cache lines, so that no two threads write the same one. */
const UNIT = 16;

export class CpuDevice implements Device, Cpu {
  readonly name = 'cpu';
  readonly synchronous = true;
  readonly threads: number;
  readonly fma: boolean;
  readonly matmulPrecision: MatmulPrecision;
  readonly memory: CpuMemory;
  readonly #constants = new ConstantTable(LAYOUT.constants, LAYOUT.constantCapacity);
  readonly #threads: Threads;
  readonly #cache: TensorCache;
  /** What the routine that runs has allocated and not freed: floats by address. */
  #scratch: Map<number, number> | undefined;
  #closed = false;
  /** By formula object and kinds of arguments, which is fast; and by the formula's text. */
  readonly #byFormula = new WeakMap<object, Map<string, Compiled>>();
  readonly #byText = new Map<string, Compiled>();

  constructor({ threads, matmulPrecision = 'highest', maximumMiB = 4096 }: CpuOptions = {}) {
    if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= mostThreads())) {
      throw new DeviceError(`cpu: expected a whole number of threads from 1 to ${mostThreads()}, got ${threads}.`);
    }
    if (!matmulPrecisions.includes(matmulPrecision)) {
      throw new DeviceError(
        `cpu: expected matmulPrecision ${matmulPrecisions.join(' or ')}, got '${matmulPrecision}'.`,
      );
    }
    setEngineFlags();
    this.threads = canShare() ? (threads ?? availableThreads()) : 1;
    this.fma = supportsRelaxedMadd();
    this.matmulPrecision = onX86() ? matmulPrecision : 'highest';
    this.memory = new CpuMemory({ shared: this.threads > 1, maximumMiB });
    this.#cache = new TensorCache(this.memory);
    this.#threads = new Threads(this.memory, this.threads, this.#build([...waitingFunctions, ...kernels]));
  }

  upload(values: ArrayLike<number>): number {
    this.#expectOpen('upload');
    const at = this.alloc(values.length);
    this.memory.floats.set(values, at / 4);
    return at;
  }
  read(handle: Handle, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#view(handle, length)); // a copy, outside shared memory
  }
  run(call: KernelCall): number {
    this.#expectOpen(call.op);
    const length = numel(call.shape);
    const y = this.alloc(length);
    if (length === 0) return y;
    try {
      if (call.formula && this.#runFormula(call.formula, y, length, call.args)) return y;
      const routine = call.args.some(isEmpty) ? undefined : routines[call.op]; // routines divide by lengths
      if (routine) this.#runRoutine(routine, { at: y, shape: call.shape }, call.args.map(toCpu));
      else runPasses(call, this.#view(y, length), (tensor) => this.#view(tensor.handle, numel(tensor.shape)));
    } catch (error) {
      this.memory.free(y, length);
      throw error;
    }
    return y;
  }
  update(
    targets: readonly Ref[],
    names: readonly string[],
    formulas: readonly Formula[],
    refs: readonly Ref[],
    scalars: Readonly<Record<string, number>>,
  ): void {
    this.#expectOpen('update');
    for (const { handle } of targets) this.#cache.drop(handle as number);
    const length = numel(targets[0].shape);
    const args = [...targets, ...refs].map((r) => r.handle as number);
    const params = formulas[0].params; // the names of refs, then those of scalars
    for (const name of params.slice(names.length)) args.push(scalars[name]);
    const kinds = refs.map((r) => kindOf(r, length)).join('') + 's'.repeat(params.length - names.length);
    const { kernel, cost } = this.#compiled(formulas, params, kinds, () => {
      const now: Record<string, Expr> = {}; // later formulas see the new values of earlier targets
      return formulas.map((f, i) => {
        const body = substitute(f.body, now);
        now[names[i]] = body;
        return body;
      });
    });
    if (!kernel) throw new DeviceError('update: expected functions with a SIMD form, got sin, cos, acos or pow.');
    this.#threads.parallel(kernel, { items: length, work: length * cost, unit: UNIT }, args);
  }
  free(at: Handle, length: number): void {
    this.#scratch?.delete(at as number);
    this.#cache.drop(at as number);
    this.memory.free(at as number, length);
  }
  alloc(floats: number): number {
    const at = this.memory.alloc(floats);
    this.#scratch?.set(at, floats);
    return at;
  }
  cached(key: CacheKey, fill: (at: number) => void): number | undefined {
    return this.#cache.get(key, fill);
  }
  parallel<P extends Params>(kernel: Kernel<P>, launch: Launch, args: Numbers<P>): void {
    this.#threads.parallel(kernel, launch, kernel.inOrder(args));
  }
  /** Ops have run when they return; this waits for the worker threads to start, which first timings should do. */
  async sync(): Promise<void> {
    await this.#threads.started();
  }
  get capacity(): number {
    return this.memory.maximum;
  }
  get usable(): boolean {
    return !this.#closed;
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#threads.close();
  }

  #expectOpen(op: string): void {
    if (this.#closed) throw new DeviceError(`cpu: ${op} on a device that was closed. Open it again.`);
  }

  readonly #view = (handle: Handle, length: number): Float32Array<ArrayBufferLike> =>
    this.memory.floats.subarray((handle as number) / 4, (handle as number) / 4 + length);

  /** A routine that runs out of memory halfway leaves none of it in use. */
  #runRoutine(routine: Routine, y: CpuRef, args: readonly CpuArg[]): void {
    const scratch = new Map<number, number>();
    this.#scratch = scratch;
    try {
      routine(this, y, ...args);
    } catch (error) {
      for (const [at, floats] of scratch) this.memory.free(at, floats);
      throw error;
    } finally {
      this.#scratch = undefined;
    }
  }

  /** Returns false when a function has no SIMD form. */
  #runFormula(f: Formula, y: number, length: number, args: readonly KernelArg[]): boolean {
    let kinds = '';
    const values = [y];
    for (let i = 0; i < f.params.length; i++) {
      const arg = args[i]!;
      const tensor = isRef(arg);
      kinds += tensor ? kindOf(arg, length) : 's';
      values.push((tensor ? arg.handle : arg) as number);
    }
    const { kernel, cost } = this.#compiled(f, f.params, kinds, () => [f.body]);
    if (!kernel) return false;
    this.#threads.parallel(kernel, { items: length, work: length * cost, unit: UNIT }, values);
    return true;
  }

  #compiled(key: object, params: readonly string[], kinds: string, bodies: () => readonly Expr[]): Compiled {
    let known = this.#byFormula.get(key);
    if (!known) {
      known = new Map();
      this.#byFormula.set(key, known);
    }
    let compiled = known.get(kinds);
    if (!compiled) {
      compiled = this.#compile(bodies(), params, kinds);
      known.set(kinds, compiled);
    }
    return compiled;
  }
  #compile(bodies: readonly Expr[], params: readonly string[], kinds: string): Compiled {
    const text = `${bodies.map((b) => b.id)} ${params} ${kinds}`;
    let compiled = this.#byText.get(text);
    if (!compiled) {
      const cost = formulaCost(bodies);
      compiled = { cost };
      if (cost < Infinity) {
        const variables = params.map((name, i) => ({ name, kind: KIND[kinds[i]] }));
        const kernel = elementwiseKernel(`formula ${text}`, bodies, variables);
        this.#threads.load(this.#build([kernel]));
        compiled = { kernel, cost };
      }
      this.#byText.set(text, compiled);
    }
    return compiled;
  }
  /** The module of these functions; the constants that they read are in memory afterwards. */
  #build(functions: readonly WasmFunction[]): WasmModule {
    const options = { fma: this.fma, constants: this.#constants, shared: this.threads > 1 };
    const module = buildModule(functions, options);
    this.#constants.store(this.memory.floats);
    return module;
  }
}

const kindOf = (r: Ref, length: number): 'f' | 'o' => (numel(r.shape) === length ? 'f' : 'o');
const isEmpty = (arg: KernelArg): boolean => isRef(arg) && numel(arg.shape) === 0;
const toCpu = (arg: KernelArg): CpuArg => (isRef(arg) ? { at: arg.handle as number, shape: arg.shape } : arg);
