/** Parquet files as on the Hugging Face hub, made with hyparquet-writer. */
import assert from 'node:assert/strict';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import zlib, { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import sharp from 'sharp';
import { openDevice, setDefaultDevice } from '../../core/index.ts';
import { batches, convertImages, isStream, loadImageFolder, openImageFolder } from '../../data/index.ts';
import { openParquet, readCell } from '../../data/parquet-file.ts';
import { Recent } from '../../data/recent.ts';
import { hubParquet, type ParquetLayout } from './parquet-writer.ts';
import { temporaryFolder } from './temporary.ts';

const all = { heldOutFraction: 0 };
const png = (red: number) =>
  sharp({ create: { width: 6, height: 4, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toBuffer();

/** Of each picture: its class, and its red. */
const pairs = ({ train, classes }: Awaited<ReturnType<typeof loadImageFolder>>) =>
  Array.from({ length: train.count }, (_, i) => [classes[train.labels[i]], train.images[i * 3 * train.size ** 2]]);

async function parquet(reds: readonly number[], labels: readonly number[], layout?: ParquetLayout): Promise<Buffer> {
  return Buffer.from(hubParquet(await Promise.all(reds.map(png)), labels, ['cat', 'dog', 'cow'], layout));
}

test('Parquet files as on the hub: several row groups, names of classes, a split by name', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'data'));
  writeFileSync(
    join(folder, 'data', 'train-00000-of-00001.parquet'),
    await parquet([10, 20, 30, 40, 50], [1, 0, 0, 1, 1]),
  );
  writeFileSync(
    join(folder, 'data', 'validation-00000-of-00001.parquet'),
    await parquet([60], [0], { codec: 'UNCOMPRESSED' }),
  );
  writeFileSync(join(folder, 'README.md'), 'pets');
  const dataset = await loadImageFolder(folder, 4);
  assert.deepEqual([dataset.classes, pairs(dataset)], [['cat', 'dog'], [['dog', 10], ['cat', 20], ['cat', 30], ['dog', 40], ['dog', 50]]]); // biome-ignore format: pairs
  assert.deepEqual([dataset.validation.count, dataset.validation.images[0], dataset.leftOut], [1, 60, []]);
  assert.deepEqual(dataset.notes, ['without pictures: 1 classes (cow)']);
  writeFileSync(join(folder, 'x.parquet'), await parquet([1], [3]));
  await assert.rejects(loadImageFolder(join(folder, 'x.parquet'), 4, all), /x\.parquet, label: expected 0\.\.2, got 3/);
  const texts = parquetWriteBuffer({
    columnData: [
      { name: 'image', data: [await png(1), await png(2)], type: 'BYTE_ARRAY' },
      { name: 'label', data: ['cat', ''], type: 'STRING' },
    ],
  });
  writeFileSync(join(folder, 'x.parquet'), new Uint8Array(texts));
  await assert.rejects(loadImageFolder(join(folder, 'x.parquet'), 4, all), {
    name: 'DataError',
    message: /x\.parquet, label: expected whole numbers from 0, or text, got an empty text/,
  });
});

test('many files as shards: the same pictures', async (t) => {
  const [folder, shards] = [join(temporaryFolder(t), 'hub'), join(temporaryFolder(t), 'shards')];
  await fourFiles(folder);
  const seen: number[] = [];
  const onProgress = (done: number) => seen.push(done);
  const { format, train, heldOut } = await convertImages(folder, shards, { perShard: 7, onProgress });
  assert.deepEqual(
    [format, train, heldOut, seen.at(-1)],
    ['Parquet', { names: 'train-{000000..000002}.tar', pictures: 15 }, { names: 'val-{000000..000000}.tar', pictures: 5 }, 20], // biome-ignore format: one thought
  );
  const [memory, again] = [await loadImageFolder(folder, 4), await loadImageFolder(shards, 4)];
  assert.deepEqual(pairs(again), pairs(memory));
  assert.deepEqual(again.validation.images, memory.validation.images);
});

/** 15 training pictures of as many reds in three files, and five held-out ones. */
async function fourFiles(folder: string): Promise<void> {
  mkdirSync(folder);
  for (let file = 0; file < 4; file++) {
    const reds = [0, 1, 2, 3, 4].map((i) => 10 * (5 * file + i));
    writeFileSync(join(folder, `${file < 3 ? 'train' : 'validation'}-0000${file}.parquet`), await parquet(reds, [1, 0, 0, 1, 1])); // biome-ignore format: one thought
  }
}

test('a stream of Parquet files gives the batches of memory', async (t) => {
  setDefaultDevice(await openDevice('cpu', { threads: 1 }));
  const folder = join(temporaryFolder(t), 'hub');
  await fourFiles(folder);
  const [memory, streamed] = [await loadImageFolder(folder, 4), await openImageFolder(folder, 4, { stream: true })];
  assert.ok(isStream(streamed.train));
  assert.deepEqual(streamed.validation, memory.validation);
  const [kept, read] = [memory, streamed].map(({ train }) => batches(train, { batchSize: 4, seed: 1 }));
  for (let i = 0; i < 8; i++) {
    const [own, other] = [kept.next(), read.next()];
    assert.deepEqual([await other.images.data(), other.views], [await own.images.data(), own.views]);
  }
});

test('row groups of several pages, and of pages that refer to a dictionary, in any order', async (t) => {
  const path = join(temporaryFolder(t), 'x.parquet');
  const labels = Array(24).fill(0);
  const different = labels.map((_, i) => 10 * i);
  const few = labels.map((_, i) => 100 * (i % 2)); // the writer makes a dictionary of them
  for (const reds of [different, few]) {
    writeFileSync(path, await parquet(reds, labels, { rowGroupSize: 12, pageSize: 200 }));
    const cells = await (await openParquet(path)).cells();
    const pages = new Set(cells.map(({ position }) => position));
    assert.ok(reds === few ? pages.size === 2 : pages.size > 8, `${pages.size} pages`);
    await fc.assert(
      fc.asyncProperty(fc.nat(23), async (i) => {
        const { data } = await sharp(await readCell(cells[i])).raw().toBuffer({ resolveWithObject: true }); // biome-ignore format: one thought
        assert.equal(data[0], reds[i]);
      }),
      { seed: 6, numRuns: 60 },
    );
  }
  const [cell] = await (await openParquet(path)).cells();
  truncateSync(path, 100);
  await assert.rejects(readCell({ ...cell, position: 90 }), /cut short/);
});

test('files that Arrow wrote: ZSTD and LZ4, a dictionary of pictures, rows without one', async () => {
  for (const codec of ['zstd', 'lz4']) {
    const cells = await (await openParquet(new URL(`arrow-${codec}.parquet`, import.meta.url).pathname)).cells();
    assert.equal(cells.length, 12);
    for (const [i, cell] of cells.entries()) {
      if (i % 5 === 3) await assert.rejects(readCell(cell), /a row without the bytes of a picture/);
      else
        assert.equal(
          (
            await sharp(await readCell(cell))
              .raw()
              .toBuffer()
          )[0],
          20 * i,
        );
    }
  }
});

test('a page is unpacked once, though its runs are checked before it is read', async (t) => {
  const path = join(temporaryFolder(t), 'x.parquet');
  const labels = Array(12).fill(0);
  for (const reds of [labels.map((_, i) => 10 * i), labels]) {
    const layout = {
      rowGroupSize: 12,
      codec: 'GZIP',
      compressors: { GZIP: (bytes: Uint8Array) => gzipSync(bytes) },
    } as const;
    writeFileSync(path, await parquet(reds, labels, layout));
    const file = await openParquet(path);
    const cells = await file.cells();
    const unpack = t.mock.method(zlib, 'gunzipSync');
    syncBuiltinESMExports();
    t.after(syncBuiltinESMExports);
    for (const [i, cell] of cells.entries()) {
      const { data } = await sharp(await file.picture(cell)).raw().toBuffer({ resolveWithObject: true }); // biome-ignore format: one thought
      assert.equal(data[0], reds[i]);
    }
    const [pages, dictionary] = [new Set(cells.map(({ position }) => position)).size, reds === labels ? 1 : 0];
    assert.equal(unpack.mock.callCount(), pages + dictionary);
    unpack.mock.restore();
  }
});

test('a compression that is not read is named', async (t) => {
  const path = join(temporaryFolder(t), 'x.parquet');
  writeFileSync(path, await parquet([10, 20], [0, 1], { codec: 'LZO', compressors: { LZO: (bytes) => bytes } }));
  await assert.rejects((await openParquet(path)).cells(), {
    name: 'DataError',
    message: /x\.parquet: expected columns compressed with SNAPPY, .*ZSTD.*, or not at all, got LZO\. Write it again/,
  });
});

test('what was used last stays, up to a size', () => {
  const [recent, made] = [new Recent<string>(10), [] as string[]];
  const get = (key: string, size: number) =>
    recent.get(key, size, () => {
      made.push(key);
      return key.toUpperCase();
    });
  assert.deepEqual([get('a', 4), get('b', 4), get('a', 4), get('c', 4), get('a', 4)], ['A', 'B', 'A', 'C', 'A']);
  assert.deepEqual(made, ['a', 'b', 'c']); // b has gone
  get('b', 4);
  get('large', 20); // alone
  get('a', 4);
  get('large', 20);
  assert.deepEqual(made.slice(3), ['b', 'large', 'a', 'large']);
});

test('damaged Parquet files give errors of ours', async (t) => {
  const path = join(temporaryFolder(t), 'x.parquet');
  const whole = await parquet([10, 20, 30], [1, 0, 0]);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(whole.length - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.boolean(),
      async (place, change, cut) => {
        const bytes = cut ? whole.subarray(0, place) : Buffer.from(whole);
        if (!cut) bytes[place] ^= change;
        writeFileSync(path, bytes);
        try {
          await loadImageFolder(path, 4, all);
        } catch (error) {
          assert.equal((error as Error).name, 'DataError', String((error as Error).stack));
        }
      },
    ),
    { seed: 6, numRuns: 500 },
  );
});

