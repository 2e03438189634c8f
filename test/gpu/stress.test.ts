/** 10,000 ops with random lifetimes on every gpu.js device that Node has; browser.test.ts does the same for the others. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GpuJsDevice } from '../../core/gpu/device.ts';
import { memory } from '../../core/index.ts';
import { openOrSkip } from '../devices.ts';
import { stress } from './stress.ts';

for (const name of ['webasm', 'gpujs-cpu', 'webgpu']) {
  const device = (await openOrSkip(name)) as GpuJsDevice | undefined;
  if (!device) continue;
  test(`${name}: 10,000 ops with random lifetimes`, async () => {
    await stress(device, 10_000);
    assert.equal(device.stats().live, 0);
    assert.deepEqual(memory(), { tensors: 0, bytes: 0 });
    await device.close();
  });
}
