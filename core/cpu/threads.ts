/**
 * Worker threads that run slices of kernels and meet at a barrier.
 *
 * A worker is a function of the shared memory alone: it waits for the sequence word to change, reads a kernel number
 * and arguments, runs its range, and counts itself done. Modules stand in memory as a linked list, which a worker reads
 * on before each kernel. Waiting means spinning for a moment and then sleeping, so that a stream of ops
 * costs no system calls and an idle process no time. Workers that sleep are woken ahead of their next kernel, once.
 */
import { DeviceError } from '../errors.ts';
import { drop, type I32, i32 } from './emitter.ts';
import type { KernelBuilder } from './kernel-builder.ts';
import { ints } from './kernels/locals.ts';
import { type CpuMemory, LAYOUT } from './memory.ts';
import { builtin } from './platform.ts';
import { SCRATCH_FLOATS } from './routine.ts';

/** Words of the control block (index of an int32), on cache lines of their own where several threads write. */
const WORD = {
  sequence: 0, sleepers: 1, // workers wait for the sequence to change
  done: 16, callerSleeps: 17, // the caller waits for all workers to be done
  ready: 32, failed: 33, failureLength: 34,
  kernel: 48, argCount: 49, items: 50, unit: 51, modules: 52,
} as const; // biome-ignore format: one line per cache line
const ARGS = 256; // byte offset of up to 64 float64 arguments
const MAX_ARGS = 64;
const FAILURE = 1024; // byte offset of the message of a kernel that trapped
const FAILURE_BYTES = 1024;
const STOP = -1;

/** Below this many scalar operations a barrier costs more than it gains. */
const WORK_PER_BARRIER = 131072;
/** An op of this size wakes sleeping workers ahead of the next: waking takes tens of microseconds (sampling: 3 %). */
const WORK_PER_WAKE = 4096;
/**
 * Turns of a waiting loop before sleeping, half a nanosecond each or more. Workers spin through the JavaScript between ops: at 100,000
 * they sleep sixty times in a step of the preset tiny, and sampling one picture takes a tenth longer. The caller has less to gain, and
 * turns that it spins are taken from its workers where another program wants a core.
 */
const WORKER_SPIN = 400_000;
const CALLER_SPIN = 50_000;

/** The functions in which threads wait. The constant place of each word is baked in. */
export function defineWaiting(k: KernelBuilder): void {
  const at = (word: number) => i32.const(LAYOUT.control + 4 * word);
  /** Until the word at `place` is (or is not) `value`. */
  const waiting = (name: string, place: number, sleepers: number, until: (now: I32, value: I32) => I32) =>
    k.def(name, 'value spin sleep', (f, a, L) => {
      const { now, turns } = ints(L, 'now turns');
      turns.set(a.spin);
      now.set(i32.atomicLoad(at(place)));
      f.while(i32.eqz(until(now, a.value)), () => {
        a.spin.set(i32.sub(a.spin, i32.const(1)));
        f.if(i32.and(a.sleep, i32.le(a.spin, i32.const(0))), () => {
          f.do(drop(i32.atomicAdd(at(sleepers), i32.const(1))));
          f.do(drop(i32.wait(at(place), now)));
          f.do(drop(i32.atomicAdd(at(sleepers), i32.const(-1))));
          a.spin.set(turns);
        });
        now.set(i32.atomicLoad(at(place)));
      });
    });
  waiting('awaitSequence', WORD.sequence, WORD.sleepers, i32.ne);
  waiting('awaitDone', WORD.done, WORD.callerSleeps, i32.eq);
}

/** Plain JavaScript, because a worker starts without TypeScript; the same source runs in Node and in browsers. */
const WORKER = /* js */ `
const run = ({ memory, id, threads, scratch }) => {
  const I = new Int32Array(memory.buffer, ${LAYOUT.control}, 64);
  const args = new Float64Array(memory.buffer, ${LAYOUT.control + ARGS}, ${MAX_ARGS});
  const kernels = [];
  let tail = 0, wait;
  const load = () => {
    for (;;) {
      const at = (tail ? new Int32Array(memory.buffer, tail, 1)[0] : I[${WORD.modules}]) >>> 0;
      if (!at) return;
      memory.grow(0); // lets memory.buffer reach its present length
      const length = new Int32Array(memory.buffer, at, 2)[1];
      const bytes = new Uint8Array(memory.buffer, at + 8, length).slice();
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory } });
      kernels.push(...Object.values(exports));
      wait ??= exports.awaitSequence;
      tail = at;
    }
  };
  load();
  Atomics.add(I, ${WORD.ready}, 1);
  for (let seen = 0; ; ) {
    wait(seen, ${WORKER_SPIN}, 1);
    seen = Atomics.load(I, ${WORD.sequence});
    if (I[${WORD.kernel}] === ${STOP}) return;
    try {
      load();
      const items = I[${WORD.items}], unit = I[${WORD.unit}];
      const share = Math.ceil(Math.ceil(items / unit) / threads) * unit;
      const begin = Math.min(items, id * share), end = Math.min(items, begin + share);
      if (begin < end) kernels[I[${WORD.kernel}]](begin, end, scratch, ...args.subarray(0, I[${WORD.argCount}]));
    } catch (error) {
      if (Atomics.compareExchange(I, ${WORD.failed}, 0, 1) === 0) {
        const text = Array.from(String(error?.message ?? error).slice(0, ${FAILURE_BYTES}), (c) => c.charCodeAt(0) & 127);
        new Uint8Array(memory.buffer, ${LAYOUT.control + FAILURE}, ${FAILURE_BYTES}).set(text);
        I[${WORD.failureLength}] = text.length;
      }
    }
    if (Atomics.add(I, ${WORD.done}, 1) === threads - 2 && Atomics.load(I, ${WORD.callerSleeps})) Atomics.notify(I, ${WORD.done});
  }
};
`;
const NODE_START = `run(require('node:worker_threads').workerData);`;
const BROWSER_START = `onmessage = (event) => run(event.data);`;

