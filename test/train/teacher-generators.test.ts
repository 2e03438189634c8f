/** Generators that need the teacher alone: beside each other in a run, resumed to the bit, and drawn from. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { Rng } from '../../core/index.ts';
import { loadCheckpoint, loadImageFolder } from '../../data/index.ts';
import { DiT, type DiTConfig } from '../../diffusion/index.ts';
import { createGenerator, type GeneratorConfig } from '../../maskgit/index.ts';
import { countParameters } from '../../nn/index.ts';
import {
  diffusion,
  generate,
  type generator,
  generator2d,
  openRun,
  parseSettings,
  presets,
  type Run,
  type Stage,
  teacher,
} from '../../train/index.ts';
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
const short = { batchSize: 4, warmupSteps: 2, steps: 12 };
const stages = {
  generator2d: {
    stage: generator2d,
    settings: {
      ...short,
      schedule: 'cosine',
      generator: { width: 16, layers: 1, heads: 2, mlpWidth: 32 },
      sampling: { steps: 3, schedule: 'cosine' },
    },
    sizes: { latentTokens: 16, codebookSize: 16 }, // 4 × 4 patches of 4 pixels
    group: 'generator',
  },
  diffusion: {
    stage: diffusion,
    settings: {
      ...short,
      model: { patchSize: 2, width: 16, layers: 1, heads: 2, mlpWidth: 32 },
      sampling: { steps: 3, eta: 1 },
    },
    sizes: { channels: 4, gridSize: 4, classes: 2 },
    group: 'model',
  },
} as const;

async function openIn(folder: string, name: string): Promise<Run> {
  const path = join(folder, 'pictures');
  if (!existsSync(path)) await writePictures(path);
  return openRun(join(folder, name), { dataset: (size) => loadImageFolder(path, size), source: { path } });
}

for (const name of ['generator2d', 'diffusion'] as const) {
  test(`${name}: trains on a teacher alone, goes on to the bit, and draws`, { timeout: 60_000 }, async (t) => {
    const folder = temporaryFolder(t);
    const { settings, sizes, group } = stages[name];
    const stage: Stage = stages[name].stage;
    const states = [];
    for (const way of ['whole', 'stopped']) {
      let run = await openIn(folder, way);
      await assert.rejects(run.fit(stage, settings), {
        name: 'CheckpointError',
        message: /teacher\.safetensors: expected the result of 'titok train teacher', got no file/,
      });
      await run.fit(teacher, teacherSettings);
      if (way === 'stopped') {
        for await (const { step } of run.train(stage, settings)) if (step === 5) break;
        run = await openIn(folder, way);
      }
      const row = await run.fit(stage, settings);
      assert.ok(row.fd > 0 && (row['samplesPerSecond'] as number) > 0 && row.steps === 12);
      const { groups, meta } = loadCheckpoint(run.checkpoint(stage));
      const stored = (meta['settings'] as Record<string, Record<string, unknown>>)[group];
      for (const [size, value] of Object.entries(sizes)) assert.equal(stored[size], value);
      states.push({ groups, settings: meta['settings'], state: meta['state'] });

      const pictures = await generate(run, 'cats', { count: 2 });
      assert.deepEqual([pictures.length, pictures[0].width], [2, 16]);
      const again = await openIn(folder, way); // its model comes from the checkpoint
      assert.deepEqual(await generate(again, 'cats', { stage: name, count: 2 }), pictures);
      assert.notDeepEqual(await generate(again, 'cats', { count: 2, seed: 1 }), pictures);
    }
    assert.deepEqual(states[1], states[0]);
  });
}

test('diffusion: with more updates, and so more images, latents are multiplied by the same number', async (t) => {
  const run = await openIn(temporaryFolder(t), 'longer');
  await run.fit(teacher, teacherSettings);
  const scaleAfter = async (steps: number) => {
    for await (const _ of run.train(diffusion, { ...stages.diffusion.settings, steps }));
    return run.meta(diffusion).settings['latentScale'] as number;
  };
  const first = await scaleAfter(1); // learns 4 images
  assert.ok(first > 0);
  assert.equal(await scaleAfter(6), first); // learns 24
  assert.equal((run.model(diffusion) as { latentScale: number }).latentScale, first);
});

test('which stage draws: the first that is there, or the one that is named', { timeout: 60_000 }, async (t) => {
  const run = await openIn(temporaryFolder(t), 'both');
  await run.fit(teacher, teacherSettings);
  for (const { stage, settings } of Object.values(stages)) await run.fit(stage as Stage, settings);
  const [first, codes, latents] = [
    await generate(run, 'cats'),
    await generate(run, 'cats', { stage: 'generator2d' }),
    await generate(run, 'cats', { stage: 'diffusion' }),
  ];
  assert.deepEqual(first, codes);
  assert.notDeepEqual(codes, latents);
  await assert.rejects(generate(run, 'cats', { stage: 'warmup' }), {
    name: 'OptionError',
    message: 'stage: expected one of generator, generator2d, diffusion, got warmup.',
  });
  await assert.rejects(generate(run, 'cats', { stage: 'generator' }), {
    name: 'CheckpointError',
    message: /generator\.safetensors: expected the result of 'titok train generator', got no file/,
  });
  await assert.rejects(generate(run, 'cats', { stage: 'diffusion', sampling: { eta: 2 } }), {
    name: 'OptionError',
    message: 'generate, sampling, eta: expected a number from 0 to 1, got 2.',
  });
  await assert.rejects(generate(run, 'cats', { stage: 'diffusion', sampling: { schedule: 'cosine' } }), {
    name: 'OptionError',
    message: 'generate, sampling, schedule: expected no such setting, got "cosine".',
  });
  const wrong = [
    [{ model: { patchSize: 3 } }, "model.patchSize: expected a divisor of 4, the side of the teacher's grid, got 3."],
    [{ times: 50, sampling: { steps: 51 } }, 'sampling.steps: expected at most times 50, got 51.'],
    [{ model: { width: 18, heads: 2 } }, 'model.width: expected a multiple of 4, for the position embedding, got 18.'],
  ] as const;
  const fresh = await openIn(dirname(run.folder), 'fresh');
  await fresh.fit(teacher, teacherSettings);
  for (const [settings, message] of wrong) {
    await assert.rejects(fresh.fit(diffusion, settings), {
      name: 'OptionError',
      message: `diffusion settings, ${message}`,
    });
  }
  await run.fit(teacher, { ...teacherSettings, steps: 12 });
  for (const stage of ['generator2d', 'diffusion'] as const) {
    await assert.rejects(generate(run, 'cats', { stage }), {
      name: 'CheckpointError',
      message: /expected to be made with the run's teacher, got one made with another teacher/,
    });
  }
});

test('by default the diffusion transformer is as large as the generator, in every preset', () => {
  for (const [name, preset] of Object.entries(presets)) {
    const count = (schema: typeof generator.settings | typeof diffusion.settings, changes: object) =>
      parseSettings(schema, changes, name);
    const mask = count(generator2d.settings as never, preset.generator2d) as { generator: GeneratorConfig };
    const { model } = count(diffusion.settings, preset.diffusion) as { model: DiTConfig };
    const sizes = [createGenerator(mask.generator, new Rng(0)), new DiT(model, new Rng(0))].map(countParameters);
    assert.ok(Math.abs(sizes[1] / sizes[0] - 1) < 0.05, `${name}: ${sizes}`);
  }
});
