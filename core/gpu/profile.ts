/** Counts kernel launches and the host time they cost. */
import { expectOption, suggestion } from '../errors.ts';

/** Launches of one op at one shape. */
export interface KernelProfile {
  readonly op: string;
  /** Shape of the op's result. */
  readonly shape: string;
  /** gpu.js launches, one for each pass of the op. */
  launches: number;
  /** Host time of the launches in milliseconds, including the build of new kernels; on webasm and gpujs-cpu also the work. */
  hostMs: number;
}

/** Launches by op and shape. TITOK_DEBUG=kernels prints the table when the process ends. */
export class Profile {
  readonly #rows = new Map<string, KernelProfile>();

  add(op: string, shape: string, hostMs: number): void {
    const key = `${op} ${shape}`;
    let row = this.#rows.get(key);
    if (!row) {
      row = { op, shape, launches: 0, hostMs: 0 };
      this.#rows.set(key, row);
    }
    row.launches++;
    row.hostMs += hostMs;
  }
  /** Most expensive first. */
  rows(): KernelProfile[] {
    return [...this.#rows.values()].sort((a, b) => b.hostMs - a.hostMs);
  }
  reset(): void {
    this.#rows.clear();
  }
  table(device: string): string {
    const rows = this.rows();
    const total = (of: (r: KernelProfile) => number) => rows.reduce((s, r) => s + of(r), 0);
    const line = (op: string, shape: string, launches: number, ms: number) =>
      `${op.padEnd(24)} ${shape.padEnd(20)} ${String(launches).padStart(8)} ${ms.toFixed(1).padStart(10)}`;
    return [
      `${device}: kernel launches`,
      `${'op'.padEnd(24)} ${'shape'.padEnd(20)} launches    host ms`,
      ...rows.map((r) => line(r.op, r.shape, r.launches, r.hostMs)),
      line(
        'all',
        '',
        total((r) => r.launches),
        total((r) => r.hostMs),
      ),
    ].join('\n');
  }
}

/** True when the environment variable TITOK_DEBUG is 'kernels'. @throws OptionError when it is something else */
export function debugsKernels(): boolean {
  const wanted = (typeof process !== 'undefined' && process.env?.['TITOK_DEBUG']) || '';
  const known = ['', 'kernels'];
  expectOption(
    known.includes(wanted),
    'TITOK_DEBUG',
    "'kernels' or nothing",
    `'${wanted}'${suggestion(wanted, known)}`,
  );
  return wanted !== '';
}