test('a Parquet file that claims more than it holds is refused before room is made for it', async (t) => {
  const path = join(temporaryFolder(t), 'x.parquet');
  const whole = await parquet([10, 20], [1, 0], { codec: 'UNCOMPRESSED' });
  const changed = (from: readonly number[], to: readonly number[]) => {
    const at = whole.indexOf(Buffer.from(from));
    assert.ok(at > 0, `${from}`);
    return Buffer.concat([whole.subarray(0, at), Buffer.from(to), whole.subarray(at + from.length)]);
  };
  const footer = Buffer.from([0x29, 0xfc, 0xff, 0xff, 0xff, 0x7f, 0]); // a list of 2²⁷ members
  const name = [0x18, 5, ...Buffer.from('image')];
  for (const [bytes, message] of [
    [
      Buffer.concat([Buffer.from('PAR1'), footer, Buffer.from([7, 0, 0, 0]), Buffer.from('PAR1')]),
      /a list of 268435455 members/,
    ],
    [changed([...name, 0x15, 4], [...name, 0x15, 1]), /a column 'image' of -1 others/],
    [changed([3, 3, 1, 0, 0, 0, 0], [126, 1, 1, 0, 0, 0, 0]), /a run of 63 values in a page of 2/],
  ] as const) {
    // biome-ignore format: rows
    writeFileSync(path, bytes);
    await assert.rejects(loadImageFolder(path, 4, all), { name: 'DataError', message });
  }
});
