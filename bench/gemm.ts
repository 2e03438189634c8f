/**
 * Matrix products of training's shapes in GFLOP/s, on one thread and on all, in both precisions. B is a constant, like a
 * frozen weight: what the device derives from it (packing, rounding) is cached.
 */
import { matmul, matmulPrecisions, openDevice, Rng, randn, setDefaultDevice, tidy } from '../core/index.ts';
import { percent, round, timing } from './format.ts';
import { figureOf, sampleCalls } from './measure.ts';
import type { BenchOptions } from './options.ts';

const shapes: readonly (readonly [m: number, k: number, n: number])[] = [
  [3104, 192, 576], // q, k, v of 32 images, 97 tokens each
  [3104, 192, 192],
  [3104, 192, 768],
  [3104, 768, 192],
  [192, 3104, 576], // a weight's gradient
  [1296, 128, 384], // preset tiny
  [512, 512, 512],
];

export async function benchGemm({ threads, quick, print }: BenchOptions): Promise<void> {
  const all = (await openDevice('cpu')).threads;
  const counts = threads ? [threads] : [1, all];
  for (const [matmulPrecision, count] of matmulPrecisions.flatMap((p) => counts.map((count) => [p, count] as const))) {
    const device = await openDevice('cpu', { threads: count, matmulPrecision });
    if (device.matmulPrecision !== matmulPrecision) continue; // precision high needs an x86 processor
    await device.sync(); // until the workers have started
    setDefaultDevice(device);
    for (const shape of quick ? shapes.slice(-2) : shapes) {
      const [m, k, n] = shape;
      const rng = new Rng(1);
      const [a, b] = [randn([m, k], rng), randn([k, n], rng)];
      const time = figureOf(await sampleCalls(() => tidy(() => void matmul(a, b)), quick ? 0.01 : 1));
      const gflops = (2 * m * k * n) / time.median / 1e6;
      print(
        { bench: 'gemm', shape, threads: count, matmulPrecision, gflops: round(gflops), ...timing(time) },
        `gemm ${shape.join('×').padEnd(14)} ${count} thread${count > 1 ? 's' : ' '} ${matmulPrecision.padEnd(7)}` +
          `  ${gflops.toFixed(1).padStart(6)} GFLOP/s  ${percent(time.spread)}`,
      );
      a.dispose();
      b.dispose();
    }
  }
}
