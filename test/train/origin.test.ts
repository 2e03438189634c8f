/** A run knows its images, mirrored classes and seed: they are the default of what follows, and others are refused. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { type Dataset, type ImageStream, loadCheckpoint, saveCheckpoint } from '../../data/index.ts';
import type { TiTokConfig } from '../../titok/index.ts';
import {
  finetune,
  openRun,
  type Run,
  type RunOptions,
  type SavedMeta,
  single,
  teacher,
  warmup,
} from '../../train/index.ts';
import { expectImages, originOf } from '../../train/origin.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { discs, useOneThread } from './recipes.ts';

before(useOneThread);

const dataset = (changes: Partial<Dataset> = {}): Dataset => ({
  name: 'discs',
  size: 8,
  classes: ['round', '7'],
  train: discs(12),
  validation: discs(4),
  ...changes,
});
const short = { steps: 4, batchSize: 2, warmupSteps: 1 };
const sizes = { teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 8 } } as const;
const teacherSettings = { ...short, ...sizes, continuousSteps: 2 };
const half = { width: 16, layers: 1, heads: 2 };
const model = { latentTokens: 4, codebookSize: 8, encoder: { ...half, patchSize: 4 }, decoder: half };

const train = async (run: Run, changes = {}) => {
  for await (const _ of run.train(teacher, { ...teacherSettings, ...changes }));
  return run.meta(teacher);
};
const trainWarmup = async (run: Run, changes = {}) => {
  for await (const _ of run.train(warmup, { ...short, model, continuousSteps: 2, ...changes }));
  return run.meta(warmup);
};

/** A run with a trained teacher. */
async function trained(folder: string, options: RunOptions = {}): Promise<void> {
  await train(await openRun(folder, { dataset: dataset(), ...options }));
}

test('seed, mirrored classes and image size are those of the run where nothing else is said', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder, { seed: 7, flip: { except: ['7'] }, preset: 'mine', source: { path: './discs' } });
  const { origin, preset, settings } = await trainWarmup(await openRun(folder, { dataset: dataset() }));
  assert.deepEqual([origin!.seed, origin!.data.mirrored, preset], [7, ['round'], 'mine']);
  assert.equal((settings['model'] as { imageSize: number }).imageSize, 8);
  assert.equal((await openRun(folder)).seed, 7);
});

test('images come from where the run says when a program gives none', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder, { source: { path: 'nowhere' } });
  await assert.rejects((await openRun(folder)).dataset(), {
    name: 'DataError',
    message: /^nowhere: expected the images of the run .*, got no such folder\. .*--data/,
  });
});

const swapped = (set = discs(12)) => {
  const images = set.images.slice();
  images[5] ^= 1; // the lowest bit of one pixel
  return { ...set, images };
};
const labels = discs(12).labels.toReversed();
const { images: _, ...listed } = discs(12);
const streamed: ImageStream = { ...listed, fingerprint: '0123', reader: () => assert.fail('it is read') };
const others: [what: string, changes: Partial<Dataset>, message: RegExp][] = [
  ['renamed classes', { classes: ['round', 'seven'] }, /expected the classes round, 7, got round, seven from there\./],
  ['more images', { train: discs(13) }, /expected 12 training images, got 13 from there\./],
  [
    'another pixel',
    { train: swapped() },
    /expected the 12 training images of its training, got as many with other names/,
  ],
  ['another name', { train: { ...discs(12), names: discs(12).names.toReversed() } }, /expected the 12 training images/],
  ['another label', { train: { ...discs(12), labels } }, /expected the 12 training images/],
  ['held-out pixels', { validation: swapped(discs(4)) }, /expected the 4 held-out images of its training/],
  [
    'a stream',
    { train: streamed },
    /expected images in memory, got streamed images from there, .*\. Leave out --stream/,
  ],
];

test('other images are refused, by the next stage, when resuming and in an evaluation', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder);
  for (const [what, changes, message] of others) {
    const open = () => openRun(folder, { dataset: dataset(changes), source: { path: 'there' } });
    const evaluate = (run: Run) => run.evaluate(teacher);
    for (const use of [train, trainWarmup, evaluate] as ((run: Run) => Promise<unknown>)[]) {
      await assert.rejects(open().then(use), { name: 'CheckpointError', message }, what);
    }
  }
  assert.equal(
    (await trainWarmup(await openRun(folder, { dataset: dataset(), source: { path: 'moved' } }))).stage,
    'warmup',
  );
});

