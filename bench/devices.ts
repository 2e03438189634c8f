/** What every device of this machine can do: which adapter it runs on, whether its results are right, and how fast it is. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { round } from './format.ts';
import type { BenchOptions, Row } from './options.ts';

/** Devices of Node; and of a browser, headless Chromium. */
const candidates: readonly { readonly device: string; readonly browser: boolean }[] = [
  ...['cpu', 'webgpu', 'headlessgl', 'webasm', 'reference'].map((device) => ({ device, browser: false })),
  ...['cpu', 'webgpu', 'webgl2', 'webgl'].map((device) => ({ device, browser: true })),
];
const patience = 10 * 60_000; // milliseconds; software drivers compile for minutes

const tool = fileURLToPath(new URL('../tools/devices/main.ts', import.meta.url));

/** A finding of tools/devices/report.ts, which runs in a process of its own: a driver may end it. */
interface Finding {
  readonly part?: string;
  readonly failed?: string;
  readonly adapter?: string;
  readonly threads?: number;
  readonly golden?: {
    readonly compared: number;
    readonly misses: number;
    readonly worst: number;
    readonly first: string;
  };
  readonly gflops?: number;
  readonly stepMs?: number;
  readonly loss?: number;
}

export async function benchDevices({ quick, print }: BenchOptions): Promise<void> {
  for (const { device, browser } of candidates) {
    const options = [...(browser ? ['--browser'] : []), ...(quick ? ['--quick'] : [])];
    const findings = await findingsOf(['--import', import.meta.resolve('tsx'), tool, device, ...options]);
    const failed = findings.filter((f) => f.failed !== undefined).map((f) => `${f.part}: ${f.failed}`);
    const found: Finding = Object.assign({}, ...findings.filter((f) => f.failed === undefined));
    const { adapter, threads, golden, gflops, stepMs, loss } = found;
    const where = browser ? 'Chromium' : 'Node';
    const row: Row = {
      bench: 'devices',
      device,
      where,
      ...(adapter !== undefined && { adapter, threads }),
      ...(golden && { golden }),
      ...(gflops && { gflops: round(gflops) }),
      ...(stepMs && { ms: round(stepMs), loss }),
      ...(failed.length > 0 && { failed }),
    };
    print(row, [lineOf(row, found), ...failed.map((why) => `    ${why}`)].join('\n'));
  }
}

/** A line of the table. */
export function lineOf({ device, where }: Row, { adapter, golden, gflops, stepMs, loss }: Finding): string {
  const columns = [
    String(device).padEnd(11),
    String(where).padEnd(9),
    (golden
      ? `${golden.compared - golden.misses}/${golden.compared} results ±${golden.worst.toExponential(0)}`
      : '–'
    ).padEnd(22),
    (gflops ? `${gflops.toFixed(1)} GFLOP/s` : '–').padStart(15),
    (stepMs ? `step ${stepMs.toFixed(0)} ms, loss ${loss?.toFixed(5)}` : '–').padStart(30),
    adapter ?? '',
  ];
  return columns.join('  ').trimEnd() + (golden?.misses ? `\n    ${golden.first}` : '');
}

/**
 * The lines that a program prints about one device, and what ended it if it did not come to its end.
 *
 * @param args  of node
 */
export async function findingsOf(args: readonly string[]): Promise<Finding[]> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2000);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), patience);
  const ended = new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (status, signal) =>
      resolve(signal ? `signal ${signal}` : status === 0 ? '' : `status ${status}`),
    );
  });
  const findings: Finding[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{')) findings.push(JSON.parse(line) as Finding);
  }
  const how = await ended;
  clearTimeout(timer);
  if (how !== '') findings.push({ part: 'process', failed: `${how} ${errors.trim().split('\n').at(-1)}`.trim() });
  return findings;
}
