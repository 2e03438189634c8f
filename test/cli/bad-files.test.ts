/** Files that are missing, broken or of another kind: one line that says what is wrong, status 1. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { prepareOutput, prepareTextOutput } from '../../cli/pictures.ts';
import { Rng } from '../../core/index.ts';
import { saveCheckpoint, writeSafetensors } from '../../data/index.ts';
import { stateDict } from '../../nn/index.ts';
import { presets, TiTok } from '../../titok/index.ts';
import { logged, quick, small, titok, workIn, writePictures } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

before(async () => {
  await writePictures('pictures');
});

test('a stage without the one before it', async (t) => {
  const missing = (stage: string) =>
    `checkpoint runs/new/${stage}.safetensors: expected the result of 'titok train ${stage}', got no file. Run that first, or give another --name.`;
  const expected: [stage: string, message: string][] = [
    ['warmup', missing('teacher')],
    ['finetune', missing('warmup')],
    [
      'generator',
      "run runs/new: expected finetune.safetensors or single.safetensors, got neither. Run 'npm run quickstart' or 'titok train finetune' first, or give another --name.",
    ],
  ];
  for (const [stage, err] of expected) {
    assert.deepEqual(await titok(t, 'train', stage, ...quick('new', 'pictures')), { status: 1, out: '', err });
  }
  for (const command of [['reconstruct', 'x.png'], ['tokenize', 'x.png'], ['sample']]) {
    const { status, out, err } = await titok(t, ...command, '--name', 'new');
    assert.deepEqual([status, out], [1, '']);
    assert.match(
      err,
      /^(run|checkpoint) runs\/new.*: expected .*, got (neither|no file)\..* or give another --name\.$/,
    );
  }
});

test('checkpoints: of another preset, of other sizes, cut short, not one at all', async (t) => {
  const train = ['train', 'teacher', ...quick('teach', 'pictures'), ...small.teacher];
  assert.equal((await titok(t, ...train, '--preset', 'smoke')).status, 0);
  const path = 'runs/teach/teacher.safetensors';
  const resume = [...train, '--resume'];
  assert.deepEqual(await titok(t, ...resume, '--preset', 'tiny'), {
    status: 1,
    out: '',
    err: `checkpoint ${path}: expected a training of preset tiny, got one of smoke. Go on with --preset smoke, or train again with --overwrite.`,
  });
  assert.deepEqual(await titok(t, ...resume, '--teacher-dim', '8'), {
    status: 1,
    out: 'As before in this run: --preset smoke.',
    err: `teacher settings, teacher.dim: expected 4, with which checkpoint ${path} began, got 8. Leave it out, or train again with --overwrite or another --name.`,
  });
  assert.equal(logged('runs/teach', 'teacher').length, 6); // the log of what was refused is still there

  const bytes = readFileSync(path);
  mkdirSync('runs/cut', { recursive: true });
  for (const [length, message] of [
    [
      bytes.length - 100,
      /^runs\/cut\/teacher\.safetensors: expected .*, got only .* Was the download or copy cut short\?$/,
    ],
    [5, /^runs\/cut\/teacher\.safetensors: expected a safetensors file, got only 5 bytes\. Is it complete\?$/],
  ] as const) {
    writeFileSync('runs/cut/teacher.safetensors', bytes.subarray(0, length));
    for (const command of [
      ['info', 'runs/cut/teacher.safetensors'],
      ['train', 'warmup', ...quick('cut', 'pictures')],
    ]) {
      const { status, err } = await titok(t, ...command);
      assert.equal(status, 1);
      assert.match(err, message);
      assert.equal(err.split('\n').length, 1, err);
    }
  }
  assert.match(
    (await titok(t, 'info', 'nothing.safetensors')).err,
    /^nothing\.safetensors: expected a readable file of weights, got ENOENT/,
  );
  await saveCheckpoint('other.safetensors', { groups: {}, meta: { stage: 'decoder' } });
  assert.match(
    (await titok(t, 'info', 'other.safetensors')).err,
    /^checkpoint other\.safetensors: expected .* as stage in its metadata, got "decoder"\. Is the file damaged\?$/,
  );
});

test('published weights: the preset that they were saved with is named', async (t) => {
  const tensors = Object.fromEntries(
    Object.entries(stateDict(new TiTok(presets.small, new Rng(0)))).map(([name, p]) => [
      name,
      { shape: p.shape, data: p.dataSync() as Float32Array },
    ]),
  );
  writeSafetensors('published.safetensors', tensors, { format: 'pt' });
  const run = (...preset: string[]) =>
    titok(t, 'tokenize', 'x.png', '--checkpoint', 'published.safetensors', ...preset);
  assert.equal(
    (await run('--preset', 's128')).err,
    "checkpoint published.safetensors: 'latent_tokens' is [32, 128] in the file, [128, 512] in the model of preset s128. Was it saved with preset small?",
  );
  for (const name of ['s182', 'constructor', '__proto__']) {
    const { status, err } = await run('--preset', name);
    assert.equal(status, 1);
    assert.match(
      err,
      new RegExp(`^--preset: expected the sizes .*, one of s128, .*, got ${name}( \\(did you mean 's128'\\?\\))?\\.$`),
    );
  }
  for (const preset of [[], ['--preset', 'small']])
    assert.match((await run(...preset)).err, /expected a model that gives pixels \(finetune or single\), got stage 1/);
});

test('data: no such folder, no classes, an empty class, a picture that is none, too few of them', async (t) => {
  const train = (data: string) => titok(t, 'train', 'teacher', ...quick('data', data), ...small.teacher);
  const fails = async (data: string, message: RegExp) => {
    const { status, out, err } = await train(data);
    assert.deepEqual([status, out], [1, ''], data);
    assert.match(err, message);
    assert.equal(err.split('\n').length, 1, err);
  };
  await fails('nowhere', /^nowhere: expected a folder of images, got ENOENT/);
  mkdirSync('flat');
  await fails('flat', /^flat: expected one folder of pictures per class, got none\. Put the pictures into flat\/CLASS/);
  mkdirSync('flat/cats');
  await fails('flat', /^flat\/cats: expected pictures of class 'cats', got none\. Add some, or remove the folder\.$/);
  writeFileSync('flat/cats/1.png', 'not a picture');
  writeFileSync('flat/cats/2.png', '');
  await fails(
    'flat',
    /^flat: 2 of 2 pictures cannot be read: cats\/1\.png \(a text file\), cats\/2\.png \(an empty file\)\. .*--skip-broken.*\.$/,
  );
  await fails('flat/cats/1.png', /^flat\/cats\/1\.png: expected a folder of images, got a text file\.$/);
  rmSync('flat/cats/2.png');
  writeFileSync('flat/cats/1.png', readFileSync('pictures/val/cats/0.png'));
  await fails(
    'flat',
    /^flat: expected training images and at least 2 held-out ones, got 1 and 0\. Add images: 3 are enough/,
  );
});

test('what is written is a file, and not one that is read', () => {
  for (const prepare of [prepareOutput, prepareTextOutput])
    assert.throws(() => prepare('new/', '--out', []), {
      name: 'OptionError',
      message: '--out: expected a file to write, got new/, which names a folder.',
    });
  writeFileSync('photo', 'a picture');
  assert.throws(() => prepareTextOutput('./photo', '--out', ['photo']), /which is read\. Give another name\.?$/);
  assert.equal(prepareTextOutput('tokens.jsonl', '--out', ['photo']), 'tokens.jsonl');
});
