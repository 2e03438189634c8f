/** Streamed images: the batches of memory, orders that resume, pictures that cannot be read, and what cannot be streamed. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import sharp from 'sharp';
import { openDevice, Rng, setDefaultDevice } from '../../core/index.ts';
import { bufferedOrder } from '../../data/epoch-order.ts';
import {
  type Batches,
  batches,
  crop,
  type Dataset,
  isStream,
  loadImageFolder,
  openImageFolder,
  resizeShorterEdge,
  viewBatches,
  writePng,
} from '../../data/index.ts';
import { toPlanes, toUnit } from '../../data/pixels.ts';
import { writeShards } from './shards.ts';
import { temporaryFolder } from './temporary.ts';

const SIZE = 6;
const options = { batchSize: 7, seed: 3, flip: true };

before(async () => {
  setDefaultDevice(await openDevice('cpu', { threads: 1 }));
});

/** Two shards of 40 pictures in four classes. */
async function shards(t: TestContext): Promise<string> {
  const folder = temporaryFolder(t);
  await writeShards(folder, { pictures: 80, shards: 2, size: 8 });
  return folder;
}

async function drawn(from: Batches, count: number) {
  const all: { pixels: number[]; labels: number[]; views: unknown }[] = [];
  for (let i = 0; i < count; i++) {
    const { images, labels, views } = from.next();
    all.push({ pixels: [...(await images.data())], labels: [...(await labels.data())], views });
  }
  return all;
}

function streamIn({ train }: Dataset) {
  assert.ok(isStream(train));
  return train;
}

test('a stream gives the split, the batches and the positions of memory, over epochs and after a pause', async (t) => {
  const folder = await shards(t);
  const memory = await loadImageFolder(folder, SIZE);
  const dataset = await openImageFolder(folder, SIZE, { stream: true });
  assert.deepEqual(dataset.validation, memory.validation);
  assert.match(dataset.notes![0], /^streamed: 72 training images are decoded when they are needed$/);
  const train = streamIn(dataset);
  assert.deepEqual([train.names, train.labels], [memory.train.names, memory.train.labels]);
  const [kept, streamed] = [batches(memory.train, options), batches(train, options)];
  assert.deepEqual(await drawn(streamed, 15), await drawn(kept, 15)); // into the second epoch
  assert.deepEqual(streamed.state, kept.state);
  const { state } = streamed;
  const rest = await drawn(kept, 15);
  const resumed = batches(train, { ...options, seed: 99 });
  await drawn(resumed, 2);
  resumed.state = JSON.parse(JSON.stringify(state));
  assert.deepEqual(await drawn(resumed, 15), rest);
  const views = train.names.map((_, index) => ({ index, mirrored: index % 3 === 0 }));
  const whole = async (set: typeof train | typeof memory.train) => {
    const rows: unknown[] = [];
    for (const batch of viewBatches(set, views, 16)) rows.push([...(await batch.images.data())], batch.views);
    return rows;
  };
  assert.deepEqual(await whole(train), await whole(memory.train));
});

test('a shuffle buffer: every image once, near its neighbors, and resumed to the bit; another one is refused', async (t) => {
  const [count, size] = [5000, 500];
  const order = bufferedOrder(new Rng(1), count, size);
  assert.deepEqual(
    Int32Array.from(order).sort(),
    Int32Array.from({ length: count }, (_, i) => i),
  );
  assert.deepEqual(bufferedOrder(new Rng(1), count, count), new Rng(1).permutation(count));
  const runs = new Set(order.slice(0, size).map((index) => Math.floor(index / 64)));
  assert.ok(runs.size > 8 && runs.size <= Math.ceil((2 * size) / 64) + 1, `${runs.size} runs`);
  assert.ok(order.slice(0, size).some((index, i) => i > 0 && index < order[i - 1])); // it shuffles

  const dataset = await openImageFolder(await shards(t), SIZE, { shuffleBuffer: 20 });
  const train = streamIn(dataset);
  const first = batches(train, options);
  const epoch = (await drawn(first, 10)).flatMap(({ views }) =>
    (views as { index: number }[]).map(({ index }) => index),
  );
  assert.equal(new Set(epoch).size, 70);
  const { state } = first;
  const rest = await drawn(first, 12);
  const second = batches(train, options);
  second.state = state;
  assert.deepEqual(await drawn(second, 12), rest);
  assert.throws(() => {
    batches({ ...train, shuffleBuffer: undefined }, options).state = state;
  }, /expected the position in a shuffle buffer of all images, got one of 20 images\. Give --shuffle-buffer as it was/);
});

