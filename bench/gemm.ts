/**
 * Matrix products of the shapes that training runs, with `benchmark`, in GFLOP/s, on one thread and on all, in both precisions. B stays
 * as it is, like frozen weights, so that what is derived from it is kept.
 */
import Benchmark from 'benchmark';
import { matmul, matmulPrecisions, openDevice, Rng, randn, setDefaultDevice, tidy } from '../core/index.ts';
import type { BenchOptions } from './main.ts';
import { round } from './measure.ts';

const shapes: readonly (readonly [m: number, k: number, n: number])[] = [
  [3104, 192, 576], // q, k, v of 32 pictures, 97 tokens
  [3104, 192, 192],
  [3104, 192, 768],
  [3104, 768, 192],
  [192, 3104, 576], // a weight's gradient
  [1296, 128, 384], // the tiny preset
  [512, 512, 512],
];

export async function benchGemm({ threads, quick, print }: BenchOptions): Promise<void> {
  const all = (await openDevice('cpu')).threads;
  const counts = threads ? [threads] : [1, all];
  for (const [matmulPrecision, count] of matmulPrecisions.flatMap((p) => counts.map((count) => [p, count] as const))) {
    const device = await openDevice('cpu', { threads: count, matmulPrecision });
    if (device.matmulPrecision !== matmulPrecision) continue; // not an x86 processor
    await device.sync(); // workers are up
    setDefaultDevice(device);
    for (const shape of shapes) {
      const [m, k, n] = shape;
      const rng = new Rng(1);
      const [a, b] = [randn([m, k], rng), randn([k, n], rng)];
      const { seconds, spread } = await measure(() => tidy(() => void matmul(a, b)), quick ? 0.01 : 1);
      const gflops = (2 * m * k * n) / seconds / 1e9;
      print(
        {
          bench: 'gemm',
          shape,
          threads: count,
          matmulPrecision,
          gflops: round(gflops),
          ms: round(1e3 * seconds),
          spread: round(spread),
        },
        `gemm ${shape.join('×').padEnd(14)} ${count} thread${count > 1 ? 's' : ' '} ${matmulPrecision.padEnd(7)}  ${gflops.toFixed(1).padStart(6)} GFLOP/s  ±${(100 * spread).toFixed(0)} %`,
      );
      a.dispose();
      b.dispose();
    }
  }
}

/** Median seconds of a call, and the relative margin of error of the mean. */
function measure(f: () => void, maxTime: number): Promise<{ seconds: number; spread: number }> {
  return new Promise((resolve, reject) => {
    new Benchmark('gemm', f, {
      maxTime,
      onComplete(this: Benchmark) {
        const sorted = [...this.stats.sample].sort((x, y) => x - y);
        resolve({ seconds: sorted[sorted.length >> 1]!, spread: this.stats.rme / 100 });
      },
      onError: reject,
    }).run({ async: true });
  });
}
