import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import sharp from 'sharp';
import { loadImageFolder } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const colors: Record<string, string> = { cat: '#ff0000', dog: '#0000ff' };

/** Plain pictures, wider than high, in the color of their class. */
async function write(root: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const path = join(root, file);
    mkdirSync(dirname(path), { recursive: true });
    const background = colors[Object.keys(colors).find((name) => file.includes(name))!];
    await sharp({ create: { width: 24, height: 16, channels: 3, background } }).toFile(path);
  }
}

async function pets(t: TestContext, files = ['cat/1.png', 'cat/2.jpg', 'dog/1.webp', 'dog/2.JPEG', 'dog/3.png']) {
  const folder = join(temporaryFolder(t), 'pets');
  await write(folder, files);
  return folder;
}

test('a folder of class folders becomes square images with labels', async (t) => {
  const folder = await pets(t);
  writeFileSync(join(folder, 'cat', 'notes.txt'), 'not an image');
  writeFileSync(join(folder, '.DS_Store'), '');
  const seen: number[] = [];
  const dataset = await loadImageFolder(folder, 8, { heldOutFraction: 0, onProgress: (done) => seen.push(done) });
  assert.equal(dataset.name, 'pets');
  assert.deepEqual(dataset.classes, ['cat', 'dog']);
  const { train, validation } = dataset;
  assert.deepEqual([train.count, validation.count, ...seen], [5, 0, 1, 2, 3, 4, 5]);
  assert.deepEqual([...train.labels], [0, 0, 1, 1, 1]);
  assert.deepEqual(train.names, ['cat/1.png', 'cat/2.jpg', 'dog/1.webp', 'dog/2.JPEG', 'dog/3.png']);
  assert.equal(train.images.length, 5 * 3 * 8 * 8);
  for (let i = 0; i < 5; i++) {
    const plane = (c: number) => train.images[(i * 3 + c) * 64 + 27];
    const [here, elsewhere] = train.labels[i] === 0 ? [plane(0), plane(2)] : [plane(2), plane(0)];
    assert.ok(here > 240 && elsewhere < 15, `image ${i}: ${here}, ${elsewhere}`);
  }
});

test('train and val folders keep their split, else names decide it', async (t) => {
  const folder = await pets(t, ['train/cat/1.png', 'train/dog/1.png', 'train/dog/2.png', 'val/dog/3.png']);
  const { classes, train, validation } = await loadImageFolder(folder, 8);
  assert.deepEqual([classes, train.count, validation.count], [['cat', 'dog'], 3, 1]);
  assert.deepEqual([...validation.labels], [1]); // the index in train's classes, though val has one class only
  const all = await loadImageFolder(join(folder, 'train'), 8, { heldOutFraction: 1 });
  assert.deepEqual([all.train.count, all.validation.count], [0, 3]);
});

test('what is wrong with a folder is said with its path', async (t) => {
  const folder = await pets(t);
  const fails = (path: string, message: RegExp, options = {}) =>
    assert.rejects(loadImageFolder(path, 8, options), { name: 'DataError', message });
  await fails(join(folder, 'nowhere'), /nowhere: expected a folder of images, got ENOENT/);
  await fails(join(folder, 'cat'), /cat: expected one folder per class, got none/);
  await fails(folder, /expected images of at most 0\.0 MB in memory, got 5 of 8×8/, { maxBytes: 100 });
  mkdirSync(join(folder, 'empty'));
  await fails(folder, /empty: expected PNG, JPEG or WebP images of class 'empty', got none\. Add some/);
  writeFileSync(join(folder, 'empty', 'broken.png'), 'no image');
  await fails(folder, /image .*broken\.png: expected a readable/);
  const split = await pets(t, ['train/cat/1.png', 'val/dog/1.png']);
  await fails(split, /dog: expected a class of train \(cat\), got 'dog'/);
});
