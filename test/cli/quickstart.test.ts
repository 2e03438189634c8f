/** `quickstart` interrupted in each stage and resumed ends as if nothing had happened. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { merge, type Preset, presets, type StageRow } from '../../train/index.ts';
import { interruptAfter, logged, titok, workIn, writePictures } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

const { smoke } = presets;
const half = { width: 16, layers: 1, heads: 2 };
const few = { batchSize: 2, steps: 12, warmupSteps: 2 };
/** Smoke, but in a second a stage. */
const mite: Preset = merge<Preset>(smoke, {
  teacher: { ...few, imageSize: 16, teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 } },
  warmup: {
    ...few,
    continuousSteps: 4,
    model: { imageSize: 16, latentTokens: 4, codebookSize: 16, encoder: { ...half, patchSize: 8 }, decoder: half },
  },
  finetune: few,
  generator: { ...few, generator: { ...half, mlpWidth: 32 } },
});

interface Metrics {
  readonly seconds: number;
  readonly stages: readonly StageRow[];
  readonly [name: string]: unknown;
}
const metricsOf = (name: string): Metrics => JSON.parse(readFileSync(`runs/${name}/metrics.json`, 'utf8'));
const quickstart = (name: string, ...more: string[]) => [
  ...['quickstart', '--preset', 'mite', '--name', name, '--data', 'pictures', '--threads', '1', '--picture-every', '0'],
  ...more,
];
const stages = ['teacher', 'warmup', 'finetune', 'generator'] as const;

before(async () => {
  (presets as Record<string, Preset>)['mite'] = mite;
  await writePictures('pictures');
});

test('quickstart trains four stages and ends with a table, metrics.json and two pictures', {
  timeout: 60_000,
}, async (t) => {
  const { status, out, err } = await titok(t, ...quickstart('whole'));
  assert.equal(status, 0, err);
  assert.match(
    out,
    /^12 training and 4 held-out images of 16×16 in 2 classes; device cpu, 1 thread, matmul precision (high|highest)\n/,
  );
  assert.match(
    out,
    /Look at runs\/whole\/reconstructions\.png, runs\/whole\/samples\.png and runs\/whole\/report\.html; figures are in runs\/whole\/metrics\.json\.$/,
  );
  const { preset, device, threads, seconds, reconstructions, samples, stages: rows } = metricsOf('whole');
  assert.deepEqual([preset, device, threads], ['mite', 'cpu', 1]);
  for (const path of [reconstructions, samples]) assert.ok(existsSync(path as string));
  assert.deepEqual(
    rows.map(({ name, steps }) => [name, steps]),
    stages.map((name) => [name, 12]),
  );
  const figures = ['seconds', 'imagesPerSecond', 'loss', 'psnr', 'codesUsed', 'perplexity', 'fd'] as const;
  for (const row of rows) {
    for (const figure of figures) {
      const none = row.name === 'generator' && ['psnr', 'codesUsed', 'perplexity'].includes(figure);
      assert.equal(row[figure] === null, none, `${row.name} ${figure}`);
    }
  }
  assert.ok(seconds > rows.reduce((sum, row) => sum + row.seconds, 0));
});