test('any change of a bit, a label or a name changes the fingerprint', () => {
  const set = discs(12);
  const [at, bit, row] = [fc.nat(set.images.length - 1), fc.nat(7), fc.nat(11)];
  const origin = originOf(0, dataset(), []);
  const differs = (train: typeof set) =>
    assert.throws(() => expectImages(origin, originOf(0, dataset({ train }), []), 'x'), { name: 'CheckpointError' });
  const property = fc.property(at, bit, row, (at, bit, row) => {
    differs({ ...set, images: set.images.map((value, i) => (i === at ? value ^ (1 << bit) : value)) });
    differs({ ...set, labels: set.labels.map((label, i) => (i === row ? label + 1 : label)) });
    differs({ ...set, names: set.names.map((name, i) => (i === row ? `${name}x` : name)) });
  });
  fc.assert(property, { seed: 1, numRuns: 30 });
});

test('another seed and other mirrored classes are refused, too', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder, { seed: 3 });
  const option = (message: RegExp) => ({ name: 'OptionError', message });
  for (const use of [train, trainWarmup]) {
    await assert.rejects(
      openRun(folder, { dataset: dataset(), seed: 4 }).then(use),
      option(/^seed: expected 3, as in checkpoint .*teacher\.safetensors, got 4\. Leave the seed out/),
    );
    await assert.rejects(
      openRun(folder, { dataset: dataset(), flip: true }).then(use),
      option(/^flip: expected mirrored images of no class, as in checkpoint .*, got round, 7\./),
    );
  }
  const unknown = await openRun(join(folder, 'new'), { dataset: dataset(), flip: { except: ['8'] } });
  await assert.rejects(
    train(unknown),
    option(/^flip\.except \(--no-flip-classes\): expected classes of round, 7, got '8' \(did you mean '7'\?\)\.$/),
  );
});

test('mirroring: off for own images, which is told once, on for what the dataset says', async (t) => {
  const folder = temporaryFolder(t);
  const views = async (name: string, options: RunOptions) => {
    const told: string[] = [];
    const run = await openRun(join(folder, name), { notify: (message) => told.push(message), ...options });
    await train(run);
    const { views } = (await run.batches(8, 200, 1)).next();
    const labels = discs(12).labels;
    const mirrored = [0, 1].map((label) => views.some((view) => view.mirrored && labels[view.index] === label));
    return { mirrored, told: told.filter((message) => message.includes('mirrored')) };
  };
  const own = await views('own', { dataset: dataset() });
  assert.deepEqual(own.mirrored, [false, false]);
  assert.match(own.told.join('\n'), /^Training images are not mirrored\. .*--flip.*$/);
  assert.deepEqual(await views('own', { dataset: dataset() }), { mirrored: [false, false], told: [] });
  assert.deepEqual(await views('all', { dataset: dataset(), flip: true }), { mirrored: [true, true], told: [] });
  const some = await views('some', { dataset: dataset({ mirrored: ['round'] }) });
  assert.deepEqual(some, { mirrored: [true, false], told: [] });
  assert.deepEqual((await views('none', { dataset: dataset({ mirrored: ['round'] }), flip: false })).mirrored, [
    false,
    false,
  ]);
});

/** Takes the origin out of a checkpoint, as earlier versions wrote it. */
async function asEarlier(run: Run): Promise<void> {
  const path = run.checkpoint(teacher);
  const { groups, meta } = loadCheckpoint(path);
  const { origin: _, ...rest } = meta;
  await saveCheckpoint(path, { groups, meta: rest });
}

test('a checkpoint of an earlier version goes on, mirrored as there, and says so in a line', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder);
  await asEarlier(await openRun(folder));
  const told: string[] = [];
  const notify = (message: string) => told.push(message);
  const meta = await train(await openRun(folder, { dataset: dataset(), notify }), { steps: 6 });
  assert.deepEqual(meta.origin!.data.mirrored, ['round', '7']);
  assert.equal(told.filter((message) => message.includes('saved by an earlier version')).length, 1);
});

