/** Every op's gradient against finite differences, on every device; second derivatives in float64. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { routines } from '../core/cpu/kernels/index.ts';
import { openDevice } from '../core/index.ts';
import { opTable } from '../core/op.ts';
import { devicesUnderTest } from './devices.ts';
import { checkGradient, checkSecondDerivative } from './gradients.ts';
import { rows } from './op-rows.ts';

test('every routine of the cpu device belongs to an op', () => {
  assert.deepEqual(
    Object.keys(routines).filter((name) => !opTable.has(name)),
    [],
  );
});

test('every op has a row', () => {
  assert.deepEqual(Object.keys(rows).sort(), [...opTable.keys()].sort());
});

/** Random shapes for each op: fewer where every shape is a kernel to compile. */
const runs: Readonly<Record<string, number>> = { reference: 15, cpu: 6 };

for (const { name, device } of await devicesUnderTest()) {
  for (const [op, row] of Object.entries(rows)) {
    test(`${name}: gradient of ${op}`, () => checkGradient(row, device, runs[name] ?? 2));
  }
}

const reference = await openDevice('reference');
for (const [op, row] of Object.entries(rows)) {
  if (row.constant || row.apart) continue;
  test(`reference: second derivative of ${op}`, () => checkSecondDerivative(row, reference, 4));
}
