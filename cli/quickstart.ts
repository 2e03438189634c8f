/** The whole road: teacher → TiTok stage 1 → stage 2 → MaskGIT on real images, then pictures and a table. */
import { join } from 'node:path';
import pc from 'picocolors';
import { OptionError, type Tensor } from '../core/index.ts';
import { writeFileAtomic } from '../data/index.ts';
import { decodeSoft } from '../titok/index.ts';
import { finetune, generator, type Preset, type Run, type StageRow, single, teacher, warmup } from '../train/index.ts';
import { describeDevice, openGivenDevice } from './device.ts';
import { lengthsNote, table, tableNote } from './table.ts';
import { describeDataset, openGivenRun, type TrainingGiven, trainStage } from './training.ts';

export interface QuickstartGiven extends TrainingGiven {
  /** Also trains the single-stage recipe for as long as stages 0 to 2 took. */
  readonly compare: boolean;
  /** A model whose decoder and generator go on, in place of teacher and stage 1. */
  readonly from?: string;
}

export async function quickstart(given: QuickstartGiven): Promise<void> {
  const started = performance.now();
  const device = await openGivenDevice(given, 'high');
  const { run, preset, presetName } = await openGivenRun(given, undefined, (dataset) => {
    console.log(`${describeDataset(dataset)}; ${describeDevice(device)}`);
  });
  const from = given.from ?? ((given.resume && run.settingsOf(finetune)?.from) || undefined);
  if (from !== undefined && given.compare)
    throw new OptionError(`--compare: expected to be without --from, got --from ${from}. Choose one.`);
  if (from !== undefined) await run.fetchFrom(from);
  using _ = run.lock();
  const secondsBefore = given.resume ? run.secondsSpent : 0; // training of earlier sessions
  if (given.overwrite) run.startAgain();

  const { rows, shown } = from === undefined ? await allStages(run, preset) : await lastStages(run, preset, from);
  if (given.compare) {
    const [teacherRow, warmupRow, finetuneRow] = rows;
    const budget = teacherRow.seconds + warmupRow.seconds + finetuneRow.seconds;
    const steps = Math.round(budget / (warmupRow.seconds / warmupRow.steps)); // an update of either recipe costs about the same
    rows.push(await trainStage(run, single, { ...preset.single, steps, scheduleSteps: 0 }));
    const alone = run.model(single);
    shown['single stage'] = (x) => alone.forward(x).output;
  }

  await run.drawReconstructions('reconstructions.png', shown, 16);
  const [reconstructions, samples, figures] = ['reconstructions.png', 'samples.png', 'metrics.json'].map((file) =>
    join(run.folder, file),
  );
  const seconds = secondsBefore + (performance.now() - started) / 1000;
  const heldOut = (await run.dataset()).validation.count;
  const metrics = {
    preset: presetName,
    seed: run.seed,
    device: device.name,
    threads: device.threads,
    matmulPrecision: device.matmulPrecision,
    seconds,
    heldOut,
    stages: rows,
    reconstructions,
    samples,
  };
  writeFileAtomic(figures, [new TextEncoder().encode(`${JSON.stringify(metrics, null, 2)}\n`)]);
  console.log([`\n${table(rows)}\n`, ...lengthsNote(rows), tableNote(heldOut)].join('\n'));
  console.log(
    `Done in ${(seconds / 60).toFixed(1)} min. Look at ${pc.bold(reconstructions)}, ${pc.bold(samples)} and ${pc.bold(join(run.folder, 'report.html'))}; figures are in ${figures}.`,
  );
}

interface Trained {
  readonly rows: StageRow[];
  /** What models make of images, by the label of their row. */
  readonly shown: Record<string, (images: Tensor) => Tensor>;
}

async function allStages(run: Run, preset: Preset): Promise<Trained> {
  const rows = [
    await trainStage(run, teacher, preset.teacher),
    await trainStage(run, warmup, preset.warmup),
    await trainStage(run, finetune, preset.finetune),
    await trainStage(run, generator, preset.generator),
  ];
  const [twoD, warm, model] = [run.model(teacher), run.model(warmup), run.model(finetune)];
  const shown = {
    teacher: (x: Tensor) => twoD.forward(x).reconstruction,
    'stage 1': (x: Tensor) => decodeSoft(twoD, warm.forward(x).output),
    'stage 2': (x: Tensor) => model.forward(x).output,
  };
  return { rows, shown };
}

/** The stages that go on from a model, which has the others behind it. */
async function lastStages(run: Run, preset: Preset, from: string): Promise<Trained> {
  const { tokenizer, generator: drawing } = run.modelFrom(from);
  const rows = [
    await trainStage(run, finetune, { ...preset.finetune, from }),
    await trainStage(run, generator, { ...preset.generator, ...(drawing && { from }) }),
  ];
  const model = run.model(finetune);
  return { rows, shown: { before: (x) => tokenizer.forward(x).output, 'stage 2': (x) => model.forward(x).output } };
}
