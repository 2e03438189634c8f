/** A whole training step of TiTok stays on its device, gives the same losses as on cpu, and leaves nothing behind. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { openOrSkip } from '../devices.ts';
import { trainOn, trainSteadily } from '../training.ts';

const STEPS = 9;
const want = await trainOn('cpu', STEPS);

for (const name of ['webasm', 'webgpu']) {
  if (!(await openOrSkip(name))) continue;
  test(`${name}: ${STEPS} training steps as on cpu`, async () => {
    const got = await trainOn(name, STEPS);
    for (const [i, loss] of want.losses.entries()) {
      assert.ok(Math.abs(got.losses[i] - loss) <= 0.01 * Math.abs(loss), `step ${i + 1}: ${loss} and ${got.losses[i]}`);
    }
  });
}

// webgpu in software takes several times as long as the others for a launch
for (const [name, steps] of [
  ['gpujs-cpu', 90],
  ['webasm', 90],
  ['webgpu', 31],
] as const) {
  if (!(await openOrSkip(name))) continue;
  test(`${name}: ${steps} training steps with tensors, handles, bytes and kernels constant`, () =>
    trainSteadily(name, steps));
}
