/** `titok tokenize --data`: the tokens of a dataset in a file, in the form that published code reads, and training on that. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tensor } from '../../core/index.ts';
import { decodeSquare, loadCheckpoint, saveCheckpoint, toPlanes, toUnit } from '../../data/index.ts';
import { generator, openRun, type Run, readLog, teacher } from '../../train/index.ts';
import { trainedRun } from '../train/trained-run.ts';
import { small, titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-tokenize-')));
after(() => rmSync(folder, { recursive: true, force: true }));
let trained: Run;
before(async () => {
  trained = await trainedRun('.');
  cpSync('runs/small', 'runs/tokens', { recursive: true });
  rmSync('runs/tokens/generator.safetensors');
  rmSync('runs/tokens/log.jsonl');
});

test('a line for each training image: its class and its tokens', async (t) => {
  const run = ['--name', 'small', '--threads', '1'];
  const { status, out, err } = await titok(t, 'tokenize', '--data', 'pictures', '--out', 'out/tokens.jsonl', ...run);
  assert.deepEqual([status, out], [0, 'out/tokens.jsonl: 12 training images, classes cats, dogs'], err);
  const lines = readFileSync('out/tokens.jsonl', 'utf8').trimEnd().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as { class_id: number; tokens: number[] });
  assert.deepEqual(rows.map((row) => row.class_id), [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]); // biome-ignore format: one thought
  const plain = await titok(t, 'tokenize', 'pictures/train/cats/0.png', 'pictures/train/dogs/5.png', ...run);
  const tokens = plain.out.split('\n').map((line) => JSON.parse(line).tokens);
  assert.deepEqual([rows[0].tokens, rows[11].tokens], tokens);
  assert.deepEqual(Object.keys(rows[0]), ['class_id', 'tokens', 'made_by']);
  assert.deepEqual(Object.keys(rows[1]), ['class_id', 'tokens']);
});

test('what a run holds out is not in the file; --held-out says how much is', async (t) => {
  cpSync('pictures/train', 'whole', { recursive: true });
  const path = 'runs/half/finetune.safetensors';
  const { groups, meta } = loadCheckpoint('runs/small/finetune.safetensors');
  const origin = structuredClone(meta['origin']) as { data: { source: object } };
  origin.data.source = { path: 'whole', heldOut: 0.5 };
  mkdirSync('runs/half');
  await saveCheckpoint(path, { groups, meta: { ...meta, origin } });
  for (const [args, count] of [
    [['--name', 'half'], 6],
    [['--name', 'half', '--held-out', '0.25'], 9],
    [['--checkpoint', path, '--held-out', '0.5'], 6],
  ] as const) {
    const given = ['--data', 'whole', '--out', 'out/part.jsonl', '--threads', '1', ...args];
    const { out, err } = await titok(t, 'tokenize', ...given);
    assert.equal(out, `out/part.jsonl: ${count} training images, classes cats, dogs`, err);
  }
  const { err } = await titok(t, 'tokenize', 'pictures/train/cats/0.png', '--held-out', '0.5');
  assert.equal(err, '--held-out: expected --data with it, got none. Leave it out.');
});

test('images, or --data with --out', async (t) => {
  for (const [args, got] of [
    [[], 'none'],
    [['x.png', '--data', 'pictures'], 'images and --data'],
    [['--data', 'pictures'], '--data'],
    [['x.png', '--out', 'y.jsonl'], 'images and --out'],
  ] as const) {
    const { status, err } = await titok(t, 'tokenize', ...args);
    assert.deepEqual([status, err], [1, `titok tokenize: expected images, or --data with --out, got ${got}.`]);
  }
});

test('tokens replace no weights and no data', async (t) => {
  for (const output of ['runs/tokens/finetune.safetensors', 'new.NPZ', 'weights.bin', 'shard.tar']) {
    const before = existsSync(output) && readFileSync(output);
    const { status, err } = await titok(t, 'tokenize', '--data', 'pictures', '--name', 'tokens', '--out', output);
    assert.deepEqual([status, err], [1, `--out: expected a file for text, such as tokens.jsonl, got ${output}.`]);
    assert.deepEqual(existsSync(output) && readFileSync(output), before);
  }
});

test('a generator learns from the file what it learns from the images, to the bit, also when it was stopped', async () => {
  const tokensFile = 'out/tokens.jsonl';
  const half = { width: 16, layers: 1, heads: 2, mlpWidth: 32 };
  const settings = { batchSize: 4, warmupSteps: 2, steps: 12, generator: half, sampling: { steps: 2 }, tokensFile };
  for await (const { step } of (await openRun('runs/tokens')).train(generator, settings)) if (step === 5) break;
  const run = await openRun('runs/tokens');
  for await (const _ of run.train(generator));
  const [ours, theirs] = [run, trained].map((run) => {
    const { groups, meta } = loadCheckpoint(run.checkpoint(generator));
    const { updates } = readLog(run.folder).get('generator')!;
    return { groups, state: meta['state'], losses: updates.map(({ figures }) => figures['loss']) };
  });
  assert.ok(ours.losses.length === 12 && ours.losses.every((loss) => Number(loss) > 0));
  assert.deepEqual(ours, theirs);
});

const onTokens = (...more: string[]) => [
  ...['train', 'generator', '--tokens-file', 'out/tokens.jsonl', '--name', 'tokens', '--threads', '1'],
  ...[...small.generator, '--batch-size', '2', '--overwrite', ...more],
];

test('options of images have no effect on tokens, so that they are refused without --data', async (t) => {
  for (const options of [
    ['--held-out', '0.3'],
    ['--classes', 'subgroups'],
    ['--skip-broken'],
    ['--stream'],
    ['--no-stream'],
    ['--shuffle-buffer', '5'],
    ['--random-crop'],
    ['--flip'],
    ['--no-flip'],
    ['--no-flip-classes', 'cats'],
  ]) {
    const { status, err } = await titok(t, ...onTokens(...options));
    const expected = `${options[0]}: expected --data beside it, as the training learns from a file of tokens, got none. Leave it out.`;
    assert.deepEqual([status, err], [1, expected]);
  }
});

test("a teacher's checkpoint: its codes, row by row, on which generator2d trains", async (t) => {
  const [checkpoint, threads] = [
    ['--checkpoint', 'runs/small/teacher.safetensors'],
    ['--threads', '1'],
  ];
  const one = await titok(t, 'tokenize', 'pictures/train/cats/0.png', ...checkpoint, ...threads);
  assert.equal(one.status, 0, one.err);
  const model = (await openRun(trained.folder)).model(teacher);
  const picture = await decodeSquare('pictures/train/cats/0.png', 16);
  const image = tensor(toUnit(toPlanes(picture)), [1, 3, 16, 16]);
  const codes = Array.from(await model.encode(image).indices.data());
  assert.deepEqual(JSON.parse(one.out).tokens, codes);
  const all = await titok(t, 'tokenize', '--data', 'pictures', '--out', 'out/codes.jsonl', ...checkpoint, ...threads);
  assert.equal(all.status, 0, all.err);
  const on2d = ['train', 'generator2d', '--name', 'tokens', '--tokens-file', 'out/codes.jsonl', ...threads];
  const generator = await titok(t, ...on2d, ...small.generator2d, '--batch-size', '2');
  assert.equal(generator.status, 0, generator.err);
  const back = await titok(
    t,
    'reconstruct',
    'pictures/train/cats/0.png',
    ...checkpoint,
    ...threads,
    '--output',
    'out/x.png',
  );
  assert.match(back.out, /^pictures\/train\/cats\/0\.png {2}\d+\.\d\d dB\nout\/x\.png$/);
  const none = await titok(t, 'tokenize', 'x.png', '--checkpoint', 'runs/small/generator.safetensors');
  const path = 'runs/small/generator.safetensors';
  assert.equal(none.err, `checkpoint ${path}: expected a TiTok or a teacher, got the stage generator.`);
});

test('a run that has learned from tokens alone is exported without figures, and is measured with --data alone', async (t) => {
  const model = await titok(t, 'export', 'small', '--output', 'out/small.safetensors', '--threads', '1');
  assert.equal(model.status, 0, model.err);
  const trained = await titok(
    t,
    ...['train', 'generator', '--name', 'alone', '--from', 'out/small.safetensors', '--threads', '1'],
    ...['--tokens-file', 'out/tokens.jsonl', '--steps', '6', '--warmup-steps', '2', '--batch-size', '2'],
  );
  assert.equal(trained.status, 0, trained.err);
  for (const precision of [[], ['--int8']]) {
    const exported = await titok(t, 'export', 'alone', '--output', 'out/alone.safetensors', ...precision);
    assert.equal(exported.status, 0, exported.err);
    assert.match(exported.out, /^out\/alone\.safetensors {2}0\.\d MB$/);
  }
  const { out } = await titok(t, 'info', 'out/alone.safetensors');
  assert.match(out, /trained on tokens: 12 images, 0 held out/);
  assert.match(out, /^generator +6 .* –$/m);
  assert.doesNotMatch(out, /held-out images/);
  const blind = await titok(t, 'evaluate', 'alone');
  const expected = "--data: expected the pictures to measure alone with, got none. It learned from 'tokens'.";
  assert.deepEqual([blind.status, blind.err], [1, expected]);
});

test('without images there is no FD, with --data there is', async (t) => {
  rmSync('pictures-elsewhere', { recursive: true, force: true });
  cpSync('pictures', 'pictures-elsewhere', { recursive: true });
  rmSync('pictures', { recursive: true });
  const blind = await titok(t, ...onTokens());
  assert.equal(blind.status, 0, blind.err);
  assert.match(blind.out, /^generator: no FD, as there are no images to compare with\. --data gives some\.$/m);
  assert.match(blind.out, /^generator +6 .* –$/m);
  assert.doesNotMatch(blind.out, /held-out/);
  const measured = await titok(t, ...onTokens('--data', 'pictures-elsewhere'));
  assert.equal(measured.status, 0, measured.err);
  assert.match(measured.out, /^generator +6 .* [\d.]+$/m);
});

test('tokens of another tokenizer, damaged lines and other rows are refused', async (t) => {
  const lines = readFileSync('out/tokens.jsonl', 'utf8').trimEnd().split('\n');
  const row = (changes: object, line = 0) => {
    const text = JSON.stringify({ ...JSON.parse(lines[line]), ...changes });
    return [...lines.slice(0, line), text, ...lines.slice(line + 1)].join('\n');
  };
  const madeBy = JSON.parse(lines[0]).made_by;
  const repair =
    ' Write it with the tokenizer of this run: titok tokenize --data PATH --out FILE --name RUN (or --model MODEL; of a teacher, --checkpoint runs/RUN/teacher.safetensors).';
  const expected = 'expected {"class_id": …, "tokens": […]}, whole numbers from 0 to 65535, got';
  for (const [text, message] of [
    [
      row({ tokens: [1, 2, 3, 16] }, 3),
      `: expected tokens from 0 to 15, as the tokenizer makes, got 16 in line 4.${repair}`,
    ],
    [row({ tokens: [1, 2, 3] }, 3), ':4: expected 4 tokens, as in the lines before, got 3.'],
    [
      '{"class_id": 0, "tokens": [1, 2]}',
      `: expected rows of 4 tokens, as the tokenizer makes, got rows of 2.${repair}`,
    ],
    [row({ tokens: [1, 2, 3, -1] }, 1), `:2: ${expected} the token -1.`],
    [row({ class_id: '0' }, 1), `:2: ${expected} class_id "0".`],
    [row({ class_id: 2 }, 1), ': expected classes from 0 to 1, of which it has names, got 2.'],
    ['PK', `:1: ${expected} 'PK'.`],
    ['', ': expected lines of {"class_id": …, "tokens": […]}, whole numbers from 0 to 65535, got none.'],
    [
      row({ made_by: { ...madeBy, codebook_size: 32 } }),
      `: expected tokens of a codebook of 16, got those of one of 32.${repair}`,
    ],
    [
      row({ made_by: { ...madeBy, tokenizer: 'other' } }),
      `: expected tokens of the tokenizer ${madeBy.tokenizer}, got those of another, other, of the same sizes.${repair}`,
    ],
    [row({ made_by: 3 }), ':1: expected made_by with tokenizer, codebook_size and classes, got 3.'],
  ] as const) {
    // biome-ignore format: one thought
    writeFileSync('out/other.jsonl', text);
    const { status, err } = await titok(t, ...onTokens('--tokens-file', 'out/other.jsonl'));
    assert.deepEqual([status, err], [1, `out/other.jsonl${message}`]);
  }
  const gone = await titok(t, ...onTokens('--tokens-file', 'out/none.jsonl'));
  assert.match(gone.err, /^out\/none\.jsonl: expected a file of tokens, got /);
  writeFileSync('out/other.jsonl', row({ tokens: [1, 2, 3, 4] }, 3));
  const others = await titok(t, ...onTokens('--tokens-file', 'out/other.jsonl', '--resume').filter((arg) => arg !== '--overwrite')); // biome-ignore format: one thought
  assert.equal(
    others.err,
    'checkpoint runs/tokens/generator.safetensors: expected the 12 token rows of its training, got as many others. ' +
      'Give the file of tokens that it was trained on (--tokens-file), or start a new run (--name).',
  );
});
