/**
 * Our end of a benchmark: a process that holds one workload and runs slices of it when asked. `bench/side.ts` is the end
 * that asks; `bench/pytorch/serve.py` does the same in PyTorch and `bench/peers/serve.js` in other libraries.
 *
 *   tsx bench/workloads/step.ts tiny --threads 2      then lines of JSON on stdin, answered on stdout
 */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { observeOps, openDevice, setDefaultDevice, type Tensor } from '../core/index.ts';
import type { Answer, OpTime, Request } from './side.ts';

export interface Workload {
  /** One call of what is measured. */
  readonly run: () => unknown;
  /** Numbers that all sides must agree on: losses of the first updates, or results. */
  readonly check: readonly number[] | Tensor;
  readonly parameters?: number;
}

export async function serve(cases: Readonly<Record<string, () => Workload | Promise<Workload>>>): Promise<void> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { threads: { type: 'string' } } });
  const device = await openDevice('cpu', values.threads ? { threads: Number(values.threads) } : {});
  await device.sync(); // workers are up
  setDefaultDevice(device);

  const { run, check, parameters = 0 } = await cases[positionals[0]!]!();
  const say = (answer: Answer) => console.log(JSON.stringify(answer));
  say({ name: 'titok-ts', version: `node ${process.version}`, check: await spread(check), parameters });
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

/** All of a list; of large tensors 256 values spread over it. */
async function spread(check: readonly number[] | Tensor): Promise<number[]> {
  const all = 'data' in check ? Array.from(await check.data()) : [...check];
  const stride = Math.max(1, Math.floor(all.length / 256));
  return all.filter((_, i) => i % stride === 0);
}
