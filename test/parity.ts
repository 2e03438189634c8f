/** Compares ops on a device with `reference`, which computes in float64. Runs in Node and in browsers. */
import { type Device, grad, openDevice, Rng, show, type Tensor, tensor, tensorScope } from '../core/index.ts';
import { opTable } from '../core/op.ts';
import { draw, rows } from './op-rows.ts';

/** Axis lengths m, k, n of the table's rows: smallest, odd, and more than one work group. */
const SIZES = [
  [1, 1, 1],
  [3, 5, 7],
  [67, 33, 5],
] as const;
type Size = readonly [number, number, number];

/** On GPU modes these functions are the driver's, with errors of up to 6e-5 (SwiftShader). */
const DRIVERS_OWN = new Set(['sin', 'cos', 'acos']);
const GPU_MODES = new Set(['webgpu', 'webgl2', 'webgl', 'headlessgl']);
/** Relative to the larger of the value and the root mean square of all values. Sums of products are less exact. */
function tolerance(op: string, device: string): number {
  if (DRIVERS_OWN.has(op) && GPU_MODES.has(device)) return 1e-3;
  return opTable.get(op)!.formula ? 1e-5 : 1e-4;
}
/** Absolute error allowed, for values near 1 that cancel. */
const ROUNDING = 1e-6;

/** 'ok', or a message that says what differs; gradient: 'none' where there is none. */
export interface OpReport {
  forward: string;
  gradient: string;
}

/** Runs an op and its gradients at all sizes. */
export async function checkOp(op: string, device: Device): Promise<OpReport> {
  const outcome = (check: () => Promise<void>) =>
    check().then(
      () => 'ok',
      (error: Error) => error.message,
    );
  return {
    forward: await outcome(async () => {
      for (const size of SIZES) await sameValues(op, device, size);
    }),
    gradient: rows[op].constant ? 'none' : await outcome(() => sameGradients(op, device, SIZES[1])),
  };
}

const SPECIAL = [Number.NaN, Infinity, -Infinity, 0, -1.5, 2];
/** Only the cpu device computes with NaN and infinity as `reference` does; GPUs and gpu.js's other modes may lose them. */
export const keepsSpecialValues = (device: Device): boolean => device.name === 'cpu';

/** Checks an elementwise op at NaN and infinities. @throws Error naming the arguments with a wrong result */
export async function checkSpecialValues(op: string, device: Device): Promise<void> {
  using _ = tensorScope();
  const pairs = SPECIAL.flatMap((a) => SPECIAL.map((b) => [a, b] as const));
  const row = rows[op];
  const run = (on: Device): Tensor => {
    const x = (i: number) =>
      tensor(
        Float64Array.from(pairs, (p) => p[i % 2]),
        [pairs.length],
        { device: on },
      );
    return row.call(...row.shapes(pairs.length, 1, 1).map((_, i) => x(i)));
  };
  const [want, got] = [await run(await openDevice('reference')).data(), await run(device).data()];
  for (const [i, w] of want.entries()) {
    const equal = Number.isFinite(w) ? Math.abs(got[i] - w) <= 1e-5 * Math.max(1, Math.abs(w)) : Object.is(got[i], w);
    if (!equal) throw new Error(`${op}(${pairs[i]}): expected ${w}, got ${got[i]}`);
  }
}

async function sameValues(op: string, device: Device, size: Size): Promise<void> {
  using _ = tensorScope();
  const [want, got] = [apply(op, await openDevice('reference'), size), apply(op, device, size)];
  await same(got.y, want.y, want.y.dtype === 'int32' ? 0 : tolerance(op, device.name), `sizes ${size}`);
}

/** Gradients of ⟨u, y⟩ for a random u. */
async function sameGradients(op: string, device: Device, size: Size): Promise<void> {
  using _ = tensorScope();
  const gradients = (on: Device): Tensor[] => {
    const { xs, y } = apply(op, on, size);
    return grad(y, xs, { seed: tensor(new Rng(2).uniforms(y.size, -1, 1), y.shape, { device: on }) });
  };
  const [want, got] = [gradients(await openDevice('reference')), gradients(device)];
  for (const [i, g] of got.entries()) {
    await same(g, want[i], 10 * tolerance(op, device.name), `gradient ${i}, sizes ${size}`);
  }
}

function apply(op: string, device: Device, size: Size): { xs: Tensor[]; y: Tensor } {
  const row = rows[op];
  const rng = new Rng(1);
  const xs = row.shapes(...size).map((shape) => tensor(draw(row, shape, rng), shape, { device }));
  return { xs, y: row.call(...xs) };
}

async function same(got: Tensor, want: Tensor, tolerance: number, where: string): Promise<void> {
  const differ = (a: unknown, b: unknown) => new Error(`expected ${a}, got ${b}, ${where}`);
  if (show(got.shape) !== show(want.shape)) throw differ(show(want.shape), show(got.shape));
  if (got.dtype !== want.dtype) throw differ(want.dtype, got.dtype);
  const [w, g] = [await want.data(), await got.data()];
  const rms = Math.sqrt(Array.from(w).reduce((s, x) => s + x * x, 0) / Math.max(1, w.length));
  for (let i = 0; i < w.length; i++) {
    const allowed = tolerance && tolerance * Math.max(Math.abs(w[i]), rms) + ROUNDING;
    if (!(Math.abs(g[i] - w[i]) <= allowed)) throw differ(`${w[i]} ± ${allowed}`, `${g[i]} at ${i}`);
  }
}
