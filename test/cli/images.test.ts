/** What the command line does with folders of pictures, and what it says about them. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { Rng } from '../../core/index.ts';
import { writePng } from '../../data/index.ts';
import { loadDataset, openRun, presets, withHeldOut } from '../../train/index.ts';
import { quick, small, titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

const rng = new Rng(3);
async function writeNoise(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    mkdirSync(dirname(path), { recursive: true });
    await writePng(path, { width: 16, height: 16, data: Uint8Array.from(rng.uniforms(768, 0, 256)) });
  }
}
const many = (folder: string, count: number) => Array.from({ length: count }, (_, i) => `${folder}/${i}.png`);

before(async () => {
  for (const name of ['__proto__', 'constructor', 'toString']) await writeNoise(many(`members/${name}`, 5));
  await writeNoise(many('flat', 10));
  await writeNoise([...many('split/train/a', 4), ...many('split/test/a', 3)]);
});

const train = (t: TestContext, data: string, ...more: string[]) =>
  titok(t, 'train', 'teacher', ...quick('run', data), ...small.teacher, '--preset', 'smoke', ...more);
const firstLines = (out: string, count: number) => out.split('\n').slice(0, count);

test('what is held out, left out and assumed is said in a line each', async (t) => {
  const flat = await train(t, 'flat', '--held-out', '0.4');
  assert.equal(flat.status, 0, flat.err);
  assert.deepEqual(firstLines(flat.out, 2), [
    '6 training and 4 held-out images of 16×16 in 1 class',
    "no class folders: all images are of one class, 'flat'",
  ]);
  const { train: kept, validation } = await (await openRun('runs/run')).dataset(); // from where its checkpoint says
  assert.deepEqual([kept.count, validation.count], [6, 4]);
  rmSync('runs', { recursive: true });
  writeFileSync('split/train/a/notes.txt', 'text');
  writeFileSync('split/train/a/.DS_Store', '');
  writeFileSync('split/train/a/broken.png', '');
  const refused = await train(t, 'split');
  assert.deepEqual([refused.status, refused.out], [1, '']);
  assert.match(
    refused.err,
    /^split: 1 of 8 pictures cannot be read: train\/a\/broken\.png \(an empty file\)\. .*--skip-broken/,
  );
  const split = await train(t, 'split', '--skip-broken');
  assert.equal(split.status, 0, split.err);
  assert.deepEqual(firstLines(split.out, 4), [
    '4 training and 3 held-out images of 16×16 in 1 class',
    'no validation folder: test/ is held out',
    'ignored – system files: 1 (train/a/.DS_Store)',
    'left out – not pictures: 1 (train/a/notes.txt); cannot be read: 1 (train/a/broken.png: an empty file)',
  ]);
  assert.equal((await (await openRun('runs/run')).dataset()).train.count, 4, 'later stages leave out the same');
  rmSync('runs', { recursive: true });
});

test('--held-out: between 0 and 1, and not of the emoji', async (t) => {
  for (const text of ['0', '1', '-0.1', 'some', '']) {
    assert.deepEqual(await train(t, 'flat', `--held-out=${text}`), {
      status: 1,
      out: '',
      err: `--held-out: expected a number > 0 and < 1, got '${text}'.`,
    });
  }
  const { status, err } = await train(t, 'emoji', '--held-out', '0.2');
  assert.deepEqual([status, err.slice(0, 60)], [1, '--held-out: expected a folder of images (--data), got emoji.']);
});

test('held-out images over the cap of a preset are told', async () => {
  await writeNoise(many('cap', 30));
  const dataset = await loadDataset('cap', 8, { heldOutFraction: 0.5 });
  const { validation, leftOut } = withHeldOut(dataset, 4);
  assert.equal(validation.count, 4);
  const [cap] = leftOut!;
  assert.deepEqual([cap.reason, cap.count], ['held out beyond the 4 that the preset measures', 11]);
  assert.ok(cap.examples.every((name) => dataset.validation.names.includes(name) && !validation.names.includes(name)));
  assert.equal(withHeldOut(dataset, 15), dataset);
  for (const count of [1, 0, Number.NaN])
    assert.throws(() => withHeldOut(dataset, count), {
      name: 'OptionError',
      message: `heldOut: expected at least 2 images to measure with, got ${count}.`,
    });
  assert.equal(presets.smoke.heldOut, 192);
});

test('classes that are named as members of every object train, are stored and are sampled', {
  timeout: 60_000,
}, async (t) => {
  for (const stage of ['teacher', 'warmup', 'finetune', 'generator'] as const) {
    const { status, err } = await titok(t, 'train', stage, ...quick('members', 'members'), ...small[stage]);
    assert.equal(status, 0, err);
  }
  const { out } = await titok(t, 'info', 'runs/members/generator.safetensors');
  const names = ['__proto__', 'constructor', 'toString'];
  assert.deepEqual(JSON.parse(out.slice(out.indexOf('settings') + 9)).classes, names);
  for (const name of names) {
    const { status, err } = await titok(
      t,
      'sample',
      '--name',
      'members',
      '--class',
      name,
      '--count',
      '1',
      '--output',
      'x.png',
    );
    assert.equal(status, 0, err);
    assert.ok(readFileSync('x.png').length > 0);
  }
});

test('kinds of classes are those of the emoji', async (t) => {
  const { status, err } = await train(t, 'flat', '--classes', 'subgroups', '--overwrite');
  assert.equal(status, 1);
  assert.equal(err, '--classes: expected emoji (--data emoji), got flat. The classes of a folder are its subfolders.');
});
