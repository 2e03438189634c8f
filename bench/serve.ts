/**
 * Our end of a benchmark: a process that holds one workload and runs slices of it when asked. `bench/side.ts` is the end
 * that asks; `bench/pytorch/serve.py` does the same in PyTorch, and other JavaScript libraries use `answer`.
 *
 *   tsx bench/workloads/step.ts tiny --threads 2 --matmul-precision high      then lines of JSON on stdin, answered on stdout
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type MatmulPrecision, observeOps, openDevice, setDefaultDevice, type Tensor } from '../core/index.ts';
import type { Answer, Hello, OpTime, Request } from './side.ts';

export interface Workload {
  /** One call of what is measured. */
  readonly run: () => unknown;
  /** Numbers that all sides must agree on: losses of the first updates, or results. */
  readonly check: ArrayLike<number> | Tensor;
  readonly parameters?: number;
}

/** Runs the case that the command line names, on our cpu device. */
export async function serve(cases: Readonly<Record<string, () => Workload | Promise<Workload>>>): Promise<void> {
  const { name, ...options } = asked();
  const device = await openDevice('cpu', options);
  await device.sync(); // workers are up
  setDefaultDevice(device);
  const { check, ...workload } = await cases[name]();
  const numbers = 'data' in check ? await check.data() : check;
  const { matmulPrecision } = device;
  await answer({ name: 'titok-ts', version: process.version, matmulPrecision }, { ...workload, check: numbers });
}

/** What the command line asks for: `CASE --threads N --matmul-precision NAME`. */
export function asked(): { name: string; threads: number; matmulPrecision: MatmulPrecision } {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      threads: { type: 'string', default: '1' },
      'matmul-precision': { type: 'string', default: 'highest' },
    },
  });
  const matmulPrecision = values['matmul-precision'] as MatmulPrecision;
  return { name: positionals[0], threads: Number(values.threads), matmulPrecision };
}

/** Says hello and answers until stdin ends. */
export async function answer(
  library: Pick<Hello, 'name' | 'version' | 'matmulPrecision'>,
  { run, check, parameters = 0 }: Workload & { readonly check: ArrayLike<number> },
): Promise<void> {
  const say = (line: Answer) => console.log(JSON.stringify(line));
  say({ ...library, check: spread(check), parameters });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    if ('sliceMs' in request) say({ ms: await timed(run, request.sliceMs) });
    else if ('profile' in request) say({ ops: await profile(run) });
    else say({ peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024) });
  }
  process.exit(); // and worker threads with it
}

/** Milliseconds of each call, for about sliceMs; a first call is not counted when calls are short. */
async function timed(run: () => unknown, sliceMs: number): Promise<number[]> {
  const start = performance.now();
  await run();
  const first = performance.now() - start;
  const samples = first > sliceMs / 4 ? [first] : [];
  while (samples.length === 0 || performance.now() - start < sliceMs) {
    const before = performance.now();
    await run();
    samples.push(performance.now() - before);
  }
  return samples;
}

/** Ops of one run by the time spent in them. */
async function profile(run: () => unknown): Promise<OpTime[]> {
  const spent = new Map<string, OpTime>();
  await observeOps(({ op, ms }) => {
    const { ms: before, calls } = spent.get(op) ?? { ms: 0, calls: 0 };
    spent.set(op, { op, ms: before + ms, calls: calls + 1 });
  }, run);
  return [...spent.values()].sort((a, b) => b.ms - a.ms).slice(0, 16);
}

/** All of a few numbers; of many 256 or so, spread over them. */
function spread(check: ArrayLike<number>): number[] {
  const stride = Math.max(1, Math.floor(check.length / 256));
  return Array.from(check).filter((_, i) => i % stride === 0);
}
