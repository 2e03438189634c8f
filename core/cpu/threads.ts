/**
 * Worker threads that run slices of kernels and meet at a barrier.
 *
 * A worker knows the shared memory only: it waits for the sequence word to change, reads the index of a kernel and its
 * arguments, runs its range, and counts itself done. Modules form a linked list in memory, and before each kernel a
 * worker loads those that are new. Waiting means spinning for a moment and then sleeping, so that a stream of ops costs
 * no system calls and an idle process no time. Sleeping workers are woken once, ahead of their next kernel.
 */
import { DeviceError } from '../errors.ts';
import type { WasmFunction } from './function.ts';
import { type Kernel, type Launch, SCRATCH_FLOATS } from './kernel.ts';
import { type CpuMemory, LAYOUT } from './memory.ts';
import type { WasmModule } from './module.ts';
import { builtin } from './platform.ts';
import {
  ARGS,
  BROWSER_WORKER,
  CALLER_SPIN,
  FAILURE,
  MAX_ARGS,
  NODE_WORKER,
  STOP,
  WORD,
  WORDS,
  waitingFunctions,
} from './worker.ts';

/** Below this many scalar operations a barrier costs more than it gains. */
const WORK_PER_BARRIER = 131072;
/** An op of this size wakes sleeping workers ahead of the next: waking takes tens of microseconds (sampling: 3 %). */
const WORK_PER_WAKE = 4096;

type Compiled = (...args: number[]) => void;
interface WorkerHandle {
  terminate(): unknown;
}

export class Threads {
  /** Threads that take part, the calling one included. */
  readonly count: number;
  readonly #memory: CpuMemory;
  readonly #functions = new Map<WasmFunction, { index: number; run: Compiled }>();
  readonly #control: Int32Array;
  readonly #args: Float64Array;
  readonly #scratch: number;
  readonly #workers: WorkerHandle[] = [];
  readonly #maySleep = typeof document === 'undefined'; // a browser's page must not
  #sequence = 0;
  #functionCount = 0;
  #lastModule = 0;
  #ready = false;
  /** Workers were woken since the last kernel that all threads ran. */
  #awake = false;
  readonly #awaitDone: Compiled;
  #startError: Error | undefined;

  /** @param module  contains waitingFunctions */
  constructor(memory: CpuMemory, count: number, module: WasmModule) {
    this.#memory = memory;
    this.count = count;
    this.#control = new Int32Array(memory.memory.buffer, LAYOUT.control, WORDS);
    this.#args = new Float64Array(memory.memory.buffer, LAYOUT.control + ARGS, MAX_ARGS);
    this.#scratch = memory.alloc(SCRATCH_FLOATS * count);
    this.load(module);
    this.#awaitDone = this.#functions.get(waitingFunctions[1])!.run;
    for (let id = 1; id < count; id++) this.#workers.push(this.#start(id));
  }

