/** The program of a worker thread, and the memory through which it meets the calling thread. */
import { drop, type I32, type Int, i32 } from './instructions.ts';
import { wasmFunction } from './kernel.ts';
import { LAYOUT } from './memory.ts';

/** Words of the control block (index of an int32), on cache lines of their own where several threads write. */
// biome-ignore format: one line per cache line
export const WORD = {
  sequence: 0, sleepers: 1, // workers wait for the sequence to change
  done: 16, callerSleeps: 17, // the caller waits for all workers to be done
  ready: 32, failed: 33, failureLength: 34,
  kernel: 48, argCount: 49, items: 50, unit: 51, modules: 52,
} as const;
export const WORDS = 64;
/** Byte offset of up to 64 float64 arguments. */
export const ARGS = 256;
export const MAX_ARGS = 64;
/** Byte offset of the message of a kernel that trapped. */
export const FAILURE = 1024;
const FAILURE_BYTES = 1024;
/** In place of a kernel: the worker ends. */
export const STOP = -1;

/**
 * Iterations of a waiting loop before sleeping, half a nanosecond each or more. Workers spin through the JavaScript
 * between ops: at 100,000 they sleep sixty times in a step of the preset tiny, and sampling one image takes a tenth
 * longer. The caller gains less by spinning, and takes the core from its workers where another program wants one.
 */
const WORKER_SPIN = 400_000;
export const CALLER_SPIN = 50_000;

const wordAt = (word: number) => LAYOUT.control + 4 * word;
/** Waits until the word compares to `value`: spins `spin` times, then sleeps (`sleep` ≠ 0), counted in `sleepers`. */
const waiting = (name: string, word: number, sleepers: number, compare: (now: Int, value: Int) => I32) =>
  wasmFunction(name, { value: i32, spin: i32, sleep: i32 }, (f, a) => {
    const { now, spins } = f.ints('now spins');
    const sleep = () => {
      f.do(drop(i32.atomicAdd(wordAt(sleepers), 1)));
      f.do(drop(i32.wait(wordAt(word), now)));
      f.do(drop(i32.atomicAdd(wordAt(sleepers), -1)));
      a.spin.set(spins);
    };
    spins.set(a.spin);
    now.set(i32.atomicLoad(wordAt(word)));
    f.while(i32.eqz(compare(now, a.value)), () => {
      a.spin.set(i32.sub(a.spin, 1));
      f.if(i32.and(a.sleep, i32.le(a.spin, 0)), sleep);
      now.set(i32.atomicLoad(wordAt(word)));
    });
  });
/** Functions in which threads wait, part of the first module. */
export const waitingFunctions = [
  waiting('awaitSequence', WORD.sequence, WORD.sleepers, i32.ne),
  waiting('awaitDone', WORD.done, WORD.callerSleeps, i32.eq),
];

/** Plain JavaScript, because a worker starts without TypeScript; the same source runs in Node and in browsers. */
const WORKER = /* js */ `
const run = ({ memory, id, threads, scratch }) => {
  const I = new Int32Array(memory.buffer, ${LAYOUT.control}, ${WORDS});
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
        const message = String(error?.message ?? error).slice(0, ${FAILURE_BYTES});
        const text = Array.from(message, (c) => c.charCodeAt(0) & 127);
        new Uint8Array(memory.buffer, ${LAYOUT.control + FAILURE}, ${FAILURE_BYTES}).set(text);
        I[${WORD.failureLength}] = text.length;
      }
    }
    const last = Atomics.add(I, ${WORD.done}, 1) === threads - 2;
    if (last && Atomics.load(I, ${WORD.callerSleeps})) Atomics.notify(I, ${WORD.done});
  }
};
`;
export const NODE_WORKER = `${WORKER} run(require('node:worker_threads').workerData);`;
/** Ends itself: a browser may lose the message to end it when its parent ends at the same moment. */
export const BROWSER_WORKER = `${WORKER} onmessage = (event) => { run(event.data); close(); };`;
