/** Every op gives the same numbers on every device as on `reference`, which computes in float64. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Device, openDevice, registry, type Tensor, tensor, tensorScope } from '../core/index.ts';
import { devicesUnderTest } from './devices.ts';
import { rows } from './op-rows.ts';
import { checkOp } from './parity.ts';

const reference = await openDevice('reference');
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
