/**
 * A whole TiTok training step: 64 patches and 32 latents, 6 + 6 blocks of width 192, codebook 1024 × 12, batch 32, 5.4 M
 * parameters; forward, vector quantiser, loss, backward, clipping and AdamW. `bench/torch_step.py` is the same in PyTorch.
 */
import {
  memory,
  observeOps,
  openDevice,
  Rng,
  setDefaultDevice,
  tensorScope,
  uniform,
  valueAndGrad,
} from '../core/index.ts';
import { AdamW, mse, stateDict } from '../nn/index.ts';
import { TiTok, type TiTokConfig } from '../titok/index.ts';
import type { BenchOptions } from './main.ts';
import { time } from './measure.ts';
import { torch } from './torch.ts';

const half = { width: 192, layers: 6, heads: 3, patchSize: 4 };
export const stepConfig: TiTokConfig = {
  imageSize: 32,
  latentTokens: 32,
  codebookSize: 1024,
  tokenSize: 12,
  encoder: half,
  decoder: half,
  quantizeMode: 'vq',
  l2Norm: true,
  commitmentCost: 0.25,
  legacy: false,
  head: 'pixels',
  proxyCodebookSize: 1024,
  pixelDecoder: null,
  init: 'width',
};
const BATCH = 32;

export async function benchStep({ threads, print }: BenchOptions): Promise<void> {
  const device = await openDevice('cpu', threads ? { threads } : {});
  await device.sync(); // workers are up
  setDefaultDevice(device);
  const rng = new Rng(0);
  const model = new TiTok(stepConfig, rng);
  const params = stateDict(model);
  const optimizer = new AdamW({ params, lr: 1e-3, maxNorm: 1 });
  const images = uniform([BATCH, 3, 32, 32], 0, 1, rng);
  const step = async () => {
    using _ = tensorScope();
    const { value, grads } = valueAndGrad(params, () => {
      const { output, quantizerLoss } = model.forward(images);
      return mse(output, images).add(quantizerLoss);
    });
    optimizer.step(grads);
    return value.item();
  };
  const timing = await time(step, { runs: 8 });
  const peakRssMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  const row = {
    bench: 'step',
    threads: device.threads,
    ms: round(timing.median),
    imagesPerSecond: round((1e3 * BATCH) / timing.median),
    peakRssMiB,
    spread: round(timing.spread),
  };
  print(
    row,
    `step  ${device.threads} threads  ${timing.median.toFixed(0)} ms  ${row.imagesPerSecond} images/s  peak ${peakRssMiB} MiB  live ${(memory().bytes / 2 ** 20).toFixed(0)} MiB`,
  );

  const spent = new Map<string, { ms: number; calls: number }>();
  await observeOps(({ op, ms }) => {
    const seen = spent.get(op) ?? { ms: 0, calls: 0 };
    spent.set(op, { ms: seen.ms + ms, calls: seen.calls + 1 });
  }, step);
  for (const [op, { ms, calls }] of [...spent].sort((a, b) => b[1].ms - a[1].ms).slice(0, 16)) {
    print(
      { bench: 'step-op', op, ms: round(ms), calls },
      `      ${op.padEnd(20)} ${ms.toFixed(1).padStart(8)} ms  ${String(calls).padStart(5)} calls`,
    );
  }
  compare(device.threads, timing.median, print);
}

/** The same step in PyTorch, if Debian's python3-torch is there. */
function compare(threads: number, ours: number, print: BenchOptions['print']): void {
  const row = torch('torch_step.py', threads)?.[0];
  if (!row) {
    print(
      { bench: 'step-peer', peer: 'torch', absent: true },
      'step  torch is not installed (Debian: apt install python3-torch), so there is no ratio',
    );
    return;
  }
  const { ms, peakRssMiB } = row as { ms: number; peakRssMiB: number };
  print(
    { bench: 'step-peer', peer: 'torch', threads, ms, peakRssMiB, ratio: round(ours / ms) },
    `step  torch, ${threads} BLAS threads: ${ms} ms, peak ${peakRssMiB} MiB; ours takes ${(ours / ms).toFixed(2)} × its time`,
  );
}

const round = (x: number): number => Number(x.toPrecision(4));