type KernelFunction = (begin: number, end: number, scratch: number, ...args: readonly number[]) => void;
interface WorkerHandle {
  terminate(): unknown;
}

export class Threads {
  /** Threads that take part, the calling one included. */
  readonly count: number;
  readonly #memory: CpuMemory;
  readonly #kernels = new Map<string, { index: number; run: KernelFunction }>();
  readonly #control: Int32Array;
  readonly #args: Float64Array;
  readonly #scratch: number;
  readonly #workers: WorkerHandle[] = [];
  readonly #maySleep = typeof document === 'undefined'; // a browser's page must not
  #sequence = 0;
  #kernelCount = 0;
  #lastModule = 0;
  #ready = false;
  /** Sleeping workers were woken since the last kernel that all threads ran. */
  #awake = false;
  #awaitDone: (value: number, spin: number, sleep: number) => void = () => {};
  #startError: Error | undefined;

  /** @param module  the static kernels, among them those of defineWaiting */
  constructor(memory: CpuMemory, count: number, module: Uint8Array<ArrayBuffer>) {
    this.#memory = memory;
    this.count = count;
    this.#control = new Int32Array(memory.memory.buffer, LAYOUT.control, 64);
    this.#args = new Float64Array(memory.memory.buffer, LAYOUT.control + ARGS, MAX_ARGS);
    this.#scratch = memory.alloc(SCRATCH_FLOATS * count);
    this.load(module);
    for (let id = 1; id < count; id++) this.#workers.push(this.#start(id));
  }

  /** Adds the functions of a module; every thread has them from the next `parallel` on. */
  load(bytes: Uint8Array<ArrayBuffer>): void {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: this.#memory.memory } });
    for (const [name, run] of Object.entries(exports)) {
      this.#kernels.set(name, { index: this.#kernelCount++, run: run as KernelFunction });
    }
    this.#awaitDone = this.#kernels.get('awaitDone')!.run;
    if (this.count === 1) return;
    const at = this.#memory.alloc(2 + Math.ceil(bytes.length / 4));
    const buffer = this.#memory.memory.buffer;
    new Int32Array(buffer, at, 2).set([0, bytes.length]);
    new Uint8Array(buffer, at + 8, bytes.length).set(bytes);
    if (this.#lastModule) new Int32Array(buffer, this.#lastModule, 1)[0] = at;
    else this.#control[WORD.modules] = at;
    this.#lastModule = at;
  }
  has(kernel: string): boolean {
    return this.#kernels.has(kernel);
  }

  /** See Cpu.parallel. Until every worker has started, all ranges run on the calling thread. */
  parallel(kernel: string, items: number, work: number, args: readonly number[], unit = 1): void {
    const found = this.#kernels.get(kernel);
    if (!found) throw new DeviceError(`cpu: expected a kernel that exists, got '${kernel}'.`);
    if (items === 0) return;
    if (work < WORK_PER_BARRIER || this.count === 1 || items <= unit || !this.#allReady()) {
      if (work >= WORK_PER_WAKE && this.count > 1 && !this.#awake) this.#wake(); // a larger op may follow
      found.run(0, items, this.#scratch, ...args);
      return;
    }
    if (args.length > MAX_ARGS)
      throw new DeviceError(`cpu: expected at most ${MAX_ARGS} arguments for '${kernel}', got ${args.length}.`);
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
    if (control[WORD.failed]) throw this.#failure(kernel);
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
  /** Sleeping workers go on spinning. */
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
      const worker = new node.Worker(WORKER + NODE_START, { eval: true, workerData: start, execArgv: [] });
      worker.unref();
      worker.on('error', failed);
      return worker;
    }
    const worker = new Worker(URL.createObjectURL(new Blob([WORKER + BROWSER_START], { type: 'text/javascript' })));
    worker.onerror = (event) => failed(event.message);
    worker.postMessage(start);
    return worker;
  }
}