test('random crops: squares of the picture whose shorter edge is resized, other ones in each epoch, resumed to the bit', async (t) => {
  const folder = temporaryFolder(t);
  const wide = new Map<string, Uint8Array[]>();
  for (let i = 0; i < 12; i++) {
    const [width, height] = i % 2 === 0 ? [30, 12] : [8, 17];
    const noise = Uint8Array.from(new Rng(i).uniforms(width * height * 3, 0, 256));
    const image = { width, height, data: noise };
    await writePng(join(folder, `${i}.png`), image);
    const whole = resizeShorterEdge(image, SIZE);
    const places = Math.max(whole.width, whole.height) - SIZE + 1;
    const squareAt = (k: number) => crop(whole, i % 2 === 0 ? k : 0, i % 2 === 0 ? 0 : k, SIZE, SIZE);
    wide.set(
      `${i}.png`,
      Array.from({ length: places }, (_, k) => toPlanes(squareAt(k))),
    );
  }
  const train = streamIn(await openImageFolder(folder, SIZE, { randomCrop: true }));
  const first = batches(train, { batchSize: 5, seed: 2 });
  const seen = new Map<string, Set<number>>();
  const check = async (count: number) => {
    for (const { pixels, views } of await drawn(first, count)) {
      for (const [i, { index }] of (views as { index: number }[]).entries()) {
        const each = 3 * SIZE * SIZE;
        const bytes = pixels.slice(i * each, (i + 1) * each).map((x) => Math.round(x * 255));
        const name = train.names[index];
        const at = wide.get(name)!.findIndex((square) => square.every((x, k) => x === bytes[k]));
        assert.ok(at >= 0, `${name}: a square of it`);
        seen.set(name, (seen.get(name) ?? new Set()).add(at));
      }
    }
  };
  await check(30);
  const { state } = first;
  const spots = [...seen].map(([name, found]) => found.size / wide.get(name)!.length);
  assert.ok(Math.min(...spots) > 0.5, `${spots}`);
  const rest = await drawn(first, 12);
  const second = batches(train, { batchSize: 5, seed: 9 });
  await drawn(second, 1);
  second.state = JSON.parse(JSON.stringify(state));
  assert.deepEqual(await drawn(second, 12), rest);
  assert.throws(() => {
    batches({ ...train, randomCrop: false }, { batchSize: 5, seed: 9 }).state = state;
  }, /expected random crops, as at the saved position, got none\. Give --random-crop\./);
  const [{ images }] = [...viewBatches(train, [{ index: 0, mirrored: false }], 1)];
  const middle = await loadImageFolder(folder, SIZE);
  assert.deepEqual(
    await images.data(),
    toUnit(middle.train.images.subarray(0, 3 * SIZE * SIZE)),
    'views are cut from the middle',
  );
  await assert.rejects(
    openImageFolder(folder, SIZE, { randomCrop: true, stream: false }),
    /a stream with --random-crop/,
  );
});

test('a picture that cannot be read ends the stream, or another of its class takes its place', async (t) => {
  const folder = await shards(t);
  const names = (await loadImageFolder(folder, SIZE)).train.names;
  const shard = join(folder, 'train-000000.tar');
  const bytes = readFileSync(shard);
  const train = streamIn(await openImageFolder(folder, SIZE, { stream: true }));
  const broken = names.findIndex((name) => name.startsWith('train-000000')) + 4;
  const at = bytes.indexOf('PNG\r\n', bytes.indexOf(names[broken].split('/').at(-1)!));
  writeFileSync(shard, bytes.fill(0, at, at + 40));
  assert.equal(streamIn(await openImageFolder(folder, SIZE, { stream: true })).fingerprint, train.fingerprint);
  assert.throws(
    () => {
      const some = batches(train, options);
      for (let i = 0; i < 11; i++) some.next();
    },
    (error: Error) => error.name === 'DataError' && error.message.includes(`${names[broken]} cannot be read: `),
  );
  const said: string[] = [];
  const notify = (message: string) => said.push(message);
  const skipping = streamIn(await openImageFolder(folder, SIZE, { stream: true, skipBroken: true, notify }));
  const all = await drawn(batches(skipping, { ...options, flip: false }), 22);
  assert.equal(said.length, 1);
  assert.match(said[0], /cannot be read: .*\. Others of its class take its place\.$/);
  const placed = all.flatMap(({ views, pixels }) =>
    (views as { index: number }[]).map(({ index }, i) => ({ index, pixels: pixels.slice(i * 108, (i + 1) * 108) })),
  );
  const other = skipping.labels.findIndex((label, i) => i > broken && label === skipping.labels[broken]);
  const pixelsAt = (wanted: number) => placed.filter(({ index }) => index === wanted).map(({ pixels }) => pixels);
  const [substitute] = pixelsAt(other);
  assert.ok(pixelsAt(broken).length >= 2);
  for (const pixels of pixelsAt(broken)) assert.deepEqual(pixels, substitute);
});

test('what is too large is streamed; a format that is read whole is not', async (t) => {
  const folder = await shards(t);
  const { train, validation, notes } = await openImageFolder(folder, SIZE, { maxBytes: 4000 });
  assert.ok(isStream(train));
  assert.match(notes![0], /, as all would take 0\.0 MB of memory, more than 0\.0 MB$/);
  assert.ok(validation.count > 2 && validation.images.length <= 2000);
  assert.ok(!isStream((await openImageFolder(folder, SIZE)).train));
  const classes = temporaryFolder(t);
  mkdirSync(join(classes, 'a'));
  const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } }).png().toBuffer(); // biome-ignore format: one thought
  for (let i = 0; i < 4; i++) writeFileSync(join(classes, 'a', `${i}.png`), png);
  const files = streamIn(await openImageFolder(classes, SIZE, { stream: true }));
  assert.equal(batches(files, { batchSize: 2, seed: 0 }).next().views.length, 2);
  const idx = join(temporaryFolder(t), 'train-images-idx3-ubyte');
  writeFileSync(idx, Uint8Array.from([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, ...Array(12).fill(9)]));
  await assert.rejects(openImageFolder(idx, 2, { stream: true }), {
    name: 'DataError',
    message:
      /expected picture files, a table, WebDataset shards or Parquet to stream, got IDX, whose files are read whole\./,
  });
  await assert.rejects(openImageFolder(folder, SIZE, { stream: false, shuffleBuffer: 5 }), { name: 'OptionError' });
});
