/** Identical training steps of a small TiTok on any device: same seed, same data. Runs in Node and in browsers. */
import type { DeviceStats, GpuJsDevice } from '../core/gpu/device.ts';
import { defaultDevice, memory, openDevice, Rng, setDefaultDevice, uniform } from '../core/index.ts';
import { presets, singleDefaults, type TiTokConfig, trainSingle } from '../titok/index.ts';

const half = { width: 32, layers: 2, heads: 2 };
export const smallModel: TiTokConfig = {
  ...presets.tiny,
  imageSize: 16,
  latentTokens: 8,
  codebookSize: 32,
  tokenSize: 6,
  encoder: { ...half, patchSize: 4 },
  decoder: { ...half, patchSize: 4 },
  head: 'pixels',
};

export interface DeviceRun {
  losses: number[];
  msPerStep: number;
  /** Kernel launches of the last step, on gpu.js devices. */
  launches: number;
  /** Tensors, and handles and kernels of the device, after half of the steps and at the end. */
  live: { tensors: number; device?: DeviceStats }[];
}

/** Trains on a device from the same start. Quantises from half of the steps on, with a k-means codebook. */
export async function trainOn(name: string, steps: number): Promise<DeviceRun> {
  const before = defaultDevice();
  const device = await openDevice(name);
  setDefaultDevice(device);
  try {
    const rng = new Rng(1);
    const pictures = Array.from({ length: 4 }, () => uniform([4, 3, 16, 16], 0, 1, rng));
    const labels = uniform([4], 0, 1, rng);
    let turn = 0;
    const data = { next: () => ({ images: pictures[turn++ % 4]!, labels }), state: null };
    const settings = {
      ...singleDefaults,
      model: smallModel,
      steps,
      scheduleSteps: steps,
      batchSize: 4,
      warmupSteps: 5,
    };
    const training = trainSingle({ ...settings, continuousSteps: Math.floor(steps / 3) }, data, rng);
    const stats = () => (device as Partial<GpuJsDevice>).stats?.();
    const run: DeviceRun = { losses: [], msPerStep: 0, launches: 0, live: [] };
    const started = performance.now();
    for (let i = 0; i < steps; i++) {
      const launches = stats()?.launches ?? 0;
      run.losses.push((await training.step())['loss']!);
      if (i === steps - 2) await device.sync();
      if (i === steps - 1) {
        await device.sync();
        run.launches = (stats()?.launches ?? 0) - launches;
      }
      if (i === Math.floor((2 * steps) / 3) || i === steps - 1) {
        const now = stats();
        run.live.push({ tensors: memory().tensors, ...(now && { device: now }) });
      }
    }
    run.msPerStep = (performance.now() - started) / steps;
    return run;
  } finally {
    setDefaultDevice(before);
  }
}
