/** `titok tokenize --data`: the tokens of a dataset in a file, in the form that published code reads. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { trainedRun } from '../train/trained-run.ts';
import { titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-tokenize-')));
after(() => rmSync(folder, { recursive: true, force: true }));
before(async () => {
  await trainedRun('.');
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
