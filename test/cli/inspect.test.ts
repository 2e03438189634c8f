/** `titok data inspect`: counts, classes, sizes, what is left out and what cannot be read; `titok data convert`. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeNpz } from '../../data/index.ts';
import { titok, workIn, writePictures } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-inspect-')));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a folder with broken pictures, in words and as JSON', async (t) => {
  await writePictures('pets');
  writeFileSync('pets/train/cats/0.png', 'no picture');
  writeFileSync('pets/notes.pdf', '%PDF-1.7');
  const { status, out } = await titok(t, 'data', 'inspect', 'pets', '--size', '64');
  assert.equal(status, 0);
  assert.match(out, /^pets: picture files, 11 training and 4 held-out images in 2 classes\n {2}cats +5 +2 held out\n/);
  assert.match(out, /sizes 16×16 to 16×16 pixels, medians 16×16\n/);
  assert.match(out, /cannot be read: 1: train\/cats\/0\.png \(a text file\)\n/);
  assert.match(
    out,
    /left out – not pictures: 1 \(notes\.pdf\)\nmemory at 64 pixels: 0\.2 MB, while it is read up to 0\.4 MB$/,
  );
  const report = JSON.parse((await titok(t, 'data', 'inspect', 'pets', '--json')).out);
  assert.deepEqual(
    [report.path, report.train, report.heldOut, report.classes[1], report.memory.dataset],
    ['pets', 11, 4, { name: 'dogs', train: 6, heldOut: 2 }, 15 * 3 * 32 * 32],
  );
});

test('a data file; an error for what is none', async (t) => {
  writeNpz('x.npz', {
    images: { shape: [20, 5, 7], data: new Uint8Array(20 * 35) },
    labels: { shape: [20], data: Int32Array.from({ length: 20 }, (_, i) => i % 2) },
  });
  const { out } = await titok(t, 'data', 'inspect', 'x.npz');
  assert.match(out, /^x\.npz: NumPy, 18 training and 2 held-out images in 2 classes\n {2}0 +9 +1 held out/);
  assert.match(out, /sizes 7×5 to 7×5 pixels/);
  const { status, err } = await titok(t, 'data', 'inspect', 'nowhere');
  assert.deepEqual([status, err.slice(0, 48)], [1, 'nowhere: expected a folder of images, got ENOENT']);
});

test('data convert writes shards of a data file, and says what it left out', async (t) => {
  const { status, out } = await titok(t, 'data', 'convert', 'x.npz', 'shards', '--per-shard', '15');
  assert.deepEqual([status, out], [0, 'shards/train-{000000..000001}.tar  20 pictures']);
  assert.match((await titok(t, 'data', 'inspect', 'shards')).out, /^shards: WebDataset, 18 training and 2 held-out/);
  writeFileSync('shards/train-000002.tar.part', readFileSync('shards/train-000001.tar'));
  const part = await titok(t, 'data', 'inspect', 'shards');
  assert.match(
    part.out,
    /^shards: WebDataset, 18 training and 2 held-out(?:.*\n)+.*unfinished: 1 \(train-000002\.tar\.part\)/,
  );
  const broken = await titok(t, 'data', 'convert', 'pets', 'others');
  assert.match(broken.err, /train\/cats\/0\.png cannot be read: a text file\. .*--skip-broken/);
  const skipped = await titok(t, 'data', 'convert', 'pets', 'rest', '--skip-broken');
  assert.match(skipped.out, /^rest\/train-.* 11 pictures\nrest\/val-.* 4 pictures\n.*cannot be read: 1 /);
});
