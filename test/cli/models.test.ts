/** Exported models on the command line: written, described, used in place of a run, and gone on from. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { modelsInBox } from '../../train/index.ts';
import { trainedRun } from '../train/trained-run.ts';
import { titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-models-')));
after(() => rmSync(folder, { recursive: true, force: true }));
const image = 'pictures/val/cats/0.png';
const said = 'model small: 16 × 16 pixels in 4 tokens of 16 codes, 2 classes';

before(async () => {
  await trainedRun('.');
});

test('export: one file, with what its rounding costs in one line', async (t) => {
  const plain = await titok(t, 'export', 'small', '--threads', '1');
  assert.deepEqual([plain.status, plain.err], [0, '']);
  assert.match(plain.out, /^small\.safetensors {2}0\.\d MB$/);
  for (const [option, precision] of [
    ['--half', 'float16'],
    ['--int8', 'int8'],
  ] as const) {
    const { status, out, err } = await titok(
      t,
      'export',
      'small',
      option,
      '--output',
      `out/${precision}.safetensors`,
      '--threads',
      '1',
    );
    assert.equal(status, 0, err);
    assert.match(
      out,
      new RegExp(
        `^${precision}: PSNR \\d+\\.\\d\\d dB \\(float32 \\d+\\.\\d\\d\\), FD [\\d.]+ \\([\\d.]+\\), FD of samples [\\d.]+ \\([\\d.]+\\)\n` +
          `out/${precision}\\.safetensors {2}0\\.\\d MB$`,
      ),
    );
  }
});

test('export --to torch, verify, import: each says what it wrote, and what comes next', async (t) => {
  const one = ['--threads', '1'];
  const out = await titok(t, 'export', 'small', '--to', 'torch', '--output', 'out/torch', ...one);
  assert.deepEqual([out.status, out.err], [0, '']);
  assert.match(
    out.out,
    /^out\/torch {2}warmup, 20 of 20 updates done\n.*titok verify out\/torch, .*\n.*torchrun .* --steps 40\n/,
  );
  const verified = await titok(t, 'verify', 'out/torch', ...one);
  assert.deepEqual([verified.status, verified.err], [0, '']);
  assert.match(verified.out, /^out\/torch\/verify\.safetensors\n.*python3 out\/torch\/verify\.py$/);
  const back = await titok(t, 'import', 'out/torch/model.safetensors', '--name', 'back');
  assert.deepEqual([back.status, back.out], [0, 'runs/back  warmup, 20 updates done, with a new optimizer']);
  const again = await titok(t, 'import', 'out/torch/model.safetensors', '--name', 'back');
  assert.match(again.err, /^--name: expected a new run, got runs\/back/);
  const spaced = await titok(t, 'export', 'small', '--to', 'torch', '--output', 'out/of mine', ...one);
  assert.match(spaced.out, /titok verify 'out\/of mine', then python3 'out\/of mine\/verify\.py'\n/);
  assert.match(
    spaced.out,
    / 'out\/of mine\/train\.py' --steps 40\n[\s\S]*titok import 'out\/of mine' --name small-back$/,
  );
  const checked = await titok(t, 'verify', 'out/of mine', ...one);
  assert.match(checked.out, /python3 'out\/of mine\/verify\.py'$/);
  for (const [option, message] of [
    [['--half', '--to', 'torch'], '--to torch: expected weights of 32 bits, got --half. Leave it out.'],
    [['--stage', 'warmup'], '--stage: expected --to torch with it, got a file of the whole run. Leave it out.'],
  ] as const)
    assert.deepEqual(await titok(t, 'export', 'small', ...option), { status: 1, out: '', err: message });
});

test('info describes a model: figures, data, the commands that made it, its tensors', async (t) => {
  const { status, out } = await titok(t, 'info', 'out/int8.safetensors', '--tensors');
  assert.equal(status, 0);
  for (const part of [
    /^out\/int8\.safetensors: model int8, weights in int8, by titok-ts \d+\.\d+\.\d+\n {2}trained on pictures: 12 images, 4 held out; seed 0\n/,
    /\n {2}made by titok train teacher --seed 0 --data pictures --name small --image-size 16 --teacher-stem 8,8 /,
    /\n {2}made by titok train generator .* --sampling-steps 2\n/,
    /\n {2}classes cats, dogs\n/,
    /\nstage .* FD\nfinetune +20 .*\ngenerator +12 .*\n/,
    /\n {2}int8: PSNR /,
    / generator\.scales .* tensors /,
    /\n {4}encoder\.patch_embed\.weight \[16, 3, 8, 8\] I8\n/,
    /\n {4}quantize\.embedding\.weight \[16, 12\] F16\n/,
    /\nsettings \{\n {2}"model": \{/,
  ])
    assert.match(out, part);
});

test('options of published weights are refused beside a run or a model of ours; info names what a run holds', async (t) => {
  for (const [words, got] of [
    [['tokenize', image, '--name', 'small', '--preset', 's128'], 'a run'],
    [['tokenize', image, '--preset', 's128'], 'the model in the box'],
    [['sample', '--model', 'small.safetensors', '--config', 'none.yaml'], 'small.safetensors'],
    [['reconstruct', image, '--model', 'emoji-32', '--tokenizer', 'none'], 'emoji-32'],
  ] as const) {
    const { status, err } = await titok(t, ...words);
    const option = words.at(-2);
    assert.deepEqual(
      [status, err],
      [1, `${option}: expected published weights to go with it, got ${got}. Leave it out.`],
    );
  }
  const run = /^info: expected a model or a checkpoint, got a run\. It has runs\/small\/teacher\.safetensors, /;
  for (const name of ['small', 'runs/small']) assert.match((await titok(t, 'info', name)).err, run);
  const folder = await titok(t, 'tokenize', image, '--checkpoint', 'runs/small');
  assert.match(
    folder.err,
    /^--checkpoint: expected a file, got runs\/small, the folder of a run\. Name it with --name\.$/,
  );
});

test('a model in place of a run: the same tokens and pictures; which one it is goes to stderr', async (t) => {
  const of = ['--model', 'small.safetensors'];
  for (const words of [
    ['tokenize', image],
    ['reconstruct', image, '--output', 'a.png'],
    ['sample', '--count', '2', '--output', 'a.png'],
  ]) {
    const [run, model] = [await titok(t, ...words, '--name', 'small'), await titok(t, ...words, ...of)];
    assert.deepEqual([run.status, model.status, model.out, model.err], [0, 0, run.out, said], words.join(' '));
  }
  await titok(t, 'sample', '--count', '2', '--class', 'cats', '--output', 'a.png', '--name', 'small');
  await titok(t, 'sample', '--count', '2', '--class', 'cats', '--output', 'b.png', ...of);
  assert.deepEqual(readFileSync('b.png'), readFileSync('a.png'));
  assert.equal((await titok(t, 'sample', ...of)).out, 'sampled.png');
  assert.ok(existsSync('sampled.png'), 'without a run, pictures go into the working folder');
  const file = await titok(t, 'tokenize', image, '--checkpoint', 'small.safetensors');
  assert.deepEqual([file.status, file.err], [0, '']);
});

test('without a name, the model in the box is used; an empty box says so', async (t) => {
  const usual = modelsInBox().default;
  const { status, err } = await titok(t, 'sample', '--count', '1', '--output', 'box.png');
  assert.equal(status, usual === undefined ? 1 : 0);
  assert.match(
    err,
    usual === undefined
      ? /^model: expected a file or a run, got none\. No models came/
      : new RegExp(`^model ${usual}: `),
  );
});

const mistakes: [command: string, message: RegExp][] = [
  [
    'sample --name small --model small.safetensors',
    /^--model: expected one of --name and --model, got both\. Choose one\.$/,
  ],
  [
    'tokenize x.png --model a.safetensors --checkpoint b',
    /^--checkpoint: expected one of --model and --checkpoint, got both/,
  ],
  [
    'sample --model small.safetensors --count 10001',
    /^--count: expected at most 10,000 pictures of a class in one file, got 10,001\. Write each .* --folder\.$/m,
  ],
  ['sample --model=', /^--model: expected a value, got ''\.$/],
  ['sample --model ./nothing', /^\.\/nothing: expected a readable file of weights, got ENOENT/],
  ['sample --model runs/small/generator.safetensors', /got the checkpoint of a training\. Name its run instead/],
  ['export', /^titok export: missing required argument 'run'\./],
  ['export runs/small', /^run: expected the name of a folder in runs\/, got 'runs\/small'\./],
  ['export nothing', /^run runs\/nothing: expected finetune\.safetensors or single\.safetensors, got neither\./],
  ['export small --half --int8', /^--int8: expected one of --half and --int8, got both\. Choose one\.$/],
  ['export small --output small.png', /^--output: expected a file that ends in \.safetensors, got small\.png\.$/],
  [
    'export small --output runs/small/finetune.safetensors',
    /^--output: expected a new file or a model to replace, got runs\/small\/finetune/,
  ],
  ['train finetune --name x --data pictures --from nothing', /^model: expected a file/],
  [
    'train single --name x --data pictures --from small.safetensors --model-latent-tokens 8',
    /^--model-latent-tokens: expected no such option with --from small\.safetensors/,
  ],
  [
    'train generator --name x --data pictures --from small.safetensors --generator-width 8',
    /^--generator-width: expected no such option with --from/,
  ],
  [
    'quickstart --name x --data pictures --from small.safetensors --compare',
    /^--compare: expected to be without --from/,
  ],
];
for (const [command, message] of mistakes) {
  test(`titok ${command}`, async (t) => {
    const { status, out, err } = await titok(t, ...command.split(' '));
    assert.deepEqual([status, out], [1, '']);
    assert.match(err, message);
    assert.ok(!existsSync('runs/x'));
  });
}

test('quickstart --from: decoder and generator learn other pictures, and go on with --resume', {
  timeout: 120_000,
}, async (t) => {
  copyFileSync('small.safetensors', 'start.safetensors');
  const options = ['--name', 'mine', '--preset', 'smoke', '--threads', '1', '--picture-every', '0'];
  const { status, out, err } = await titok(
    t,
    'quickstart',
    ...options,
    '--data',
    'pictures',
    '--from',
    'start.safetensors',
  );
  assert.equal(status, 0, err);
  assert.match(out, /\nstage .* FD\nfinetune .*\ngenerator .*\n\nFD/);
  const again = await titok(t, 'quickstart', ...options, '--resume');
  assert.match(again.out, /\nfinetune: 20 of 20 updates are done\n[\s\S]*\ngenerator: 100 of 100 updates are done\n/);
  const other = await titok(t, 'quickstart', ...options, '--resume', '--from', 'small.safetensors');
  assert.match(
    other.err,
    /^finetune settings, from: expected "start\.safetensors", with which checkpoint .* began, got "small\.safetensors"\./,
  );
  assert.match((await titok(t, 'sample', '--name', 'mine')).out, /^runs\/mine\/sampled\.png$/);
});
