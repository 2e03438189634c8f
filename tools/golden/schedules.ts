/** maskgit_schedule, lr_schedule: numbers that depend on the step alone. */
import {
  guidanceAt,
  type MaskingSchedule,
  maskedCount,
  maskingSchedules,
  maskRatio,
  noiseTemperature,
  softmaxTemperature,
  stillMasked,
} from '../../maskgit/index.ts';
import { constantSchedule, cosineSchedule, emaDecay } from '../../nn/index.ts';
import type { Comparison } from './comparison.ts';
import type { GoldenFile } from './file.ts';

export async function maskgitSchedule(file: GoldenFile, check: Comparison): Promise<void> {
  for (const [tokens, steps] of file.metadata<[number, number][]>('pairs')) {
    const prefix = `n${tokens}_s${steps}/`;
    const perStep = Array.from({ length: steps }, (_, step) => step);
    await check.check(
      `${prefix}ratio`,
      perStep.map((s) => (s + 1) / steps),
    );
    await check.check(
      `${prefix}raw_mask_len`,
      perStep.map((s) => Math.floor(tokens * maskingSchedules.arccos((s + 1) / steps))),
    );
    await check.check(`${prefix}masked_after_step`, maskedAfter(tokens, steps));
    await check.check(
      `${prefix}annealed_temperature_unit`,
      perStep.map((s) => noiseTemperature(s, steps)),
    );
    await check.check(
      `${prefix}softmax_temperature`,
      perStep.map((s) => softmaxTemperature(s, steps)),
    );
    for (const key of file.below(prefix)) {
      const [, guidance, scale, power] = /^cfg_(linear|power_cosine)_([\d.]+)(?:_pow([\d.]+))?$/.exec(key) ?? [];
      if (!guidance) continue;
      const form = guidance === 'linear' ? 'linear' : 'power-cosine';
      await check.check(
        prefix + key,
        perStep.map((s) => guidanceAt(form, Number(scale), s, steps, Number(power ?? 3))),
      );
    }
  }
  check.inputs(/^train\/t$|^schedules\/r$/);
  const t = Array.from(file.values('train/t'));
  for (const key of file.below('train/n')) {
    const [, tokens, what] = /^(\d+)\/(mask_ratio|num_masked)$/.exec(key) ?? [];
    const values = t.map((u) => (what === 'mask_ratio' ? maskRatio(u) : maskedCount(Number(tokens), maskRatio(u))));
    await check.check(`train/n${key}`, values);
  }
  const r = Array.from(file.values('schedules/r'));
  for (const name of Object.keys(maskingSchedules)) {
    await check.check(`schedules/${name}`, r.map(maskingSchedules[name as MaskingSchedule]));
  }
}

function maskedAfter(tokens: number, steps: number): number[] {
  let masked = tokens;
  return Array.from({ length: steps }, (_, step) => {
    masked = stillMasked(tokens, step, steps, masked);
    return masked;
  });
}

interface LearningRate {
  readonly sched?: 'cosine' | 'constant';
  readonly lr: number;
  readonly warm: number;
  readonly max: number;
  readonly end: number;
}

export async function lrSchedule(file: GoldenFile, check: Comparison): Promise<void> {
  check.inputs(/\/(optimization_)?step$/);
  for (const [name, { sched, lr, warm, max, end }] of Object.entries(
    file.metadata<Record<string, LearningRate>>('cases'),
  )) {
    const schedule =
      sched === 'constant'
        ? constantSchedule({ lr, warmupSteps: warm })
        : cosineSchedule({ lr, warmupSteps: warm, totalSteps: max, endLr: end });
    const count = file.values(`${name}/lr`).length;
    const steps = file.has(`${name}/step`)
      ? Array.from(file.values(`${name}/step`))
      : Array.from({ length: count }, (_, i) => i);
    // the published cosine rises again beyond its end, as the mirror image of its fall
    const mirrored = (step: number) => (sched === 'constant' ? step : Math.min(step, 2 * max - step));
    await check.check(
      `${name}/lr`,
      steps.map((step) => schedule(mirrored(step))),
    );
  }
  await check.check(
    'ema/decay',
    Array.from(file.values('ema/optimization_step'), (n) => emaDecay(n, 0.999)),
  );
}
