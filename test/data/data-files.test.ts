/** Data files with many pictures: IDX, CIFAR's binary form and .npz, found by content, with classes and splits. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { loadImageFolder, writeNpz } from '../../data/index.ts';
import { withoutNumpy } from '../eval/reference.ts';
import { temporaryFolder } from './temporary.ts';

/** An IDX file of bytes. */
function idx(shape: readonly number[], value: (i: number) => number): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.set([0, 0, 8, shape.length]);
  shape.forEach((n, i) => {
    head.writeUInt32BE(n, 4 + 4 * i);
  });
  const count = shape.reduce((product, n) => product * n, 1);
  const values = Buffer.alloc(count);
  for (let i = 0; i < count; i++) values[i] = value(i);
  return Buffer.concat([head, values]);
}

/** Pictures whose pixels are 20 times their label, which is their number modulo 3. */
const label = (i: number) => i % 3;
const pictures = (count: number) => idx([count, 4, 4], (p) => 20 * label(Math.floor(p / 16)));
const labels = (count: number) => idx([count], label);
const all = { heldOutFraction: 0 };

/** Of each picture: its label, and the value of its first pixel. */
const pairs = ({ labels, images, size, count }: Awaited<ReturnType<typeof loadImageFolder>>['train']) =>
  Array.from({ length: count }, (_, i) => [labels[i], images[i * 3 * size * size]]);

test('IDX files, plain and packed, with the usual split', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'train-images-idx3-ubyte'), pictures(6));
  writeFileSync(join(folder, 'train-labels-idx1-ubyte'), labels(6));
  writeFileSync(join(folder, 't10k-images-idx3-ubyte.gz'), gzipSync(pictures(4)));
  writeFileSync(join(folder, 't10k-labels-idx1-ubyte.gz'), gzipSync(labels(4)));
  writeFileSync(join(folder, 'readme.txt'), 'hand-written digits');
  const { train, validation, classes, notes, leftOut } = await loadImageFolder(folder, 4);
  assert.deepEqual(classes, ['0', '1', '2']);
  assert.deepEqual(pairs(train), [[0, 0], [1, 20], [2, 40], [0, 0], [1, 20], [2, 40]]); // biome-ignore format: pairs
  assert.deepEqual(pairs(validation), [[0, 0], [1, 20], [2, 40], [0, 0]]); // biome-ignore format: pairs
  assert.deepEqual([notes, leftOut, train.names[5]], [['no validation split: test is held out'], [], 'train-images-idx3-ubyte#5']); // biome-ignore format: one thought
  const one = await loadImageFolder(join(folder, 't10k-images-idx3-ubyte.gz'), 2, all);
  assert.deepEqual([one.train.count, one.train.size, one.validation.count], [4, 2, 0]);
});

test('IDX files without labels are one class; wrong ones are errors', async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string) => join(folder, name);
  writeFileSync(at('faces-images-idx3-ubyte'), pictures(3));
  const { classes, notes } = await loadImageFolder(at('faces-images-idx3-ubyte'), 4, all);
  assert.equal(classes.length, 1);
  assert.match(notes![0], /no labels beside it \(faces-labels-idx1-ubyte\)/);
  const fails = async (name: string, content: Uint8Array, message: RegExp) => {
    writeFileSync(at(name), content);
    await assert.rejects(loadImageFolder(at(name), 4), { name: 'DataError', message });
  };
  await fails(
    'short-images',
    pictures(3).subarray(0, 40),
    /short-images: expected 64 bytes for \[3, 4, 4\], got a file of 40/,
  );
  await fails('short-images.gz', gzipSync(pictures(3)).subarray(0, 30), /expected a whole gzip file of 64 bytes, got/);
  await fails(
    'bomb-images.gz',
    gzipSync(idx([1, 1, 1], () => 0).fill(255, 4, 16)),
    /expected at most \d+ unpacked bytes for \[4294967295, 4294967295, 4294967295\], got a claim of 7\.9\S+ in a file of/,
  );
  await fails('zeros-images.gz', gzipSync(idx([1, 10_000, 10_000], () => 0)), /got a claim of 100000016/); // biome-ignore format: rows
  const none = Buffer.from([0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 5]);
  await fails('none-images', none, /expected pictures \[count, height, width\], got \[4294967295, 0, 5\]/);
  writeFileSync(at('few-labels'), labels(2));
  await fails('few-images', pictures(3), /few-labels: expected 3 labels, as .*few-images has pictures, got \[2\]/);
});

/** Rows of CIFAR's binary form: red alone, 10 times the label. */
const cifar = (labels: readonly number[], coarse = false) =>
  Buffer.concat(
    labels.flatMap((label) => [
      Buffer.from(coarse ? [label % 20, label] : [label]),
      Buffer.alloc(1024, 10 * label),
      Buffer.alloc(2048),
    ]),
  );

