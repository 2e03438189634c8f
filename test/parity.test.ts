/** Every op gives the same numbers on every device as on `reference`, which computes in float64. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Device, openDevice, Rng, registry, type Tensor, tensor, tensorScope } from '../core/index.ts';
import { devicesUnderTest } from './devices.ts';
import { draw, type Row, rows } from './op-rows.ts';

/** Axis lengths m, k, n of the table's rows: smallest, odd, and more than one work group. */
const SIZES = [
  [1, 1, 1],
  [3, 5, 7],
  [67, 33, 5],
] as const;

/** GPU modes use the driver's own sin, cos and acos, which err by up to 6e-5 (SwiftShader). */
const DRIVERS_OWN = new Set(['sin', 'cos', 'acos']);
const GPU_MODES = new Set(['webgpu', 'webgl2', 'webgl', 'headlessgl']);
/** Relative to the larger of the value and the root mean square of all values; sums of products lose more than formulas. */
function tolerance(op: string, device: string): number {
  if (DRIVERS_OWN.has(op) && GPU_MODES.has(device)) return 1e-3;
  return registry.get(op)!.formula ? 1e-5 : 1e-4;
}
/** What float32 leaves of values near 1 that cancel. */
const ROUNDING = 1e-6;

const reference = await openDevice('reference');
const devices = (await devicesUnderTest()).filter((d) => d.name !== 'reference');
for (const { name, device } of devices) {
  for (const [op, row] of Object.entries(rows)) {
    test(`${name}: ${op} as on reference`, async () => {
      for (const size of SIZES) await sameValues(op, row, device, size);
    });
  }
}

async function sameValues(
  op: string,
  row: Row,
  device: Device,
  size: readonly [number, number, number],
): Promise<void> {
  using _ = tensorScope();
  const rng = new Rng(1);
  const inputs = row.shapes(...size).map((shape) => ({ shape, values: draw(row, shape, rng) }));
  const run = (on: Device): Tensor => row.call(...inputs.map((x) => tensor(x.values, x.shape, { device: on })));
  const [want, got] = [run(reference), run(device)];
  assert.deepEqual(got.shape, want.shape);
  assert.equal(got.dtype, want.dtype);
  close(await got.data(), await want.data(), want.dtype === 'int32' ? 0 : tolerance(op, device.name), `sizes ${size}`);
}

function close(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, where: string): void {
  assert.equal(got.length, want.length);
  const rms = Math.sqrt(Array.from(want).reduce((s, x) => s + x * x, 0) / Math.max(1, want.length));
  for (let i = 0; i < want.length; i++) {
    const allowed = tolerance && tolerance * Math.max(Math.abs(want[i]!), rms) + ROUNDING;
    assert.ok(
      Math.abs(got[i]! - want[i]!) <= allowed,
      `expected ${want[i]} ± ${allowed}, got ${got[i]} at ${i}, ${where}`,
    );
  }
}

const SPECIAL = [Number.NaN, Infinity, -Infinity, 0, -1.5, 2];
for (const { name, device } of devices) {
  const exempt =
    name === 'cpu'
      ? {}
      : { skip: 'shader compilers may assume that there are no NaN and infinities: Math.max(NaN, x) = x on GPUs' };
  for (const [op, { formula }] of registry) {
    if (!formula) continue;
    test(`${name}: NaN and infinity through ${op}`, exempt, async () => {
      using _ = tensorScope();
      const pairs = SPECIAL.flatMap((a) => SPECIAL.map((b) => [a, b] as const));
      const run = (on: Device): Tensor => {
        const x = (i: 0 | 1) =>
          tensor(
            pairs.map((p) => p[i]),
            [pairs.length],
            { device: on },
          );
        const row = rows[op]!;
        return row.call(...row.shapes(pairs.length, 1, 1).map((_, i) => x((i % 2) as 0 | 1)));
      };
      const [want, got] = [await run(reference).data(), await run(device).data()];
      for (const [i, w] of want.entries()) {
        const equal = Number.isFinite(w)
          ? Math.abs(got[i]! - w) <= 1e-5 * Math.max(1, Math.abs(w))
          : Object.is(got[i], w);
        assert.ok(equal, `${op}(${pairs[i]}): expected ${w}, got ${got[i]}`);
      }
    });
  }
}