  /** Adds the functions of a module; every thread has them from the next `parallel` on. */
  load({ bytes, functions }: WasmModule): void {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: this.#memory.memory } });
    for (const declared of functions) {
      this.#functions.set(declared, { index: this.#functionCount++, run: exports[declared.name] as Compiled });
    }
    if (this.count === 1) return;
    const at = this.#memory.alloc(2 + Math.ceil(bytes.length / 4));
    const buffer = this.#memory.memory.buffer;
    new Int32Array(buffer, at, 2).set([0, bytes.length]);
    new Uint8Array(buffer, at + 8, bytes.length).set(bytes);
    if (this.#lastModule) new Int32Array(buffer, this.#lastModule, 1)[0] = at;
    else this.#control[WORD.modules] = at;
    this.#lastModule = at;
  }

  /**
   * See Cpu.parallel. Until every worker has started, all ranges run on the calling thread.
   *
   * @param args  in the order of the kernel's declaration
   */
  parallel(kernel: Kernel, { items, work, unit = 1 }: Launch, args: readonly number[]): void {
    const found = this.#functions.get(kernel);
    if (!found)
      throw new DeviceError(
        `cpu: expected a kernel of the device, got '${kernel.name}'. ` +
          `List it in 'kernels' of its file, and the file in kernels/index.ts.`,
      );
    if (items === 0) return;
    if (work < WORK_PER_BARRIER || this.count === 1 || items <= unit || !this.#allReady()) {
      if (work >= WORK_PER_WAKE && this.count > 1 && !this.#awake) this.#wake(); // a larger op may follow
      found.run(0, items, this.#scratch, ...args);
      return;
    }
    if (args.length > MAX_ARGS)
      throw new DeviceError(`cpu: expected at most ${MAX_ARGS} arguments of '${kernel.name}', got ${args.length}.`);
    const control = this.#control;
    for (let i = 0; i < args.length; i++) this.#args[i] = args[i];
    control[WORD.kernel] = found.index;
    control[WORD.argCount] = args.length;
    control[WORD.items] = items;
    control[WORD.unit] = unit;
    this.#publish();
    const share = Math.ceil(Math.ceil(items / unit) / this.count) * unit;
    try {
      found.run(0, Math.min(items, share), this.#scratch, ...args);
    } finally {
      this.#awaitDone(this.count - 1, CALLER_SPIN, this.#maySleep ? 1 : 0);
    }
    if (control[WORD.failed]) throw this.#failure(kernel.name);
  }

  /** Resolves when every worker takes part. */
  async started(): Promise<void> {
    while (this.count > 1 && this.#workers.length > 0 && !this.#allReady()) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  /** Ends the workers. */
  async close(): Promise<void> {
    this.#ready = false;
    if (this.#workers.length === 0) return;
    this.#control[WORD.kernel] = STOP;
    this.#publish();
    await Promise.all(this.#workers.map((w) => w.terminate()));
    this.#workers.length = 0;
  }

  #publish(): void {
    Atomics.store(this.#control, WORD.done, 0);
    Atomics.store(this.#control, WORD.sequence, ++this.#sequence | 0);
    this.#wake();
    this.#awake = false;
  }
  /** Wakes sleeping workers; they spin until the next kernel. */
  #wake(): void {
    if (Atomics.load(this.#control, WORD.sleepers) === 0) return;
    this.#awake = true;
    Atomics.notify(this.#control, WORD.sequence);
  }
  #allReady(): boolean {
    if (this.#startError) throw this.#startError;
    this.#ready ||= this.#workers.length > 0 && Atomics.load(this.#control, WORD.ready) === this.count - 1;
    return this.#ready;
  }
  #failure(kernel: string): DeviceError {
    const bytes = new Uint8Array(
      this.#memory.memory.buffer,
      LAYOUT.control + FAILURE,
      this.#control[WORD.failureLength],
    );
    this.#control[WORD.failed] = 0;
    return new DeviceError(`cpu: kernel '${kernel}' stopped on a worker thread: ${String.fromCharCode(...bytes)}`);
  }

  #start(id: number): WorkerHandle {
    const start = {
      memory: this.#memory.memory,
      id,
      threads: this.count,
      scratch: this.#scratch + 4 * SCRATCH_FLOATS * id,
    };
    const failed = (why: unknown): void => {
      this.#startError ??= new DeviceError(
        `cpu: worker thread ${id} failed: ${why instanceof Error ? why.message : why}`,
      );
    };
    const node = builtin<typeof import('node:worker_threads')>('node:worker_threads');
    if (node) {
      const worker = new node.Worker(NODE_WORKER, { eval: true, workerData: start, execArgv: [] });
      worker.unref();
      worker.on('error', failed);
      return worker;
    }
    const worker = new Worker(URL.createObjectURL(new Blob([BROWSER_WORKER], { type: 'text/javascript' })));
    worker.onerror = (event) => failed(event.message);
    worker.postMessage(start);
    return worker;
  }
}