test('CIFAR-10 and CIFAR-100, with names of classes where they stand beside', async (t) => {
  const ten = join(temporaryFolder(t), 'cifar-10');
  mkdirSync(ten);
  writeFileSync(join(ten, 'data_batch_1.bin'), cifar([0, 2]));
  writeFileSync(join(ten, 'data_batch_2.bin'), cifar([1, 2]));
  writeFileSync(join(ten, 'test_batch.bin'), cifar([2, 1, 9]));
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
  writeFileSync(join(ten, 'batches.meta.txt'), `${names.join('\n')}\n\n`);
  const { train, validation, classes, leftOut, notes } = await loadImageFolder(ten, 32);
  assert.deepEqual(classes, ['airplane', 'automobile', 'bird']);
  assert.deepEqual([pairs(train), pairs(validation)], [[[0, 0], [2, 20], [1, 10], [2, 20]], [[2, 20], [1, 10]]]); // biome-ignore format: pairs
  assert.deepEqual(train.images.subarray(3072 + 1024, 3072 + 1026), Uint8Array.of(0, 0)); // green
  assert.match(leftOut![0].examples[0], /test_batch\.bin#2 \(truck\)/);
  assert.match(notes![0], /without pictures: 7 classes \(cat, deer, dog, …\)/);

  const hundred = temporaryFolder(t);
  writeFileSync(join(hundred, 'train.bin'), cifar([99, 5, 7], true));
  const plain = await loadImageFolder(hundred, 32, all);
  assert.deepEqual(
    [plain.classes, pairs(plain.train).map(([label]) => label)],
    [
      ['5', '7', '99'],
      [2, 0, 1],
    ],
  );
  writeFileSync(join(hundred, 'fine_label_names.txt'), 'apple\n');
  await assert.rejects(loadImageFolder(hundred, 32), /expected 100 names of classes, a line each, got 1/);
});

test('.npz files: gray and colored, with the names of Keras and MedMNIST', async (t) => {
  const folder = temporaryFolder(t);
  const gray = (count: number) => ({
    shape: [count, 2, 2],
    data: Uint8Array.from({ length: 4 * count }, (_, i) => i >> 2),
  });
  const longs = (...values: bigint[]) => ({ shape: [values.length, 1], data: BigInt64Array.from(values) });
  writeNpz(join(folder, 'mnist.npz'), {
    x_train: gray(3),
    y_train: longs(10n, 2n, 10n),
    x_test: gray(2),
    y_test: longs(2n, 10n),
  });
  const { train, validation, classes } = await loadImageFolder(join(folder, 'mnist.npz'), 2);
  assert.deepEqual(classes, ['2', '10']);
  assert.deepEqual([pairs(train), pairs(validation)], [[[1, 0], [0, 1], [1, 2]], [[0, 0], [1, 1]]]); // biome-ignore format: pairs
  writeNpz(join(folder, 'wrong.npz'), { images: { shape: [2], data: Float32Array.of(1, 2) } });
  await assert.rejects(
    loadImageFolder(join(folder, 'wrong.npz'), 2),
    /wrong\.npz, images: expected .* got \[2\] of float32/,
  );
  writeNpz(join(folder, 'other.npz'), { mu: { shape: [1], data: new Uint8Array(1) } });
  await assert.rejects(
    loadImageFolder(join(folder, 'other.npz'), 2),
    /expected pictures in an array of the name arr_0, images/,
  );
  writeFileSync(join(folder, 'train-images-idx3-ubyte'), pictures(3));
  await assert.rejects(
    loadImageFolder(folder, 2),
    /expected data files of one format, got (NumPy|IDX) and (NumPy|IDX)/,
  );
});

test("NumPy's own files", { skip: withoutNumpy() }, async (t) => {
  const folder = temporaryFolder(t);
  const code = `
import sys, gzip, struct, numpy as np
x = (np.arange(5 * 4 * 4) // 16 * 10).astype('uint8').reshape(5, 4, 4)
np.savez_compressed(sys.argv[1] + '/a.npz', images=np.stack([x, x, x], -1), labels=np.arange(5) % 2)
with gzip.open(sys.argv[1] + '/train-images-idx3-ubyte.gz', 'wb') as f: f.write(struct.pack('>4B3I', 0, 0, 8, 3, *x.shape) + x.tobytes())
with gzip.open(sys.argv[1] + '/train-labels-idx1-ubyte.gz', 'wb') as f: f.write(struct.pack('>4BI', 0, 0, 8, 1, 5) + (np.arange(5) % 2).astype('uint8').tobytes())`;
  const { status, stderr } = spawnSync('python3', ['-c', code, folder], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const expected = [[0, 0], [1, 10], [0, 20], [1, 30], [0, 40]]; // biome-ignore format: pairs
  for (const name of ['a.npz', 'train-images-idx3-ubyte.gz']) {
    assert.deepEqual(pairs((await loadImageFolder(join(folder, name), 4, all)).train), expected, name);
  }
});

test('damaged data files give errors of ours', async (t) => {
  const folder = temporaryFolder(t);
  writeNpz(join(folder, 'x.npz'), { images: { shape: [4, 2, 2], data: new Uint8Array(16).fill(7) } });
  const wholes: [string, Buffer][] = [
    ['a-images', pictures(4)],
    ['b-images.gz', gzipSync(pictures(4))],
    ['c.bin', cifar([1, 2, 3])],
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.nat(2),
      fc.nat(1e6),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (which, place, change, cut) => {
        const [name, whole] = wholes[which];
        const bytes = cut ? whole.subarray(0, place % whole.length) : Buffer.from(whole);
        if (!cut) bytes[place % Math.min(whole.length, 64)] ^= change;
        writeFileSync(join(folder, name), bytes);
        try {
          await loadImageFolder(join(folder, name), 4, all);
        } catch (error) {
          assert.equal((error as Error).name, 'DataError', String(error));
        }
      },
    ),
    { seed: 3, numRuns: 300 },
  );
});
