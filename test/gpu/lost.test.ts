/** A device that is lost during a training: the last checkpoint stays intact, and continues on a new device. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { loadGpuJs } from '../../core/gpu/gpujs.ts';
import { defaultDevice, openDevice, setDefaultDevice } from '../../core/index.ts';
import { loadCheckpoint, saveCheckpoint } from '../../data/index.ts';
import type { Json, Training } from '../../train/index.ts';
import { openOrSkip } from '../devices.ts';
import { least, smallTraining } from '../training.ts';

const device = await openOrSkip('webgpu');
if (device) {
  test('webgpu: a training whose device is lost stops with a DeviceError, and its checkpoint goes on', async (t) => {
    const before = defaultDevice();
    const folder = mkdtempSync(join(tmpdir(), 'titok-lost-'));
    t.after(() => {
      setDefaultDevice(before);
      rmSync(folder, { recursive: true });
    });
    const path = join(folder, 'last.safetensors');
    const save = ({ state }: Training) =>
      saveCheckpoint(path, { groups: state.groups(), meta: { state: state.values() } });

    setDefaultDevice(device);
    const training = smallTraining(3, least);
    await training.step();
    await save(training);
    const saved = readFileSync(path);
    const { loss } = await training.step();

    const { device: gpu } = await (await loadGpuJs()).WebGPUContext.acquire();
    gpu.destroy();
    await gpu.lost;
    const lost = {
      name: 'DeviceError',
      message: /^webgpu: \w+ \[.*\]: the device was lost .* load the last checkpoint/,
    };
    await assert.rejects(training.step(), lost);
    await assert.rejects(save(training), lost);
    assert.deepEqual(readFileSync(path), saved);

    const fresh = await openDevice('webgpu');
    setDefaultDevice(fresh);
    const again = smallTraining(3, least);
    const { groups, meta } = loadCheckpoint(path);
    again.state.restore(groups, meta['state'] as Json);
    assert.ok(Math.abs((await again.step()).loss - loss) < 1e-6);
    await fresh.close();
  });
}