test('what may change when a training goes on, and what may not, with the true reason', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder);
  const source = `checkpoint ${join(folder, 'teacher.safetensors')}`;
  const again = 'Leave it out, or train again with --overwrite or another --name.';
  const refused: [changes: object, message: string][] = [
    [{ steps: 3 }, `steps: expected at least the 4 updates of ${source}, got 3. ${again}`],
    [{ teacher: { ...sizes.teacher, dim: 6 } }, `teacher.dim: expected 4, with which ${source} began, got 6. ${again}`],
    [{ codebook: 'gradient' }, `codebook: expected "average", with which ${source} began, got "gradient". ${again}`],
    [
      { steps: 9, continuousSteps: 5 },
      `continuousSteps: expected 2, because in ${source} its codebook began after update 2, got 5. ${again}`,
    ],
  ];
  for (const [changes, message] of refused) {
    await assert.rejects(train(await openRun(folder, { dataset: dataset() }), changes), {
      name: 'OptionError',
      message: `teacher settings, ${message}`,
    });
  }
  const told: string[] = [];
  const run = await openRun(folder, { dataset: dataset(), saveEvery: 1, notify: (message) => told.push(message) });
  const changed = { steps: 6, batchSize: 3, learningRate: 1e-4, weights: { l1: 2 }, pcaStart: false };
  const { state, settings } = await train(run, changed);
  assert.equal(state.done, 6);
  assert.equal((settings as { batchSize: number }).batchSize, 3);
  assert.ok(
    told.includes('teacher, pcaStart: only the first update reads it, so changing it has no effect now.'),
    `${told}`,
  );
  for (const options of [{ saveEvery: -1 }, { pictureEvery: 1.5 }, { seed: Number.NaN }]) {
    await assert.rejects(openRun(folder, options), {
      name: 'OptionError',
      message: /expected a whole number from 0 to/,
    });
  }
});

test('other starting values for a model that goes on have no effect, not even on the pixels that it sees', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder);
  const told: string[] = [];
  const run = await openRun(folder, { dataset: dataset(), notify: (message) => told.push(message) });
  const pixelsAfter = async (steps: number, init: 'published' | 'fan-in', again = run) =>
    ((await trainWarmup(again, { steps, model: { ...model, init } })).settings['model'] as TiTokConfig).pixels;
  assert.equal(await pixelsAfter(4, 'published'), undefined);
  assert.equal(await pixelsAfter(5, 'fan-in'), undefined);
  assert.ok(
    told.includes('warmup, model.init: only the first update reads it, so changing it has no effect now.'),
    `${told}`,
  );
  const anew = await openRun(folder, { dataset: dataset(), resume: false });
  const centered = await pixelsAfter(4, 'fan-in', anew);
  assert.ok(centered && centered.std > 0);
  assert.deepEqual(await pixelsAfter(5, 'published'), centered);
});

test('a stage that fits the teacher: image size, and what else would have no effect', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder);
  const told: string[] = [];
  const run = await openRun(folder, { dataset: dataset(), notify: (message) => told.push(message) });
  await assert.rejects(trainWarmup(run, { model: { ...model, imageSize: 16 } }), {
    name: 'OptionError',
    message: "warmup settings, model.imageSize: expected 8, as the run's teacher has, got 16.",
  });
  await trainWarmup(run, { batchSize: 20, model: { ...model, codebookSize: 100 } });
  assert.ok(told.includes('batchSize 20: there are only 12 training images, so each batch repeats some.'), `${told}`);
  assert.ok(
    told.includes('codebookSize 100: the training images have only 48 latents, so most codes stay unused.'),
    `${told}`,
  );
});

test('with resume false, the checkpoint before stays until the first save', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder);
  const run = await openRun(folder, { dataset: dataset(), resume: false });
  const before = (await openRun(folder)).meta(teacher);
  const log: number[] = [];
  for await (const { step } of run.train(teacher, { ...teacherSettings, steps: 5 })) {
    log.push(step);
    assert.deepEqual(run.meta(teacher), before, 'nothing is saved yet');
  }
  assert.equal(run.meta(teacher).state.done, 5);
});

test('two programs in one run, and two trainings in one program', async (t) => {
  const folder = temporaryFolder(t);
  const [one, other] = [await openRun(folder, { dataset: dataset() }), await openRun(folder, { dataset: dataset() })];
  using _ = one.lock();
  await assert.rejects(train(other), { name: 'CheckpointError', message: /expected one training at a time/ });
  await train(one); // holds the lock already
  assert.equal((await other.evaluate(teacher)).steps, 4, 'reading needs no lock');
});

test('other stages that a stage does not build on are not compared', async (t) => {
  const folder = temporaryFolder(t);
  await trained(folder);
  const other = dataset({ train: discs(13) });
  const again: SavedMeta = await train(await openRun(folder, { dataset: other, resume: false }));
  assert.equal(again.origin!.data.train.count, 13);
  const alone = {
    ...short,
    model: { ...model, head: 'pixels', decoder: { ...half, patchSize: 4 } },
    continuousSteps: 2,
  };
  const run = await openRun(folder, { dataset: dataset() });
  await assert.rejects(run.fit(single, alone as never), { message: /expected 13 training images, got 12/ });
  await assert.rejects(run.fit(finetune), { name: 'CheckpointError', message: /'titok train warmup', got no file/ });
});
