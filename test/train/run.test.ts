/** Runs as programs use them: trained in a loop, left early and continued, and continued from an older version's files. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { OutOfMemoryError } from '../../core/index.ts';
import { type ImageDataset, loadCheckpoint, loadImageFolder, writeSafetensors } from '../../data/index.ts';
import { stateDict } from '../../nn/index.ts';
import { openRun, type Run, readLog, single, teacher, warmup } from '../../train/index.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { useOneThread } from './recipes.ts';

before(useOneThread);

const settings = {
  imageSize: 16,
  teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 },
  steps: 8,
  batchSize: 2,
  continuousSteps: 3,
} as const;

async function dataset(folder: string): Promise<ImageDataset> {
  return loadImageFolder(await writePictures(join(folder, 'pictures')), 16);
}

async function losses(run: Run, until = Number.POSITIVE_INFINITY): Promise<number[]> {
  const found: number[] = [];
  for await (const { step, loss } of run.train(teacher, settings)) {
    found.push(loss);
    if (step === until) break;
  }
  return found;
}

test('a run reports every update; left early, it saves and continues where it stopped', async (t) => {
  const folder = temporaryFolder(t);
  const options = { dataset: await dataset(folder) };
  const whole = await losses(await openRun(join(folder, 'whole'), options));
  assert.equal(whole.length, 8);
  const parts = join(folder, 'parts');
  const first = await losses(await openRun(parts, options), 5);
  assert.equal(
    (await (await openRun(parts, options)).evaluate(teacher)).steps,
    5,
    'what was done, not what is planned',
  );
  const second = await losses(await openRun(parts, options));
  assert.deepEqual([...first, ...second], whole);
  assert.deepEqual(await losses(await openRun(parts, options)), [], 'nothing is left to do');
  const { updates } = readLog(parts).get('teacher')!;
  assert.deepEqual(
    updates.map(({ figures }) => figures['loss']),
    whole,
  );
  assert.ok(existsSync(join(parts, 'teacher.png')));
});

test('a device that is full: what was saved stays, and the error names what needs less', async (t) => {
  const folder = temporaryFolder(t);
  const data = await dataset(folder);
  const run = await openRun(join(folder, 'run'), { dataset: data, saveEvery: 3 });
  const full: typeof teacher = {
    ...teacher,
    async start(...given) {
      const started = await teacher.start(...given);
      const { training } = started;
      const step = () => {
        if (training.state.done < 4) return training.step();
        throw new OutOfMemoryError('cpu: expected room for 9 GiB.');
      };
      return { ...started, training: { ...training, step } };
    },
  };
  await assert.rejects(run.fit(full, settings), {
    name: 'OutOfMemoryError',
    message:
      /^teacher, update 5: cpu: expected room for 9 GiB\. \S+ holds the 3 updates before; go on from there with --resume\. With --accumulate 4 .* with --recompute-activations/,
  });
  const parts = { ...settings, accumulate: 2, recomputeActivations: true };
  const again = await openRun(join(folder, 'run'), { dataset: data });
  assert.equal((await again.fit(teacher, parts)).steps, 8, 'goes on with both options');
});

test('an error in the reader saves too', async (t) => {
  const folder = temporaryFolder(t);
  const run = await openRun(join(folder, 'run'), { dataset: await dataset(folder) });
  const reader = async () => {
    for await (const { step } of run.train(teacher, settings)) if (step === 3) throw new Error('reader');
  };
  await assert.rejects(reader(), /reader/);
  assert.equal((run.open(teacher).meta['state'] as { done: number }).done, 3);
});

test('resume: false trains again, and a run measures what it has', async (t) => {
  const folder = temporaryFolder(t);
  const options = { dataset: await dataset(folder) };
  const run = join(folder, 'run');
  const whole = await losses(await openRun(run, options));
  assert.deepEqual(await losses(await openRun(run, { ...options, resume: false })), whole);
  const again = await openRun(run, options);
  const row = await again.evaluate(teacher);
  assert.equal(row.name, 'teacher');
  assert.equal(row.steps, 8);
  assert.ok(row.psnr! > 0 && row.fd > 0 && row.codesUsed! >= 1, JSON.stringify(row));
  assert.ok(Math.abs(row.loss - whole.reduce((a, b) => a + b) / 8) < 1e-9, 'the mean of the last updates');
});

test('with emaDecay, later stages get the averaged weights, and the checkpoint keeps both', async (t) => {
  const folder = temporaryFolder(t);
  const options = { dataset: await dataset(folder) };
  const path = join(folder, 'run');
  const run = await openRun(path, options);
  const half = { width: 16, layers: 1, heads: 2 };
  const model = { imageSize: 16, latentTokens: 4, codebookSize: 16, encoder: half, decoder: half };
  const short = {
    model,
    steps: 6,
    continuousSteps: 2,
    batchSize: 2,
    warmupSteps: 2,
    weights: { l1: 0, gradient: 0, perceptual: 0 },
  };
  await run.fit(single, { ...short, emaDecay: 0.9 });
  const { groups } = loadCheckpoint(run.checkpoint(single));
  const [last, averaged] = ['model', 'ema.model'].map((group) =>
    Array.from(groups[group]['encoder.patch_embed.weight'].data as ArrayLike<number>),
  );
  assert.ok(last.some((value, i) => value !== averaged[i]));
  for (const of of [run, await openRun(path, options)]) {
    const weights = await stateDict(of.model(single))['encoder.patch_embed.weight'].data();
    assert.deepEqual(Array.from(weights), averaged);
  }
  await assert.rejects(run.fit(single, { ...short, steps: 8, emaDecay: 0 }), {
    name: 'OptionError',
    message: /emaDecay above 0/,
  });
});

test('what belongs to a run is asked for by name', async (t) => {
  const folder = temporaryFolder(t);
  const data = await dataset(folder);
  const run = await openRun(join(folder, 'run'), { dataset: data });
  await assert.rejects(run.fit(warmup, { model: { imageSize: 16 } }), {
    name: 'CheckpointError',
    message: /run\/teacher\.safetensors: expected the result of 'titok train teacher', got no file\./,
  });
  await assert.rejects(run.fit(teacher, { ...settings, imageSize: 32 }), {
    name: 'OptionError',
    message: /^imageSize: expected the 16 pixels of the run's dataset, got 32\./,
  });
  await assert.rejects(run.fit(teacher, { stepz: 3 } as object), {
    name: 'OptionError',
    message: 'teacher settings, stepz: expected no such setting, got 3.',
  });
  await assert.rejects((await openRun(join(folder, 'none'))).fit(teacher, settings), {
    name: 'OptionError',
    message: /expected a dataset, got none\. Pass \{ dataset \}\.$/,
  });
  await assert.rejects(openRun(folder, { seed: -1 }), { name: 'OptionError' });
});

/** Written by version 0.1.0 after 6 updates, with the losses that it went on to. */
const previous = fileURLToPath(new URL('previous/', import.meta.url));

