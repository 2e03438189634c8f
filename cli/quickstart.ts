/** The whole road: teacher → TiTok stage 1 → stage 2 → MaskGIT on real emoji, then pictures and a table. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pc from 'picocolors';
import type { Tensor } from '../core/index.ts';
import { decodeSoft } from '../titok/index.ts';
import { openDataset } from './datasets.ts';
import { originalStatistics } from './evaluate.ts';
import { type Preset, type PresetName, presets } from './presets.ts';
import { loadTrunk, runFolder, useDevice } from './runs.ts';
import {
  runFinetune,
  runGenerator,
  runSingle,
  runTeacher,
  runWarmup,
  type Session,
  type StageRow,
  writeReconstructions,
} from './stages.ts';

export interface QuickstartOptions {
  readonly preset: PresetName;
  readonly name: string;
  readonly seed: number;
  /** 'emoji', or a folder of class folders. */
  readonly data: string;
  readonly device: string;
  readonly threads?: number | undefined;
  readonly resume: boolean;
  /** Updates between pictures while training. */
  readonly pictureEvery: number;
  /** Also trains the single-stage recipe for as long as stages 0 to 2 took. */
  readonly compare: boolean;
}

export async function quickstart(options: QuickstartOptions): Promise<void> {
  const started = performance.now();
  const preset: Preset = presets[options.preset];
  const device = await useDevice(options.device, options.threads === undefined ? {} : { threads: options.threads });
  const folder = runFolder(options.name);
  mkdirSync(folder, { recursive: true });
  const dataset = await openDataset(options.data, preset.warmup.model.imageSize);
  const trunk = loadTrunk();
  console.log(
    `${dataset.train.count} training and ${dataset.validation.count} held-out images of ${dataset.size}×${dataset.size} in ${dataset.classes.length} classes; ` +
      `device ${device.name}, ${device.threads} thread${device.threads === 1 ? '' : 's'}`,
  );
  const originals = await originalStatistics(trunk, dataset.validation, dataset.size);
  const { seed, resume, pictureEvery } = options;
  const session: Session = { folder, dataset, trunk, originals, seed, resume, pictureEvery };

  const { teacher, row: teacherRow } = await runTeacher(session, preset.teacher);
  const { model: warm, row: warmupRow } = await runWarmup(session, preset.warmup, teacher);
  const { model, row: finetuneRow } = await runFinetune(session, preset.finetune, warm, teacher);
  const { row: generatorRow } = await runGenerator(session, preset.generator, preset.sampling, model);
  const rows = [teacherRow, warmupRow, finetuneRow, generatorRow];
  const shown: Record<string, (images: Tensor) => Tensor> = {
    teacher: (x) => teacher.forward(x).reconstruction,
    'stage 1': (x) => decodeSoft(teacher, warm.forward(x).output),
    'stage 2': (x) => model.forward(x).output,
  };
  if (options.compare) {
    const budget = teacherRow.seconds + warmupRow.seconds + finetuneRow.seconds;
    const steps = Math.round(budget / (warmupRow.seconds / warmupRow.steps)); // a step of either recipe costs about the same
    const { model: single, row } = await runSingle(session, { ...preset.single, steps, scheduleSteps: steps });
    rows.push(row);
    shown['single stage'] = (x) => single.forward(x).output;
  }

  const reconstructions = join(folder, 'reconstructions.png');
  await writeReconstructions(reconstructions, session, shown, 16);
  const samples = join(folder, 'samples.png');
  const seconds = (performance.now() - started) / 1000;
  const metrics = {
    preset: options.preset,
    seed,
    device: device.name,
    threads: device.threads,
    seconds,
    heldOut: dataset.validation.count,
    stages: rows,
    reconstructions,
    samples,
  };
  writeFileSync(join(folder, 'metrics.json'), `${JSON.stringify(metrics, null, 2)}\n`);
  console.log(`\n${table(rows)}\n`);
  console.log(
    `FD: Fréchet distance on 96 MobileNetV2 features, ${dataset.validation.count} images at 96 pixels; not FID.`,
  );
  console.log(
    `Done in ${(seconds / 60).toFixed(1)} min. Look at ${pc.bold(reconstructions)} and ${pc.bold(samples)}; figures are in ${join(folder, 'metrics.json')}.`,
  );
}

/** Columns that line up. */
function table(rows: readonly StageRow[]): string {
  const number = (x: number | null, digits: number) => (x === null || Number.isNaN(x) ? '–' : x.toFixed(digits));
  const cells = [
    ['stage', 'steps', 'seconds', 'images/s', 'loss', 'PSNR', 'codes', 'perplexity', 'FD'],
    ...rows.map((r) => [
      r.name,
      String(r.steps),
      number(r.seconds, 0),
      number(r.imagesPerSecond, 0),
      number(r.loss, 3),
      number(r.psnr, 2),
      number(r.codesUsed, 0),
      number(r.perplexity, 0),
      number(r.fd, 1),
    ]),
  ];
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  return cells
    .map((row) => row.map((c, i) => (i === 0 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!))).join('  '))
    .join('\n');
}
