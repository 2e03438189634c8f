/** The commands of one run: what is left out is as before, what differs is refused, and nothing is lost. */
import assert from 'node:assert/strict';
import fs, { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadCheckpointMeta } from '../../data/index.ts';
import type { Origin } from '../../train/index.ts';
import { logged, quick, small, startTitok, titok, workIn, writePictures } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Without --data. */
const bare = (name: string) => ['--name', name, ...quick(name, '').slice(4)];
const originOf = (path: string) => loadCheckpointMeta(path)!['origin'] as Origin;
const teach = (name: string, ...more: string[]) => [
  ...['train', 'teacher', ...quick(name, 'pictures'), ...small.teacher, ...more],
];

before(async () => {
  await writePictures('pictures');
});

test('a later stage uses the images, the seed and the mirrored classes of the run', { timeout: 60_000 }, async (t) => {
  const first = await titok(t, ...teach('run', '--seed', '5', '--no-flip-classes', 'dogs'));
  assert.equal(first.status, 0, first.err);
  const warmup = await titok(t, 'train', 'warmup', ...bare('run'), ...small.warmup);
  assert.equal(warmup.status, 0, warmup.err);
  assert.match(
    warmup.out,
    /^As before in this run: --data pictures, --seed 5\.\n12 training and 4 held-out images of 16×16 in 2 classes\n/,
  );
  assert.doesNotMatch(first.out + warmup.out, /not mirrored/);
  for (const stage of ['teacher', 'warmup']) {
    const { seed, data } = originOf(`runs/run/${stage}.safetensors`);
    assert.deepEqual([seed, data.source, data.mirrored], [5, { path: 'pictures' }, ['cats']]);
  }
  assert.equal((await titok(t, 'train', 'finetune', ...bare('run'), ...small.finetune)).status, 0);
  const { out } = await titok(t, 'info', 'runs/run/warmup.safetensors');
  assert.match(out, /\n {2}trained on pictures: 12 images of 2 classes, seed 5\n/);
});

test('a run of other images says nothing about the classes of the emoji: they are those of the preset', async (t) => {
  const refused = ['--teacher-stem', '8', '--image-size', '18', '--weights-adversarial', '0.1']; // once they are loaded
  const again = ['--preset', 'small', '--overwrite', ...refused];
  const { out, err } = await titok(t, 'train', 'teacher', ...quick('run', 'emoji'), '--seed', '5', ...again);
  assert.match(out, /held-out images of 18×18 in 95 classes$/m, err);
  assert.match(err, /^discriminator small: expected images with a size that 4 divides, got 18/);
});

test('other images, a renamed class, another seed: refused before anything is trained', async (t) => {
  const log = readFileSync('runs/run/log.jsonl', 'utf8');
  cpSync('pictures', 'moved', { recursive: true });
  const resume = (...more: string[]) => titok(t, 'train', 'warmup', ...bare('run'), '--resume', ...more);
  assert.equal((await resume('--data', 'moved')).status, 0, 'the same images elsewhere');
  for (const split of ['train', 'val']) renameSync(`moved/${split}/dogs`, `moved/${split}/wolves`);
  const where = 'checkpoint runs/run/warmup.safetensors';
  const advice = 'Give the images that it was trained on (--data), or start a new run (--name).';
  assert.equal(
    (await resume('--data', 'moved')).err,
    `${where}: expected the classes cats, dogs, got cats, wolves from moved. ${advice}`,
  );
  for (const split of ['train', 'val']) renameSync(`moved/${split}/wolves`, `moved/${split}/dogs`);
  cpSync('moved/train/dogs/1.png', 'moved/train/dogs/0.png');
  assert.equal(
    (await resume('--data', 'moved')).err,
    `${where}: expected the 12 training images of its training, got as many with other names, labels or pixels from moved. ${advice}`,
  );
  assert.match(
    (await resume('--seed', '6')).err,
    /^seed: expected 5, as in checkpoint runs\/run\/warmup\.safetensors, got 6\./,
  );
  assert.match((await resume('--flip')).err, /^flip: expected mirrored images of cats, as in .*, got cats, dogs\./);
  assert.equal(readFileSync('runs/run/log.jsonl', 'utf8'), log);
});

test('the held-out fraction of the run holds, too; images that are gone are asked for', {
  timeout: 60_000,
}, async (t) => {
  cpSync('pictures/train', 'flat', { recursive: true });
  const flat = [...['train', 'teacher', ...quick('flat', 'flat'), ...small.teacher], '--held-out', '0.4'];
  assert.equal((await titok(t, ...flat)).status, 0);
  const { source, heldOut } = originOf('runs/flat/teacher.safetensors').data;
  assert.deepEqual(source, { path: 'flat', heldOut: 0.4 });
  renameSync('flat', 'elsewhere');
  const next = (...more: string[]) => titok(t, 'train', 'warmup', ...bare('flat'), ...small.warmup, ...more);
  assert.equal(
    (await next()).err,
    'flat: expected the images of the run runs/flat, got no such folder. Say where they are now with --data (dataset, in a program).',
  );
  const moved = await next('--data', 'elsewhere');
  assert.equal(moved.status, 0, moved.err);
  assert.deepEqual(originOf('runs/flat/warmup.safetensors').data.heldOut, heldOut);
  assert.match(
    (await next('--data', 'elsewhere', '--held-out', '0.2', '--overwrite')).err,
    /expected \d+ training images, got \d+/,
  );
});