test('interrupted in every stage, it goes on with that stage and trains none twice', { timeout: 90_000 }, async (t) => {
  for (const [i, stage] of stages.entries()) {
    const settle = interruptAfter(5, 'runs/parts', stage);
    const finished = stages.slice(0, i).map((name) => `runs/parts/${name}.safetensors`);
    const before = finished.map((path) => statSync(path).mtimeMs);
    const { status, out, err } = await titok(t, ...quickstart('parts', '--resume'));
    settle();
    assert.equal(status, 130, err);
    assert.equal(err.includes("--resume: run 'parts' has nothing to go on with yet."), i === 0);
    assert.match(
      err,
      new RegExp(`^${stage}: stopped after \\d+ of 12 updates; saved in runs/parts/${stage}\\.safetensors\\.`, 'm'),
    );
    for (const name of stages.slice(0, Math.max(0, i - 1)))
      assert.ok(out.includes(`${name}: 12 of 12 updates are done`));
    assert.deepEqual(
      finished.slice(0, -1).map((path) => statSync(path).mtimeMs),
      before.slice(0, -1),
    );
  }
  const secondsOf = (stage: string) => logged('runs/parts', stage).at(-1)!.seconds;
  const spent = stages.map(secondsOf);
  const { status, err } = await titok(t, ...quickstart('parts', '--resume'));
  assert.equal(status, 0, err);

  for (const stage of stages) {
    const losses = (name: string) => logged(`runs/${name}`, stage).map(({ step, loss }) => [step, loss]);
    assert.deepEqual(losses('parts'), losses('whole'), stage);
  }
  const [parts, whole] = [metricsOf('parts'), metricsOf('whole')];
  assert.equal((await titok(t, ...quickstart('parts', '--resume'))).status, 0); // nothing is left to do
  const withoutSpeed = (rows: readonly StageRow[]) => rows.map(({ samplesPerSecond: _, ...row }) => row);
  assert.deepEqual(
    withoutSpeed(metricsOf('parts').stages),
    withoutSpeed(parts.stages),
    'figures of finished stages are kept',
  );
  const timeless = ({ seconds, imagesPerSecond, samplesPerSecond, ...rest }: StageRow) => rest;
  assert.deepEqual(parts.stages.map(timeless), whole.stages.map(timeless));
  for (const [i, row] of parts.stages.entries()) {
    assert.ok(row.seconds >= spent[i] - 0.001 && row.imagesPerSecond > 0, `${row.name} ${row.seconds}`);
    assert.ok(Math.abs(row.imagesPerSecond - 24 / row.seconds) < 1e-6, 'images of all sessions in the time of all');
  }
  assert.ok(parts.seconds > parts.stages.reduce((sum, row) => sum + row.seconds, 0));
});

test('a run that is there is not replaced by mistake', async (t) => {
  const before = stages.map((stage) => readFileSync(`runs/whole/${stage}.safetensors`));
  const log = readFileSync('runs/whole/log.jsonl', 'utf8');
  const { status, out, err } = await titok(t, ...quickstart('whole'));
  assert.deepEqual([status, out], [1, '']);
  assert.equal(
    err,
    "--name: expected a run without results, got 'whole', which has teacher, warmup, finetune, generator in runs/whole. " +
      'Go on with --resume, train again with --overwrite, or choose another --name.',
  );
  assert.match(
    (await titok(t, ...quickstart('whole', '--resume', '--overwrite'))).err,
    /^--overwrite: expected one of/,
  );
  // with --overwrite, too, until there is something to put in its place
  const wrong = await titok(t, ...quickstart('whole', '--overwrite', '--data', 'nowhere'));
  assert.equal(wrong.status, 1);
  assert.deepEqual(
    stages.map((stage) => readFileSync(`runs/whole/${stage}.safetensors`)),
    before,
  );
  assert.equal(readFileSync('runs/whole/log.jsonl', 'utf8'), log);
  assert.equal(existsSync('runs/whole/lock'), false);
});

test('with --overwrite everything starts again, also what comes later', { timeout: 60_000 }, async (t) => {
  const settle = interruptAfter(17, 'runs/whole', 'teacher'); // 12 of the run before
  const { status } = await titok(t, ...quickstart('whole', '--seed', '1', '--overwrite'));
  settle();
  assert.equal(status, 130);
  assert.deepEqual(
    stages.map((stage) => existsSync(`runs/whole/${stage}.safetensors`)),
    [true, false, false, false],
  );
  assert.deepEqual([existsSync('runs/whole/metrics.json'), logged('runs/whole', 'warmup').length], [false, 0]);
  const resumed = await titok(t, ...quickstart('whole', '--resume')); // with seed 1
  assert.equal(resumed.status, 0, resumed.err);
  assert.match(resumed.out, /^As before in this run: --seed 1\.\n/);
  for (const stage of stages) {
    assert.deepEqual(
      logged('runs/whole', stage).map(({ step }) => step),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
  }
  assert.equal(metricsOf('whole')['seed'], 1);
});
