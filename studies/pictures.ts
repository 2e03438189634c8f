/** The picture of a study: what each row makes of the same held-out pictures, or draws of the same classes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { noGrad, outermostScope, Rng, tidy } from '../core/index.ts';
import { batchOf, imageGrid, type RgbImage, writePng } from '../data/index.ts';
import { picturesOf, type Run, samplePictures, spread } from '../train/index.ts';
import { reconstructorOf, samplerOf } from './models.ts';
import type { Row } from './row.ts';
import type { Plan, Study } from './study.ts';
import { openTrained, type Step, stepsOf, type Workshop } from './trainings.ts';

const columns = 10;

/**
 * Draws a line of pictures for each row, of seed 0. Without the trainings, as on another machine, a picture that is there
 * stays.
 *
 * @returns whether there is a picture
 */
export async function drawPictures(study: Study, plan: Plan, workshop: Workshop, path: string): Promise<boolean> {
  const runs = plan.rows.map((row) => ({ row, ...stepsOf(row.trainings, 0, workshop.source).at(-1)! }));
  const isThere = ({ folder, stage }: Step) => existsSync(join(workshop.folder, folder, `${stage.name}.safetensors`));
  if (!runs.every(isThere)) return existsSync(path);
  const lines: { label: string; pictures: RgbImage[] }[] = [];
  for (const { row, folder } of runs) {
    using _ = outermostScope();
    const run = await openTrained(workshop, folder, 0);
    if (study.pictures === 'samples') lines.push({ label: row.name, pictures: await drawn(run, row) });
    else {
      const { input, output } = await reconstructed(run, row);
      if (lines.length === 0) lines.push({ label: 'held out', pictures: input });
      lines.push({ label: row.name, pictures: output });
    }
  }
  const rowLabels = lines.map(({ label }) => label);
  await writePng(path, await imageGrid(lines.flatMap(({ pictures }) => pictures), columns, { scale: 2, rowLabels })); // biome-ignore format: one thought
  return true;
}

async function reconstructed(run: Run, row: Row): Promise<{ input: RgbImage[]; output: RgbImage[] }> {
  const { validation } = await run.dataset();
  const views = Array.from({ length: columns }, (_, i) => ({
    index: Math.floor((i * validation.count) / columns),
    mirrored: false,
  }));
  const { images, labels } = batchOf(validation, views);
  const { reconstruct } = reconstructorOf(run, row);
  const output = noGrad(() => tidy(() => reconstruct(images).reconstruction));
  const pictures = { input: await picturesOf(images), output: await picturesOf(output) };
  for (const t of [images, labels, output]) t.dispose();
  return pictures;
}

function drawn(run: Run, row: Row): Promise<RgbImage[]> {
  const sampler = samplerOf(run, row);
  const shown = spread(sampler.classes.length, columns);
  const labels = Array.from({ length: columns }, (_, i) => shown[i % shown.length]).sort((a, b) => a - b);
  return samplePictures(sampler, labels, new Rng(0));
}
