/**
 * The default device: WebAssembly SIMD kernels on all cores, over one shared memory that values never leave between
 * ops. A handle is a byte address. An op runs as a compiled formula, as a hand-written routine, or, where neither
 * exists, as plain JavaScript.
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
import { DerivedMemory } from './derived.ts';
import { defineElementwise, formulaCost, type Variable } from './elementwise.ts';
import { supportsRelaxedMadd } from './emitter.ts';
import { ConstantTable, KernelBuilder } from './kernel-builder.ts';
import { kernelFiles } from './kernels/index.ts';
import { CpuMemory, LAYOUT } from './memory.ts';
import { availableThreads, canShare, onX86, setEngineFlags } from './platform.ts';
import type { Cpu, CpuArg, Routine } from './routine.ts';
import { defineWaiting, Threads } from './threads.ts';

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
  readonly kernel: string;
  /** Scalar operations per element; Infinity when a function has no SIMD form, and then there is no kernel. */
  readonly cost: number;
}
/** One letter per argument: a tensor of the result's size, a tensor with one element, a number. */
const KIND: Readonly<Record<string, Variable['kind']>> = { f: 'full', o: 'one', s: 'scalar' };

const routines: Readonly<Record<string, Routine>> = Object.assign({}, ...kernelFiles.map((file) => file.routines));
/** Threads' ranges of elementwise loops: a cache line, so that no two threads write the same one. */
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
  readonly #derived: DerivedMemory;
  #closed = false;
  /** By formula object and kinds, so that a call finds its kernel fast; and by what the formula says. */
  readonly #byFormula = new WeakMap<object, Map<string, Compiled>>();
  readonly #byText = new Map<string, Compiled>();

  constructor({ threads, matmulPrecision = 'highest', maximumMiB = 4096 }: CpuOptions = {}) {
    if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1)) {
      throw new DeviceError(`cpu: expected a whole number of threads ≥ 1, got ${threads}.`);
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
    this.#derived = new DerivedMemory(this.memory);
    this.#threads = new Threads(
      this.memory,
      this.threads,
      this.#build((k) => {
        defineWaiting(k);
        for (const file of kernelFiles) file.define(k);
      }),
    );
  }

  upload(values: ArrayLike<number>): number {
    const at = this.alloc(values.length);
    this.memory.floats.set(values, at / 4);
    return at;
  }
  read(handle: Handle, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#view(handle, length)); // a copy, outside shared memory
  }
  run(call: KernelCall): number {
    const length = numel(call.shape);
    const y = this.alloc(length);
    try {
      if (call.formula && this.#runFormula(call.formula, y, length, call.args)) return y;
      const routine = routines[call.op];
      if (routine) routine(this, { at: y, shape: call.shape }, ...call.args.map(toCpu));
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
    for (const { handle } of targets) this.#derived.drop(handle as number);
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
    if (cost === Infinity)
      throw new DeviceError('update: expected functions with a SIMD form, got sin, cos, acos or pow.');
    this.parallel(kernel, length, length * cost, args, UNIT);
  }
  free(at: Handle, length: number): void {
    this.#derived.drop(at as number);
    this.memory.free(at as number, length);
  }
  alloc(floats: number): number {
    return this.memory.alloc(floats);
  }
  derived(...args: Parameters<Cpu['derived']>): number | undefined {
    return this.#derived.get(...args);
  }
  parallel(kernel: string, items: number, work: number, args: readonly number[], unit = 1): void {
    this.#threads.parallel(kernel, items, work, args, unit);
  }
  /** Ops have run when they return; this waits for the worker threads to start, which first timings should do. */
  async sync(): Promise<void> {
    await this.#threads.started();
  }
  get usable(): boolean {
    return !this.#closed;
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#threads.close();
  }

  readonly #view = (handle: Handle, length: number): Float32Array<ArrayBufferLike> =>
    this.memory.floats.subarray((handle as number) / 4, (handle as number) / 4 + length);

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
    if (cost === Infinity) return false;
    this.parallel(kernel, length, length * cost, values, UNIT);
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
      compiled = { kernel: `formula ${text}`, cost: formulaCost(bodies) };
      this.#byText.set(text, compiled);
      const variables = params.map((name, i) => ({ name, kind: KIND[kinds[i]] }));
      if (compiled.cost < Infinity) {
        this.#threads.load(this.#build((k) => defineElementwise(k, compiled!.kernel, bodies, variables)));
      }
    }
    return compiled;
  }
  /** Module bytes of what `define` adds; the constants that it reads are in memory afterwards. */
  #build(define: (k: KernelBuilder) => void): Uint8Array<ArrayBuffer> {
    const k = new KernelBuilder(this.fma, this.#constants);
    define(k);
    this.#constants.store(this.memory.floats);
    return k.build(this.threads > 1);
  }
}

const kindOf = (r: Ref, length: number): 'f' | 'o' => (numel(r.shape) === length ? 'f' : 'o');
const toCpu = (arg: KernelArg): CpuArg => (isRef(arg) ? { at: arg.handle as number, shape: arg.shape } : arg);
