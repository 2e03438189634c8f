/** Every op gives the same numbers on every device as on `reference`, which computes in float64. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { opTable } from '../core/op.ts';
import { devicesUnderTest } from './devices.ts';
import { rows } from './op-rows.ts';
import { checkOp, checkSpecialValues, keepsSpecialValues } from './parity.ts';

const devices = (await devicesUnderTest()).filter((d) => d.name !== 'reference');
for (const { name, device } of devices) {
  for (const op of Object.keys(rows)) {
    test(`${name}: ${op} as on reference`, async () => {
      const { forward, gradient } = await checkOp(op, device);
      assert.equal(forward, 'ok');
      assert.ok(gradient === 'ok' || gradient === 'none', gradient);
    });
  }
}

for (const { name, device } of devices) {
  if (!keepsSpecialValues(device)) {
    const skip = 'shader compilers may assume that there are no NaN and infinities: Math.max(NaN, x) = x on GPUs';
    test(`${name}: NaN and infinity`, { skip }, () => {});
    continue;
  }
  for (const [op, { formula }] of opTable) {
    if (formula) test(`${name}: NaN and infinity through ${op}`, () => checkSpecialValues(op, device));
  }
}