test('checkpoints of version 0.1.0 load, and their trainings go on as they would have there', async (t) => {
  const folder = temporaryFolder(t);
  const data = await dataset(folder);
  mkdirSync(join(folder, 'run'));
  for (const stage of ['teacher', 'warmup'])
    cpSync(join(previous, `${stage}.safetensors`), join(folder, 'run', `${stage}.safetensors`));
  const expected = JSON.parse(readFileSync(join(previous, 'losses.json'), 'utf8')) as Record<string, number[]>;
  const run = await openRun(join(folder, 'run'), { dataset: data });
  for (const stage of [warmup, teacher]) {
    const got: number[] = [];
    const changes = { steps: 10, ...(stage === teacher && { imageSize: 16 }) }; // which 0.1.0 did not store
    for await (const { loss } of run.train<typeof warmup | typeof teacher>(stage, changes)) got.push(loss);
    const want = expected[stage.name].slice(6);
    assert.equal(got.length, want.length);
    for (const [i, loss] of got.entries()) {
      assert.ok(Math.abs(loss / want[i] - 1) < 1e-4, `${stage.name}, update ${7 + i}: ${loss}, expected ${want[i]}`);
    }
  }
});

test('a run on emoji keeps the kind of its classes', async (t) => {
  const folder = temporaryFolder(t);
  const source = { path: 'emoji', classes: 'subgroups' } as const;
  const first = await openRun(folder, { source, heldOut: 8 });
  for await (const _ of first.train(teacher, { ...settings, imageSize: 16, steps: 4 }));
  const later = await openRun(folder);
  assert.equal((await later.dataset()).classes.length, 95);
  const other = await openRun(folder, { source: { path: 'emoji' } });
  await assert.rejects(async () => {
    for await (const _ of other.train(teacher, { steps: 5 }));
  }, /expected the classes face-smiling, .* got Smileys & Emotion/);
});

test('a teacher that starts from weights keeps their codes: it quantizes from its first update on', async (t) => {
  const folder = temporaryFolder(t);
  const options = { dataset: await dataset(folder) };
  const first = await openRun(join(folder, 'first'), options);
  await losses(first);
  const weights = join(folder, 'weights.safetensors');
  const { model } = loadCheckpoint(first.checkpoint(teacher)).groups;
  writeSafetensors(weights, model);
  const next = await openRun(join(folder, 'next'), options);
  for await (const _ of next.train(teacher, { ...settings, steps: 2, weightsFrom: weights }));
  const codes = [first, next].map((run) => loadCheckpoint(run.checkpoint(teacher)).groups['model']['quantize.embedding.weight'].data as Float32Array); // biome-ignore format: one thought
  const length = (values: Float32Array) => Math.hypot(...values);
  const change = length(codes[0].map((x, i) => x - codes[1][i])) / length(codes[0]);
  assert.ok(change > 0 && change < 0.1, `${change}`);

  const longer = { ...settings, steps: 6, continuousSteps: 4, weightsFrom: weights };
  const whole = await openRun(join(folder, 'whole'), options);
  for await (const _ of whole.train(teacher, longer));
  const parts = join(folder, 'parts');
  for await (const _ of (await openRun(parts, options)).train(teacher, longer)) break;
  rmSync(weights); // one that goes on has its own, whatever weightsFrom says now
  const goesOn = await openRun(parts, options);
  for await (const { step } of goesOn.train(teacher)) if (step === 2) break;
  for await (const { step } of goesOn.train(teacher, { weightsFrom: '' })) if (step === 3) break;
  for await (const _ of goesOn.train(teacher));
  const [expected, got] = [whole, goesOn].map((run) => loadCheckpoint(run.checkpoint(teacher)).groups['model']);
  assert.deepEqual(got, expected);
});
