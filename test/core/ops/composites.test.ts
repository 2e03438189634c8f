/** Ops made of other ops against plain float64, on every device; their gradients against finite differences. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Device, openDevice, Rng, tensor, tensorScope } from '../../../core/index.ts';
import { devicesUnderTest } from '../../devices.ts';
import { checkGradient, checkSecondDerivative } from '../../gradients.ts';
import { draw } from '../../op-rows.ts';
import { type CompositeRow, composites } from './composite-rows.ts';
import { Plain } from './plain.ts';

async function checkValues(row: CompositeRow, device: Device, axes: readonly [number, number, number]): Promise<void> {
  using _ = tensorScope();
  const rng = new Rng(1);
  const shapes = row.shapes(...axes);
  const values = shapes.map((shape, i) => draw(row, shape, rng, i));
  const want = row.reference(...shapes.map((shape, i) => new Plain(shape, values[i])));
  const y = row.call(...shapes.map((shape, i) => tensor(values[i], shape, { device })));
  assert.deepEqual(y.shape, want.shape);
  const got = await y.data();
  for (const [i, x] of want.data.entries())
    assert.ok(Math.abs(got[i] - x) <= 1e-5 * Math.max(1, Math.abs(x)), `value ${i}: expected ${x}, got ${got[i]}`);
}

/** Random shapes: fewer where every shape is a kernel to compile. */
const runs: Readonly<Record<string, number>> = { reference: 10, cpu: 4 };

for (const { name, device } of await devicesUnderTest()) {
  for (const [op, row] of Object.entries(composites)) {
    test(`${name}: ${op}`, async () => {
      for (const axes of [
        [1, 1, 1],
        [3, 5, 4],
      ] as const)
        await checkValues(row, device, axes);
    });
    test(`${name}: gradient of ${op}`, () => checkGradient(row, device, runs[name] ?? 1));
  }
}

const reference = await openDevice('reference');
for (const [op, row] of Object.entries(composites)) {
  if (row.constant || row.apart) continue;
  test(`reference: second derivative of ${op}`, () => checkSecondDerivative(row, reference, 4));
}
