/** The generator of the teacher's 2-D codes: beside the others in a run, resumed to the bit, and drawn from. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { loadCheckpoint, loadImageFolder } from '../../data/index.ts';
import { generate, generator2d, openRun, teacher } from '../../train/index.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { useOneThread } from './recipes.ts';

before(useOneThread);

const teacherSettings = {
  imageSize: 16,
  batchSize: 4,
  warmupSteps: 2,
  steps: 10,
  continuousSteps: 2,
  teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 },
} as const;
const settings = {
  batchSize: 4,
  warmupSteps: 2,
  steps: 12,
  schedule: 'cosine',
  generator: { width: 16, layers: 1, heads: 2, mlpWidth: 32 },
  sampling: { steps: 3, schedule: 'cosine' },
} as const;

test('a run with a teacher alone learns its codes, goes on to the bit, and draws', { timeout: 60_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const path = await writePictures(join(folder, 'pictures'));
  const open = (name: string) =>
    openRun(join(folder, name), { dataset: (size) => loadImageFolder(path, size), source: { path } });
  const states = [];
  for (const name of ['whole', 'stopped']) {
    let run = await open(name);
    await run.fit(teacher, teacherSettings);
    if (name === 'stopped') {
      for await (const { step } of run.train(generator2d, settings)) if (step === 5) break;
      run = await open(name);
    }
    const row = await run.fit(generator2d, settings);
    assert.ok(row.fd > 0 && (row['samplesPerSecond'] as number) > 0 && row.steps === 12);
    const { groups, meta } = loadCheckpoint(run.checkpoint(generator2d));
    const { latentTokens, codebookSize } = (meta['settings'] as { generator: Record<string, number> }).generator;
    assert.deepEqual([latentTokens, codebookSize], [16, 16]); // 4 × 4 patches of 4 pixels
    states.push({ groups, state: meta['state'] });

    const [a, b] = [
      await generate(run, 'cats', { count: 2 }),
      await generate(run, 'cats', { stage: 'generator2d', count: 2 }),
    ];
    assert.deepEqual(a, b);
    assert.deepEqual([a.length, a[0].width], [2, 16]);
    await assert.rejects(generate(run, 'cats', { stage: 'warmup' }), {
      name: 'OptionError',
      message: 'stage: expected one of generator, generator2d, got warmup.',
    });
    await assert.rejects(generate(run, 'cats', { stage: 'generator' }), {
      name: 'CheckpointError',
      message: /generator\.safetensors: expected the result of 'titok train generator', got no file/,
    });
    await run.fit(teacher, { ...teacherSettings, steps: 12 });
    await assert.rejects(generate(run, 'cats'), {
      name: 'CheckpointError',
      message: /expected to be made with the run's teacher, got one made with another teacher/,
    });
  }
  assert.deepEqual(states[1], states[0]);
});
