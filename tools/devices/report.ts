/** What one device can do: golden values, a matrix product, a training step. Runs in Node and in browsers. */
import {
  type Device,
  matmul,
  openDevice,
  Rng,
  setDefaultDevice,
  type Tensor,
  tidy,
  uniform,
} from '../../core/index.ts';
import { type ImageSource, parseSettings, single, trainSingle } from '../../train/browser.ts';
import type { GoldenSource } from '../golden/file.ts';
import { type GoldenReport, runGolden } from '../golden/index.ts';
import { adapterOf } from './adapter.ts';

/** One thing that was found out about a device. */
export type Finding =
  | { readonly adapter: string; readonly threads: number }
  | { readonly golden: GoldenFinding }
  | { readonly gflops: number }
  /** Of the first step: the same on all devices, but for rounding. */
  | { readonly stepMs: number; readonly loss: number }
  /** Why one of them is missing. */
  | { readonly part: Part; readonly failed: string };

export interface GoldenFinding {
  /** Tensors that were compared, and how many of them differ. */
  readonly compared: number;
  readonly misses: number;
  /** The largest error, relative to the largest magnitude in its tensor. */
  readonly worst: number;
  /** The first difference, in words. */
  readonly first: string;
}

/** What is tried, in this order. */
export const parts = ['open', 'golden', 'product', 'step'] as const;
export type Part = (typeof parts)[number];

/** How long a part is measured: a moment to see that it works, or long enough for a figure. */
export interface Effort {
  readonly quick: boolean;
}

/** Finds out one thing. A failure is a finding too. */
export async function find(
  part: Part,
  name: string,
  golden: readonly GoldenSource[],
  effort: Effort,
): Promise<Finding> {
  try {
    const device = await openDevice(name);
    await device.sync();
    setDefaultDevice(device);
    switch (part) {
      case 'open':
        return { adapter: await adapterOf(device.name), threads: device.threads };
      case 'golden':
        return { golden: await compare(golden, device) };
      case 'product':
        return { gflops: await product(effort) };
      case 'step':
        return await trainingStep(effort);
    }
  } catch (error) {
    return { part, failed: error instanceof Error ? error.message : String(error) };
  }
}

async function compare(files: readonly GoldenSource[], device: Device): Promise<GoldenFinding> {
  const reports: GoldenReport[] = [];
  for (const file of files) reports.push(await runGolden(file, device));
  const misses = reports.flatMap((report) => report.misses);
  const total = (of: (report: GoldenReport) => number) => reports.reduce((sum, r) => sum + of(r), 0);
  return {
    compared: total(({ compared }) => compared),
    misses: misses.length,
    worst: Math.min(Number.MAX_VALUE, Math.max(...reports.map(({ worst }) => worst))), // JSON has no infinity
    first: misses.length > 0 ? `${misses[0].key}: ${misses[0].message}` : '',
  };
}

/** 10⁹ operations per second in a chain of products of square matrices, the best of some runs. */
async function product({ quick }: Effort): Promise<number> {
  const [n, chain] = quick ? [64, 2] : [512, 8];
  const a = uniform([n, n], -1 / n, 1 / n, new Rng(1));
  const ms = await best(quick, async () => {
    const y = tidy(() => Array.from({ length: chain }).reduce<Tensor>((y) => matmul(y, a), a));
    await y.data();
    y.dispose();
  });
  a.dispose();
  return (2 * n ** 3 * chain) / ms / 1e6;
}

/** A training step from pixels, of a TiTok with the sizes of preset smoke: 16 images of 32 × 32. */
async function trainingStep({ quick }: Effort): Promise<Finding> {
  const batchSize = quick ? 2 : 16;
  const half = quick ? { width: 16, layers: 1, heads: 2 } : { width: 64, layers: 2, heads: 4 };
  const model = { encoder: half, decoder: half };
  const changes = { model, batchSize, continuousSteps: 0, weights: { perceptual: 0 } };
  const settings = parseSettings(single.settings, changes, 'devices, step');
  const { imageSize } = settings.model;
  const images = uniform([batchSize, 3, imageSize, imageSize], 0, 1, new Rng(1));
  const data: ImageSource = { next: () => ({ images }), state: null };
  const training = trainSingle(settings, data, new Rng(0));
  const losses: number[] = [];
  const stepMs = await best(quick, async () => {
    losses.push((await training.step()).loss);
  });
  return { stepMs, loss: losses[0] };
}

/** Milliseconds of the fastest of two to ten runs, the first of which compiles kernels. Where that takes a minute, it is the only one. */
async function best(quick: boolean, run: () => Promise<void>): Promise<number> {
  const began = performance.now();
  const times: number[] = [];
  const isEnough = (spent: number) =>
    spent > 60_000 || (times.length > 1 && (quick || spent > 10_000 || times.length === 10));
  while (times.length === 0 || !isEnough(performance.now() - began)) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return Math.min(...times);
}
