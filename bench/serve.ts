/**
 * Our end of a benchmark: a process that holds one workload and runs slices of it on request. bench/side.ts is the other
 * end; bench/pytorch/serve.py does the same in PyTorch, and other JavaScript libraries call `answerRequests`.
 *
 *   tsx bench/workloads/step.ts tiny --threads 2 --matmul-precision high
 *
 * Requests are lines of JSON on stdin, answers lines of JSON on stdout.
 */
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { type MatmulPrecision, observeOps, openDevice, setDefaultDevice, type Tensor } from '../core/index.ts';
import type { Answer, Hello, OpTime, Request } from './side.ts';

export interface Workload {
  /** One call of what is measured. */
  readonly run: () => unknown;
  /** Results that all sides must agree on: losses of the first updates, or outputs. */
  readonly check: ArrayLike<number> | Tensor;
  readonly parameters?: number;
}

/** Runs the case that the command line names, on our cpu device. */
export async function serve(cases: Readonly<Record<string, () => Workload | Promise<Workload>>>): Promise<void> {
  const { name, ...options } = parseCommandLine();
  const device = await openDevice('cpu', options);
  await device.sync(); // until the workers have started
  setDefaultDevice(device);
  const { check, ...workload } = await cases[name]();
  const numbers = 'data' in check ? await check.data() : check;
  const { matmulPrecision } = device;
  await answerRequests(
    { name: 'titok-ts', version: process.version, matmulPrecision },
    { ...workload, check: numbers },
  );
}

/** Parses `CASE --threads N --matmul-precision NAME`. */
export function parseCommandLine(): { name: string; threads: number; matmulPrecision: MatmulPrecision } {
  const command = new Command()
    .argument('<case>')
    .option('--threads <n>', 'number of threads', Number, 1)
    .option('--matmul-precision <name>', 'highest or high', 'highest')
    .parse();
  return { name: command.args[0], ...command.opts<{ threads: number; matmulPrecision: MatmulPrecision }>() };
}

/** Sends `Hello` and answers requests until stdin ends. */
export async function answerRequests(
  library: Pick<Hello, 'name' | 'version' | 'matmulPrecision'>,
  { run, check, parameters = 0 }: Workload & { readonly check: ArrayLike<number> },
): Promise<void> {
  const send = (answer: Answer) => console.log(JSON.stringify(answer));
  send({ ...library, check: someOf(check), parameters });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    if ('sliceMs' in request) send(await timed(run, request.sliceMs));
    else if ('profile' in request) send({ ops: await profile(run) });
    else
      send({
        peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
        rssMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
      });
  }
  process.exit(); // ends worker threads too
}

/** Milliseconds of each call, and of all threads in the slice, for about sliceMs. The first call counts only when calls are long. Same rule in serve.py. */
async function timed(run: () => unknown, sliceMs: number): Promise<{ ms: number[]; cpuMs: number }> {
  const cpu = process.cpuUsage();
  let calls = 1;
  const start = performance.now();
  await run();
  const first = performance.now() - start;
  const samples = first > sliceMs / 4 ? [first] : [];
  while (samples.length === 0 || performance.now() - start < sliceMs) {
    const before = performance.now();
    await run();
    samples.push(performance.now() - before);
    calls++;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { ms: samples, cpuMs: (user + system) / 1000 / calls };
}

/** The 16 slowest ops of one call. */
async function profile(run: () => unknown): Promise<OpTime[]> {
  const totals = new Map<string, OpTime>();
  await observeOps(({ op, ms }) => {
    const { ms: before, calls } = totals.get(op) ?? { ms: 0, calls: 0 };
    totals.set(op, { op, ms: before + ms, calls: calls + 1 });
  }, run);
  return [...totals.values()].sort((a, b) => b.ms - a.ms).slice(0, 16);
}

/** Every number of a short list; some 256 evenly spaced numbers of a long one. */
function someOf(check: ArrayLike<number>): number[] {
  const stride = Math.max(1, Math.floor(check.length / 256));
  return Array.from(check).filter((_, i) => i % stride === 0);
}
