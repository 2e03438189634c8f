/** The whole road: teacher → TiTok stage 1 → stage 2 → MaskGIT on real images, then pictures and a table. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pc from 'picocolors';
import type { Tensor } from '../core/index.ts';
import { decodeSoft } from '../titok/index.ts';
import {
  type Preset,
  presets,
  runFinetune,
  runFolder,
  runGenerator,
  runSingle,
  runTeacher,
  runWarmup,
  secondsSpent,
  startAgain,
  writeReconstructions,
} from '../train/index.ts';
import { describeDevice, openGiven } from './device.ts';
import { describeDataset, openSession, presetOf, type SessionGiven } from './session.ts';
import { table, tableNote } from './table.ts';

export interface QuickstartGiven extends SessionGiven {
  /** Also trains the single-stage recipe for as long as stages 0 to 2 took. */
  readonly compare: boolean;
}

export async function quickstart(given: QuickstartGiven): Promise<void> {
  const started = performance.now();
  const preset: Preset = presets[presetOf(given)];
  const device = await openGiven(given);
  const session = await openSession(given, preset.warmup.model.imageSize);
  const { folder, dataset, seed } = session;
  if (!given.resume) startAgain(folder);
  const secondsBefore = secondsSpent(folder); // training of the sessions before this one
  console.log(`${describeDataset(session)}; ${describeDevice(device)}`);

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
  if (given.compare) {
    const budget = teacherRow.seconds + warmupRow.seconds + finetuneRow.seconds;
    const steps = Math.round(budget / (warmupRow.seconds / warmupRow.steps)); // a step of either recipe costs about the same
    const { model: single, row } = await runSingle(session, { ...preset.single, steps, scheduleSteps: steps });
    rows.push(row);
    shown['single stage'] = (x) => single.forward(x).output;
  }

  const reconstructions = join(folder, 'reconstructions.png');
  await writeReconstructions(reconstructions, session, shown, 16);
  const samples = join(folder, 'samples.png');
  const seconds = secondsBefore + (performance.now() - started) / 1000;
  const metrics = {
    preset: given.preset,
    seed,
    device: device.name,
    threads: device.threads,
    matmulPrecision: device.matmulPrecision,
    seconds,
    heldOut: dataset.validation.count,
    stages: rows,
    reconstructions,
    samples,
  };
  writeFileSync(join(folder, 'metrics.json'), `${JSON.stringify(metrics, null, 2)}\n`);
  console.log(`\n${table(rows)}\n\n${tableNote(dataset.validation.count)}`);
  console.log(
    `Done in ${(seconds / 60).toFixed(1)} min. Look at ${pc.bold(reconstructions)} and ${pc.bold(samples)}; figures are in ${join(runFolder(given.name), 'metrics.json')}.`,
  );
}
