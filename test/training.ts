/** Identical training steps of a small TiTok on any device: same seed, same data. Runs in Node and in browsers. */
import type { DeviceStats, GpuJsDevice } from '../core/gpu/device.ts';
import { defaultDevice, memory, openDevice, Rng, setDefaultDevice, uniform } from '../core/index.ts';
import { laptopSingleStage, presets, type TiTok, type TiTokConfig } from '../titok/index.ts';
import { parseSettings, type SingleSettings, single, type Training, trainSingle } from '../train/browser.ts';

const half = { width: 32, layers: 2, heads: 2 };
export const smallModel = {
  ...presets.tiny,
  variant: '1d',
  variableLength: false,
  quantizer: 'vq',
  entropyCost: 0.1,
  imageSize: 16,
  latentTokens: 8,
  codebookSize: 32,
  tokenSize: 6,
  encoder: { ...half, patchSize: 4 },
  decoder: { ...half, patchSize: 4 },
  head: 'pixels',
} satisfies TiTokConfig;
/** What a training of the small model is changed to. */
type Changes = Partial<Omit<SingleSettings, 'steps' | 'scheduleSteps'>>;
const oneLayer = { width: 16, layers: 1, heads: 2, patchSize: 4 } as const;
/** One layer of everything and one loss, for hundreds of steps. */
export const least: Changes = {
  model: { ...smallModel, imageSize: 8, latentTokens: 4, encoder: oneLayer, decoder: oneLayer },
  weights: { ...laptopSingleStage, l1: 0, gradient: 0 },
  batchSize: 2,
};

export interface DeviceRun {
  losses: number[];
  /** Per step, over the last steps, whose kernels are all compiled. */
  msPerStep: number;
  /** Kernel launches per step, and what they cost the host (on webasm and gpujs-cpu: the work itself); gpu.js only. */
  launches: number;
  hostMs: number;
  /** Tensors, and handles, bytes and kernels of the device, after every 10th step and the last. */
  live: { step: number; tensors: number; device?: DeviceStats }[];
}

/** A training on the default device, always from the same start. Quantizes from a third of the steps on, with a k-means codebook. */
export function smallTraining(steps: number, changes: Changes = {}): Training<TiTok> {
  const rng = new Rng(1);
  const schedule = { steps, scheduleSteps: steps, continuousSteps: Math.floor(steps / 3) };
  const changed = { model: smallModel, batchSize: 4, warmupSteps: 5, ...schedule, ...changes };
  const settings = parseSettings(single.settings, changed, 'small training');
  const { batchSize, model } = settings;
  const shape = [batchSize, 3, model.imageSize, model.imageSize];
  const pictures = Array.from({ length: 4 }, () => uniform(shape, 0, 1, rng));
  const data = { next: () => ({ images: pictures[data.state++ % 4] }), state: 0 };
  return trainSingle(settings, data, rng);
}

/** Trains on a device, and says what that took. */
export async function trainOn(name: string, steps: number, changes: Changes = {}): Promise<DeviceRun> {
  const before = defaultDevice();
  const device = await openDevice(name);
  const gpu = 'stats' in device ? (device as GpuJsDevice) : undefined;
  setDefaultDevice(device);
  try {
    const training = smallTraining(steps, changes);
    const run: DeviceRun = { losses: [], msPerStep: 0, launches: 0, hostMs: 0, live: [] };
    const compiled = Math.floor((2 * steps) / 3);
    const timed = steps - compiled;
    let started = 0;
    for (let i = 0; i < steps; i++) {
      if (i === compiled) {
        started = performance.now();
        gpu?.resetProfile();
      }
      run.losses.push((await training.step())['loss']);
      if (i % 10 !== 9 && i !== steps - 1) continue;
      await device.sync();
      const now = gpu?.stats();
      run.live.push({ step: i + 1, tensors: memory().tensors, ...(now && { device: now }) });
    }
    run.msPerStep = (performance.now() - started) / timed;
    for (const { launches, hostMs } of gpu?.profile() ?? []) {
      run.launches += launches / timed;
      run.hostMs += hostMs / timed;
    }
    return run;
  } finally {
    setDefaultDevice(before);
  }
}

/** Trains the least model. @throws Error when tensors, handles, bytes or kernels still grow once it has quantized for a while */
export async function trainSteadily(name: string, steps: number): Promise<void> {
  const { live, losses } = await trainOn(name, steps, least);
  if (!losses.every(Number.isFinite)) throw new Error(`training on ${name}: expected finite losses, got ${losses}`);
  const counts = live
    .filter(({ step }) => step > steps / 3 + 5)
    .map(
      ({ tensors, device }) =>
        `${tensors} tensors, ${device?.live} handles, ${device?.bytes} bytes, ${device?.kernels} kernels`,
    );
  const odd = counts.find((c) => c !== counts[0]);
  if (odd || counts.length < 3) throw new Error(`training on ${name}: expected ${counts[0]} to the end, got ${odd}`);
}