test('mirroring: options that contradict each other, and a class that is none', async (t) => {
  const wrong = (...options: string[]) => titok(t, ...teach('wrong', ...options));
  assert.equal(
    (await wrong('--no-flip', '--no-flip-classes', 'dogs')).err,
    '--no-flip-classes: expected to be without --no-flip, got both. Choose one.',
  );
  assert.equal(
    (await wrong('--no-flip-classes', 'cats,dags')).err,
    "flip.except (--no-flip-classes): expected classes of cats, dogs, got 'dags' (did you mean 'dogs'?).",
  );
  assert.equal(fs.existsSync('runs/wrong'), false, 'no empty run stays');
});

test('settings that contradict each other are named as options, before anything is loaded', async (t) => {
  const cases: [args: string[], message: string][] = [
    [
      ['warmup', '--steps', '30', '--continuous-steps', '30'],
      '--steps: expected more than --continuous-steps 30, the updates before the codebook starts, got 30. Raise --steps or lower --continuous-steps.',
    ],
    [
      ['teacher', '--image-size', '30'],
      '--image-size: expected a multiple of 4, the pixels that --teacher-stem makes one code of, got 30.',
    ],
    [
      ['single', '--model-image-size', '33'],
      '--model-image-size: expected a multiple of --model-encoder-patch-size 8, got 33.',
    ],
    [['generator', '--generator-heads', '7'], '--generator-heads: expected a divisor of --generator-width 192, got 7.'],
  ];
  for (const [args, message] of cases) {
    const { status, out, err } = await titok(t, 'train', ...args, '--name', 'wrong', '--data', 'nowhere');
    assert.deepEqual([status, out], [1, '']);
    assert.equal(err.replace(/got '(\d+)'/, 'got $1'), message);
  }
});

test('--steps beyond --schedule-steps: said, and the rate holds', { timeout: 60_000 }, async (t) => {
  const options = ['--steps', '12', '--schedule-steps', '8', '--name', 'long'];
  const { status, out, err } = await titok(
    t,
    'train',
    'single',
    ...bare('run'),
    ...small.single,
    ...options,
    '--data',
    'pictures',
  );
  assert.equal(status, 0, err);
  assert.match(
    out,
    /^single, scheduleSteps 8: from then on the learning rate stays at its end, for 4 of 12 updates\.\n/,
  );
  const rates = logged('runs/long', 'single').map(
    (entry) => (entry as unknown as { learningRate: number }).learningRate,
  );
  assert.deepEqual(new Set(rates.slice(8)), new Set([0]));
});

test('the generator goes on with more updates, and with another batch size', { timeout: 60_000 }, async (t) => {
  const generator = (...more: string[]) => titok(t, 'train', 'generator', ...bare('run'), ...small.generator, ...more);
  assert.equal((await generator()).status, 0);
  const steps = () => logged('runs/run', 'generator').map(({ step }) => step);
  const longer = await generator('--resume', '--steps', '9');
  assert.equal(longer.status, 0, longer.err);
  const wider = await generator('--resume', '--steps', '11', '--batch-size', '5');
  assert.equal(wider.status, 0, wider.err);
  assert.deepEqual(
    steps(),
    Array.from({ length: 11 }, (_, i) => i + 1),
  );
  assert.equal(
    (await generator('--resume', '--steps', '10')).err,
    'generator settings, steps: expected at least the 11 updates of checkpoint runs/run/generator.safetensors, got 10. Leave it out, or train again with --overwrite or another --name.',
  );
});

test('two processes in one run: the second is refused, and the first is not disturbed', {
  timeout: 60_000,
}, async (t) => {
  const { child, ended } = startTitok(folder, teach('shared', '--steps', '400', '--save-every', '0'));
  while (!fs.existsSync('runs/shared/log.jsonl')) await new Promise((resolve) => setTimeout(resolve, 10));
  const { status, err } = await titok(t, ...teach('shared'));
  assert.equal(status, 1);
  assert.match(
    err,
    new RegExp(`^runs/shared: expected one process at a time, got process ${child.pid}, which is training`),
  );
  const info = await titok(t, 'sample', '--name', 'shared');
  assert.doesNotMatch(info.err, /one process at a time/, 'reading needs no lock');
  child.kill('SIGINT');
  assert.ok([0, 130].includes((await ended).status!));
  assert.deepEqual(
    readdirSync('runs/shared').filter((name) => !/\.(png|jsonl|json|html|safetensors)$/.test(name)),
    [],
  );
});

test('a full disk while it logs, and a file in the place of the run', async (t) => {
  assert.equal((await titok(t, ...teach('full'))).status, 0);
  const before = readFileSync('runs/full/teacher.safetensors');
  const append = fs.appendFileSync;
  const mock = t.mock.method(fs, 'appendFileSync', (...args: Parameters<typeof append>) => {
    if (!String(args[0]).endsWith('log.jsonl')) return append(...args);
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  });
  const { status, err } = await titok(t, ...teach('full', '--resume', '--steps', '9'));
  mock.mock.restore();
  assert.equal(status, 1);
  assert.match(err, /^runs\/full\/log\.jsonl: expected to write to the log, got ENOSPC.* go on with --resume\.$/);
  assert.notDeepEqual(
    readFileSync('runs/full/teacher.safetensors'),
    before,
    'the update that could not be logged is saved',
  );
  writeFileSync('runs/file', '');
  assert.match((await titok(t, ...teach('file'))).err, /^runs\/file: expected a folder to write to, got EEXIST/);
});

test('leftovers of a killed save are gone after the next command', async (t) => {
  writeFileSync('runs/full/warmup.safetensors.999999999-0.tmp', 'half');
  assert.equal((await titok(t, ...teach('full', '--resume', '--steps', '9'))).status, 0);
  const files = ['log.jsonl', 'report.html', 'results.json', 'teacher.png', 'teacher.safetensors'];
  assert.deepEqual(readdirSync('runs/full').sort(), files);
});
