/** Looks at held-out images while a training goes on: right values, and no trace in the training. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Rng } from '../../core/index.ts';
import { batches, batchOf, type ImageDataset, loadCheckpoint, loadImageFolder } from '../../data/index.ts';
import { psnrOf } from '../../eval/index.ts';
import {
  generator,
  openRun,
  parseSettings,
  type RunOptions,
  readLog,
  type Training,
  teacher,
  trainGenerator,
} from '../../train/index.ts';
import { spreadViews } from '../../train/views.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { discs, recipes, useOneThread } from './recipes.ts';

before(useOneThread);

const ofImages = Object.entries(recipes).filter(([name]) => !['generator', 'diffusion'].includes(name));
/** Updates of these draw noise, and looks at held-out images do not. */
const isNoisy = (name: string) => name.includes('continuous tokens');
/** The loss of these has a weight that each update computes anew. */
const isAdaptive = (name: string) => name.includes('adaptive weight');

/** Every value that a checkpoint would hold. */
async function valuesOf({ state }: Training): Promise<unknown> {
  const tensors: Record<string, number[]> = {};
  for (const [group, members] of Object.entries(state.groups()))
    for (const [name, t] of Object.entries(members)) tensors[`${group}/${name}`] = Array.from(await t.data());
  return { tensors, values: state.values() };
}

test('images that are looked at are spread over the whole set', () => {
  const indicesOf = (count: number) => spreadViews({ count }, 64).map(({ index }) => index);
  for (const count of [1, 2, 64, 65, 100, 127, 128, 191, 710, 50_000]) {
    const indices = indicesOf(count);
    const shown = Math.min(count, 64);
    assert.equal(new Set(indices).size, shown);
    assert.ok(indices.at(-1)! < count && indices.at(-1)! >= 0.89 * count - count / shown, `${count}: ${indices}`);
  }
  assert.deepEqual(indicesOf(710).slice(0, 3), [0, 11, 22]);
});

for (const [name, start] of ofImages) {
  test(`${name}: measured or not, it ends with the same weights and random numbers`, async () => {
    const [plain, measured] = [await start(), await start()];
    const { images, labels } = batchOf(
      discs(),
      [0, 1, 2].map((index) => ({ index, mirrored: false })),
    );
    for (let i = 0; i < plain.steps; i++) {
      const report = await plain.step();
      assert.deepEqual(await measured.step(), report);
      const terms = await measured.measure!(images, labels);
      assert.deepEqual(await measured.measure!(images, labels), terms, 'the same terms again');
      if (report['commitment'] === 0) assert.equal(terms['commitment'], 0, 'as long as updates do not quantize');
      for (const [term, x] of Object.entries(terms)) assert.ok(term === 'mse' || term in report, `${term} ${x}`);
    }
    assert.deepEqual(await valuesOf(measured), await valuesOf(plain));
  });

  if (isNoisy(name)) continue;
  test(`${name}: terms are those of the next update on the same images`, async () => {
    const training = await start();
    const { steps, state } = training;
    for (let i = 0; i < steps - 3; i++) await training.step();
    const loader = batches(discs(), { batchSize: 2, seed: 3, flip: true });
    loader.state = (state.values() as unknown as { streams: { data: typeof loader.state } }).streams.data;
    const { images, labels } = loader.next();
    const terms = await training.measure!(images, labels);
    const report = await training.step();
    for (const term of Object.keys(terms).filter(
      (term) => term in report && !(isAdaptive(name) && /^(loss|ganFactor)$/.test(term)),
    )) {
      const difference = Math.abs(terms[term] - report[term]);
      assert.ok(difference <= 1e-6 * Math.max(1, Math.abs(report[term])), `${term}: ${terms[term]}, ${report[term]}`);
    }
  });
}

test('generator: measured or not, it ends with the same weights; masks are the same at every look', async () => {
  const small = { codebookSize: 8, latentTokens: 4, classes: 2, width: 16, layers: 1, heads: 2, mlpWidth: 32 };
  const settings = parseSettings(generator.settings, { generator: small, steps: 6, batchSize: 2, warmupSteps: 2 }, '');
  const rows = { tokens: Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7), labels: Int32Array.of(0, 1) };
  const start = () => trainGenerator(settings, { next: () => rows, state: 0 }, new Rng(1));
  const [plain, measured] = [start(), start()];
  const losses: number[] = [];
  for (let i = 0; i < 6; i++) {
    assert.deepEqual(await measured.step(), await plain.step());
    const look = await measured.measureTokens(rows.tokens, rows.labels);
    assert.deepEqual(await measured.measureTokens(rows.tokens, rows.labels), look);
    losses.push(look.loss);
  }
  assert.ok(losses[5] < losses[0], `${losses}`);
  assert.deepEqual(await valuesOf(measured), await valuesOf(plain));
});

const ofTeacher = {
  imageSize: 16,
  teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 },
  steps: 8,
  batchSize: 2,
  continuousSteps: 3,
} as const;

async function train(folder: string, options: RunOptions, until = Number.POSITIVE_INFINITY): Promise<void> {
  const run = await openRun(folder, options);
  for await (const { step } of run.train(teacher, ofTeacher)) if (step === until) break;
}

test('a run that is watched in every way ends with the same checkpoint', async (t) => {
  const folder = temporaryFolder(t);
  const dataset: ImageDataset = await loadImageFolder(await writePictures(join(folder, 'pictures')), 16);
  const [plain, watched, parts] = ['plain', 'watched', 'parts'].map((name) => join(folder, name));
  await train(plain, { dataset, measureEvery: 0 });
  const all = { dataset, measureEvery: 3, pictureEvery: 2, saveEvery: 2, tensorboard: true };
  await train(watched, all);
  const contentOf = (run: string) => {
    const { groups, meta } = loadCheckpoint(join(run, 'teacher.safetensors'));
    return { groups, state: meta['state'] };
  };
  assert.deepEqual(contentOf(watched), contentOf(plain));
  assert.deepEqual(readLog(plain).get('teacher')!.heldOut, []);

  const { heldOut } = readLog(watched).get('teacher')!;
  assert.deepEqual(
    heldOut.map(({ step }) => step),
    [3, 6, 8],
    'at the end, too',
  );
  for (const { figures } of heldOut) assert.equal(figures['psnr'], psnrOf(figures['mse']));

  for (const until of [3, 5, 6]) await train(parts, all, until);
  await train(parts, all);
  const linesOf = (run: string) =>
    readFileSync(join(run, 'log.jsonl'), 'utf8')
      .replace(/"seconds":[\d.]+/g, '')
      .split('\n');
  assert.deepEqual(linesOf(parts), linesOf(watched), 'each update and each look is logged once');
});

test('progress brings the latest look along', async (t) => {
  const folder = temporaryFolder(t);
  const dataset = await loadImageFolder(await writePictures(join(folder, 'pictures')), 16);
  const run = await openRun(join(folder, 'run'), { dataset, measureEvery: 4 });
  const seen: (number | undefined)[] = [];
  for await (const { heldOut } of run.train(teacher, ofTeacher)) seen.push(heldOut?.['loss']);
  const [first, second] = readLog(run.folder)
    .get('teacher')!
    .heldOut.map(({ figures }) => figures['loss']);
  assert.deepEqual(seen, [undefined, undefined, undefined, first, first, first, first, second]);
  await assert.rejects(openRun(folder, { measureEvery: -1 }), {
    name: 'OptionError',
    message: /^openRun, measureEvery: expected a whole number from 0 to 1e9, got -1\./,
  });
});
