/** A whole run in small: every stage, what is done with its models, and how it is switched to other recipes. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import sharp from 'sharp';
import { largestGrid } from '../../data/grid-size.ts';
import { loadCheckpoint, writeSafetensors } from '../../data/index.ts';
import { stateDict } from '../../nn/index.ts';
import { fingerprint, openRun, teacher as teacherStage } from '../../train/index.ts';

import { writeTorchFile } from '../train/torch-writer.ts';
import { logged, quick, small, titok, workIn, writePictures } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));
const options = quick('run', 'pictures');

before(async () => {
  await writePictures('pictures');
});

for (const stage of ['teacher', 'warmup', 'finetune', 'generator'] as const) {
  test(`train ${stage}: a table, a checkpoint, a picture`, { timeout: 60_000 }, async (t) => {
    const { status, out, err } = await titok(t, 'train', stage, ...options, ...small[stage]);
    assert.equal(status, 0, err);
    const picture = stage === 'generator' ? 'samples' : stage;
    const lines = out.split('\n');
    assert.equal(lines[0], '12 training and 4 held-out images of 16×16 in 2 classes');
    assert.match(out, new RegExp(`\nstage .* FD\n${stage} +\\d .*\n`));
    const look = `look at runs/run/${picture}.png and runs/run/report.html.`;
    assert.equal(lines.at(-1), `Saved in runs/run/${stage}.safetensors; ${look}`);
    const { width } = await sharp(`runs/run/${picture}.png`).metadata();
    assert.ok(width > 96);
    assert.equal(logged('runs/run', stage).length, stage === 'finetune' ? 4 : 6);
  });
}

const images = ['pictures/val/cats/0.png', 'pictures/val/dogs/1.png'];

test('tokenize prints a line of JSON for each image', async (t) => {
  const { status, out } = await titok(t, 'tokenize', '--name', 'run', ...images);
  assert.equal(status, 0);
  const rows = out.split('\n').map((line) => JSON.parse(line) as { image: string; tokens: number[] });
  assert.deepEqual(
    rows.map(({ image }) => image),
    images,
  );
  for (const { tokens } of rows) assert.ok(tokens.length === 4 && tokens.every((id) => id >= 0 && id < 16));
  const file = ['--checkpoint', 'runs/run/finetune.safetensors'];
  assert.equal((await titok(t, 'tokenize', ...file, ...images)).out, out);
});

test('reconstruct writes both sides and says how far they are apart', async (t) => {
  const { status, out } = await titok(t, 'reconstruct', '--name', 'run', '--output', 'out/both.png', ...images);
  assert.equal(status, 0);
  assert.match(
    out,
    /^pictures\/val\/cats\/0\.png {2}\d+\.\d\d dB\npictures\/val\/dogs\/1\.png {2}\d+\.\d\d dB\nout\/both\.png$/,
  );
  assert.ok(existsSync('out/both.png'));
});

test('sample: a class by name or its beginning, the same pictures for the same seed', async (t) => {
  const sample = (output: string, ...more: string[]) =>
    titok(t, 'sample', '--name', 'run', '--count', '2', '--output', output, ...more);
  assert.deepEqual(await sample('a.png', '--class', 'CAT'), { status: 0, out: 'a.png', err: '' });
  assert.equal((await sample('b.png', '--class', 'cats')).status, 0);
  assert.equal((await sample('c.png', '--seed', '1', '--guidance-scale', '0')).status, 0);
  assert.deepEqual(readFileSync('a.png'), readFileSync('b.png'));
  const height = async (path: string) => (await sharp(path).metadata()).height;
  assert.ok((await height('c.png')) > (await height('a.png')), 'a row for each class');
  const { status, err } = await sample('d.png', '--class', 'dags');
  assert.deepEqual([status, err], [1, "--class: expected one of 'cats', 'dogs', got 'dags' (did you mean 'dogs'?)."]);
});

test('generators of the teacher beside it: --stage names what draws, with sampling options of its own', async (t) => {
  for (const stage of ['generator2d', 'diffusion'] as const) {
    const { status, out, err } = await titok(t, 'train', stage, ...options, ...small[stage]);
    assert.equal(status, 0, err);
    assert.match(out, new RegExp(`\n${stage} +6 .*\n`));
  }
  const sample = (...more: string[]) => titok(t, 'sample', '--name', 'run', '--count', '1', ...more);
  const drawn = async (...more: string[]) => {
    const { status, err } = await sample('--output', 'drawn.png', ...more);
    assert.equal(status, 0, err);
    return readFileSync('drawn.png');
  };
  assert.deepEqual(await drawn(), await drawn('--stage', 'generator'));
  for (const other of [['generator2d'], ['diffusion', '--steps', '3', '--eta', '1']])
    assert.notDeepEqual(await drawn(), await drawn('--stage', ...other));
  const wrong = [
    [['--stage', 'warmup'], "--stage: expected one of generator, generator2d, diffusion, got 'warmup'."],
    [
      ['--stage', 'diffusion', '--schedule', 'cosine'],
      '--schedule: expected one of --steps, --guidance-scale, --eta, which is all that this model has.',
    ],
    [['--stage', 'diffusion', '--eta', '2'], "--eta: expected a number from 0 to 1, got '2'."],
  ] as const;
  for (const [args, message] of wrong) assert.deepEqual(await sample(...args), { status: 1, out: '', err: message });
  const alone = await titok(t, 'sample', '--stage', 'diffusion');
  assert.equal(alone.err, '--stage: expected --name of a run beside it, got diffusion alone.');
});

test('an output file is what its name says', async (t) => {
  const commands = [
    ['sample', '--name', 'run', '--count', '1', '--class', 'cats'],
    ['reconstruct', '--name', 'run', images[0]],
  ];
  const formats = [['a.jpg', 'jpeg'] as const, ['new/folder/b.JPEG', 'jpeg'] as const, ['c.webp', 'webp'] as const];
  for (const command of commands) {
    for (const [output, format] of [...formats, ['d.PNG', 'png'] as const]) {
      for (const _ of ['written', 'overwritten']) {
        const { status, out, err } = await titok(t, ...command, '--output', output);
        assert.deepEqual([status, err, out.split('\n').at(-1)], [0, '', output]);
      }
      assert.equal((await sharp(output).metadata()).format, format, output);
    }
    for (const output of ['x.gif', 'x', 'x.png.txt', 'folder/']) {
      const { status, out, err } = await titok(t, ...command, '--output', output);
      const expected = `--output: expected a file name that ends in .png, .jpg, .jpeg or .webp, got '${output}'.`;
      assert.deepEqual([status, out, err], [1, '', expected]);
    }
    mkdirSync('folder.png', { recursive: true });
    writeFileSync('file', '');
    for (const [output, message] of [
      ['folder.png', /^--output: expected a file to write, got folder\.png, which is a folder\.$/],
      [
        'file/x.png',
        /^--output: expected a file to write, got file\/x\.png, whose folder cannot be written to \(E.*\)\.$/,
      ],
    ] as const) {
      const { status, out, err } = await titok(t, ...command, '--output', output);
      assert.deepEqual([status, out], [1, '']);
      assert.match(err, message);
    }
  }
});

test('files that cannot be read are all told, after the others are done', async (t) => {
  writeFileSync('broken.png', 'not a picture');
  const files = ['missing.png', ...images, 'broken.png', '.'];
  const tokenized = await titok(t, 'tokenize', '--name', 'run', ...files);
  const reconstructed = await titok(t, 'reconstruct', '--name', 'run', '--output', 'some.png', ...files);
  assert.equal(tokenized.out, (await titok(t, 'tokenize', '--name', 'run', ...images)).out);
  assert.equal(reconstructed.out.split('\n').length, 3);
  for (const { status, err } of [tokenized, reconstructed]) {
    assert.equal(status, 1);
    assert.match(err, /^image missing\.png: .*\nimage broken\.png: .*\nimage \.: .*$/);
  }
});

test('hundreds of pictures come in batches, and the picture of them is one that viewers open', {
  timeout: 60_000,
}, async (t) => {
  const many = await titok(t, 'sample', '--name', 'run', '--count', '300', '--output', 'many.png');
  assert.deepEqual(many, { status: 0, out: 'many.png', err: '' });
  const { width = 0, height = 0 } = await sharp('many.png').metadata();
  assert.ok(width < 4000 && height < 4000, `${width} × ${height}`); // 25 a row, not 300
  const { side } = largestGrid;
  largestGrid.side = 250;
  const few = await titok(t, 'sample', '--name', 'run', '--count', '300', '--output', 'few.png');
  largestGrid.side = side;
  assert.equal(few.status, 0);
  assert.match(
    few.err,
    /^few\.png will show \d+ of 300 pictures of 2 of 2 classes: that is what fits into one file\. Name/,
  );
  const files = Array.from({ length: 300 }, (_, i) => images[i % 2]);
  const tokens = (await titok(t, 'tokenize', '--name', 'run', ...files)).out.split('\n');
  assert.equal(tokens.length, 300);
  assert.equal(new Set(tokens).size, 2, 'the same tokens in every batch');
  const { out } = await titok(t, 'reconstruct', '--name', 'run', '--output', 'pairs.png', ...files);
  assert.equal(out.split('\n').length, 301);
  assert.ok((await sharp('pairs.png').metadata()).height! < 4000);
});

test('info says what a checkpoint holds', async (t) => {
  const { status, out } = await titok(t, 'info', 'runs/run/generator.safetensors', '--tensors');
  assert.equal(status, 0);
  assert.match(out, /^runs\/run\/generator\.safetensors: stage generator, preset tiny, 6 updates done\n/);
  assert.match(out, /\n {2}ema\.model +\d+ tensors {2}[\d,]+ values\n/);
  assert.ok(JSON.parse(out.slice(out.indexOf('settings') + 9)).classes.includes('cats'));
});

test('a finished stage is not trained again, and its figures stay', { timeout: 60_000 }, async (t) => {
  const path = 'runs/run/teacher.safetensors';
  const file = readFileSync(path);
  const log = readFileSync('runs/run/log.jsonl', 'utf8');
  const { status, out } = await titok(t, 'train', 'teacher', ...options, ...small.teacher, '--resume');
  assert.equal(status, 0);
  assert.ok(out.includes('\nteacher: 6 of 6 updates are done\n'));
  const [seconds, imagesPerSecond, loss] = out.match(/\nteacher +6 +(\S+) +(\S+) +(\S+)/)!.slice(1);
  const { loop } = loadCheckpoint(path).meta as {
    loop: { seconds: number; images: number; recent: { loss: number }[] };
  };
  assert.equal(seconds, loop.seconds.toFixed(0));
  assert.equal(imagesPerSecond, (loop.images / loop.seconds).toFixed(0));
  const mean = loop.recent.reduce((sum, r) => sum + r.loss, 0) / 6;
  assert.equal(loss, mean.toFixed(3));
  assert.deepEqual(readFileSync(path), file);
  assert.equal(readFileSync('runs/run/log.jsonl', 'utf8'), log);
});

test('NaN: named, logged, and the last checkpoint is as it was', { timeout: 60_000 }, async (t) => {
  const path = 'runs/nan/teacher.safetensors';
  const train = ['train', 'teacher', ...quick('nan', 'pictures'), ...small.teacher];
  assert.equal((await titok(t, ...train)).status, 0);
  const file = readFileSync(path);
  const wild = ['--resume', '--steps', '60', '--learning-rate', '1e30', '--warmup-steps', '0', '--max-norm', '1e38'];
  const { status, err } = await titok(t, ...train, ...wild);
  assert.equal(status, 1);
  assert.match(
    err,
    /^teacher, update \d+: \w+ is (NaN|-?Infinity)\. The first op to (make|meet) it is \S+, result \[.*\], .* runs\/nan\/teacher\.safetensors holds the 6 updates before; go on from there with --resume\. A lower --learning-rate is the usual cure\.$/,
  );
  assert.deepEqual(readFileSync(path), file);
  const last = JSON.parse(readFileSync('runs/nan/log.jsonl', 'utf8').trim().split('\n').at(-1)!);
  assert.equal(last.stage, 'teacher');
  assert.match(last.error, /The first op to/);
  assert.equal((await titok(t, ...train, '--resume', '--steps', '8')).status, 0);
  assert.deepEqual(
    logged('runs/nan', 'teacher').map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
});

test('the published recipe: every remedy off, and its teacher', { timeout: 120_000 }, async (t) => {
  const run = quick('plain', 'pictures');
  const vqgan = [
    '--teacher',
    'vqgan',
    '--teacher-channel-mult',
    '1,1',
    '--teacher-res-blocks',
    '1',
    '--teacher-z-channels',
    '4',
  ];
  const codes = ['--teacher-codebook-size', '16', '--codebook', 'gradient', '--continuous-steps', '0'];
  const pixels = ['--weights-l1', '0', '--weights-gradient', '0', '--weights-l2', '1', '--steps', '3'];
  const teacher = await titok(t, 'train', 'teacher', ...run, '--image-size', '16', ...vqgan, ...codes, ...pixels);
  assert.equal(teacher.status, 0, teacher.err);
  assert.match(teacher.out, /\nteacher +3 /);
  const plain = ['--codebook', 'gradient', '--continuous-steps', '0', '--model-init', 'published'];
  const warmup = await titok(t, 'train', 'warmup', ...run, ...small.warmup, ...plain, '--weights-embedding', '0');
  assert.equal(warmup.status, 0, warmup.err); // the decoder fits the teacher's grid of 8 × 8 codes
  const finetune = await titok(
    t,
    'train',
    'finetune',
    ...run,
    '--steps',
    '2',
    '--weights-perceptual',
    '0',
    '--weights-adversarial',
    '0',
  );
  assert.equal(finetune.status, 0, finetune.err);
  const { meta } = loadCheckpoint('runs/plain/warmup.safetensors');
  const settings = meta['settings'] as { model: { init: string }; weights: object; codebook: string };
  assert.deepEqual([settings.model.init, settings.codebook], ['published', 'gradient']);
  assert.deepEqual(settings.weights, { quantizer: 1, embedding: 0 });
  assert.equal('discriminator' in logged('runs/plain', 'finetune')[1], false);

  const lean = await titok(
    t,
    'train',
    'teacher',
    ...quick('lean', 'pictures'),
    ...small.teacher,
    '--no-pca-start',
    ...codes.slice(2),
    '--teacher-codebook-size',
    '16',
  );
  assert.equal(lean.status, 0, lean.err);
  const moments = loadCheckpoint('runs/lean/teacher.safetensors').groups['optimizer.model'];
  const codebook = moments['exp_avg.quantize.embedding.weight'].data as Float32Array;
  assert.ok(
    codebook.some((m) => m !== 0),
    'the codebook has a gradient',
  );
  const on = await titok(t, 'train', 'teacher', '--name', 'lean', '--resume', '--steps', '20');
  assert.equal(on.status, 0, on.err);
  const resumed = loadCheckpoint('runs/lean/teacher.safetensors').meta['settings'] as { pcaStart: boolean };
  assert.equal(resumed.pcaStart, false, 'a switch that is left out stays as it was');

  const single = await titok(t, 'train', 'single', ...run, ...small.single);
  assert.equal(single.status, 0, single.err);
});

test('a teacher from published weights, kept as it is', { timeout: 60_000 }, async (t) => {
  const teacher = (await openRun('runs/plain')).model(teacherStage);
  const state = Object.entries(stateDict(teacher));
  const tensors = state.map(([name, p]) => [name, { shape: p.shape, data: p.dataSync() as Float32Array }] as const);
  writeSafetensors('vqgan.safetensors', Object.fromEntries(tensors), { format: 'pt' });
  const vqgan = [
    '--teacher',
    'vqgan',
    '--teacher-channel-mult',
    '1,1',
    '--teacher-res-blocks',
    '1',
    '--teacher-z-channels',
    '4',
  ];
  writeTorchFile('vqgan.bin', Object.fromEntries(tensors)); // as it is published
  const sizes = ['--teacher-codebook-size', '16', '--steps', '0', '--image-size', '16'];
  for (const file of ['vqgan.safetensors', 'vqgan.bin']) {
    const from = [...quick(file, 'pictures'), ...vqgan, ...sizes, '--weights-from', file];
    const { status, err } = await titok(t, 'train', 'teacher', ...from);
    assert.equal(status, 0, err);
    assert.equal(await fingerprint((await openRun(`runs/${file}`)).model(teacherStage)), await fingerprint(teacher));
  }
});

test('a stage that was trained again: what was made with the old one is refused', { timeout: 60_000 }, async (t) => {
  const again = ['--overwrite', '--seed', '9'];
  const refused = await titok(t, 'train', 'teacher', ...options, ...small.teacher, '--seed', '9');
  assert.match(
    refused.err,
    /^--name: expected a run without the stage teacher, got 'run', which has teacher in runs\/run\./,
  );
  assert.equal((await titok(t, 'train', 'teacher', ...options, ...small.teacher, ...again)).status, 0);
  const stale =
    "checkpoint runs/run/warmup.safetensors: expected to be made with the run's teacher, got one made with another teacher, which has been trained again since. Run 'titok train warmup --overwrite'.";
  const finetune = await titok(t, 'train', 'finetune', ...options, ...small.finetune, '--overwrite', '--seed', '9');
  assert.match(finetune.err, /^seed: expected 0, as in checkpoint runs\/run\/warmup\.safetensors, got 9\./);
  const sameSeed = ['--overwrite', '--seed', '0'];
  assert.equal(
    (await titok(t, 'train', 'teacher', ...options, ...small.teacher, ...sameSeed, '--steps', '7')).status,
    0,
  );
  assert.equal((await titok(t, 'train', 'finetune', ...options, ...small.finetune, '--overwrite')).err, stale);
  const resumed = await titok(t, 'train', 'warmup', ...options, ...small.warmup, '--resume');
  assert.equal(
    resumed.err,
    "checkpoint runs/run/warmup.safetensors: expected a training with the run's teacher, got one with another teacher. Train again with --overwrite.",
  );
});
