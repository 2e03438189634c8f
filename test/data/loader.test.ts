import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tensorScope } from '../../core/index.ts';
import {
  type Batch,
  type Batches,
  batches,
  batchOf,
  classCounts,
  type ImageSet,
  imageSet,
  inOrder,
  pixelBatches,
  viewBatches,
} from '../../data/index.ts';

/** Image i has the value 10·i + column everywhere; its label is i mod 3, or skewed. */
function numbered(count: number, size = 4, labelOf = (i: number) => i % 3): ImageSet {
  const item = (_: unknown, i: number) => ({
    planes: Uint8Array.from({ length: 3 * size * size }, (_, p) => 10 * i + (p % size)),
    label: labelOf(i),
    name: `${i}`,
  });
  return imageSet(Array.from({ length: count }, item), size);
}

async function read({ images, labels }: Batch) {
  const bytes = Array.from(await images.data(), (v) => Math.round(v * 255));
  return { shape: images.shape, bytes, labels: [...(await labels.data())] };
}

async function take(source: Batches, count: number) {
  const taken = [];
  for (let i = 0; i < count; i++) taken.push(await read(source.next()));
  return taken;
}

/** Which image each row of a batch of 4×4 images is. */
const indices = ({ bytes }: { bytes: number[] }) => bytes.filter((_, p) => p % 48 === 0).map((v) => Math.floor(v / 10));

test('an epoch holds every image once; batches run on over its end', async () => {
  using _ = tensorScope();
  const set = numbered(10);
  const taken = await take(batches(set, { batchSize: 4, seed: 1 }), 5);
  assert.deepEqual(taken[0].shape, [4, 3, 4, 4]);
  const order = taken.flatMap(indices);
  const sorted = (list: number[]) => [...list].sort((a, b) => a - b);
  assert.deepEqual(sorted(order.slice(0, 10)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(sorted(order.slice(10)), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.notDeepEqual(order.slice(0, 10), order.slice(10));
  assert.deepEqual(
    taken.flatMap(({ labels }) => labels),
    order.map((i) => i % 3),
  );
});

test('a saved state, as JSON, continues with exactly the same batches', async () => {
  using _ = tensorScope();
  const options = fc.record({
    batchSize: fc.integer({ min: 1, max: 7 }),
    seed: fc.integer(),
    flip: fc.boolean(),
    crop: fc.integer({ min: 1, max: 4 }),
    classBalance: fc.constantFrom(0, 0.5, 1),
  });
  const property = fc.asyncProperty(options, fc.nat(9), fc.nat(5), async (settings, before, other) => {
    const set = numbered(11);
    const first = batches(set, settings);
    await take(first, before);
    const state = JSON.parse(JSON.stringify(first.state));
    const expected = await take(first, 6);
    const second = batches(set, { ...settings, seed: settings.seed + 1 });
    await take(second, other);
    second.state = state;
    assert.deepEqual(await take(second, 6), expected);
  });
  await fc.assert(property, { numRuns: 25 });
});

test('half of the images are mirrored, none of a class that must not be', async () => {
  using _ = tensorScope();
  const source = batches(numbered(6), { batchSize: 300, seed: 3, flip: (label) => label !== 2 });
  const { bytes, labels } = await read(source.next());
  const mirrored = labels.map((label, i) => ({ label, is: bytes[48 * i] % 10 === 3 }));
  const share = (label: number) => {
    const of = mirrored.filter((image) => image.label === label);
    return of.filter(({ is }) => is).length / of.length;
  };
  assert.equal(share(2), 0);
  for (const label of [0, 1]) assert.ok(Math.abs(share(label) - 0.5) < 0.2, `${share(label)}`);
  const whole = bytes.slice(0, 4).map((v) => v % 10);
  assert.deepEqual(whole, mirrored[0].is ? [3, 2, 1, 0] : [0, 1, 2, 3]);
});

test('crops reach every place', async () => {
  using _ = tensorScope();
  const { shape, bytes } = await read(batches(numbered(2), { batchSize: 60, seed: 5, crop: 2 }).next());
  assert.deepEqual(shape, [60, 3, 2, 2]);
  const columns = new Set(bytes.filter((_, p) => p % 12 === 0).map((v) => v % 10));
  assert.deepEqual([...columns].sort(), [0, 1, 2]);
});

test('class balance evens out classes of unequal size', async () => {
  using _ = tensorScope();
  const skewed = numbered(20, 4, (i) => (i < 18 ? 0 : i === 18 ? 2 : 5)); // 18 : 1 : 1, and classes without images
  const counted = async (classBalance: number) => {
    const { labels } = await read(batches(skewed, { batchSize: 900, seed: 2, classBalance }).next());
    return labels.filter((label) => label === 0).length / 900;
  };
  assert.equal(await counted(0), 0.9);
  assert.ok(Math.abs((await counted(1)) - 1 / 3) < 0.06);
});

test('inOrder gives every image once, the rest as a smaller batch', async () => {
  using _ = tensorScope();
  const taken = [];
  for (const batch of inOrder(numbered(5), 2)) taken.push(await read(batch));
  assert.deepEqual(taken.map(indices), [[0, 1], [2, 3], [4]]);
  assert.equal([...inOrder(numbered(5), 2, 3)].length, 2);
});

test('sets of planes of another size or impossible labels, and images that a set does not have, are refused', () => {
  const set = numbered(3);
  const item = { planes: new Uint8Array(48), label: 0, name: 'a.png' };
  const short = { ...item, planes: new Uint8Array(47) };
  assert.throws(() => imageSet([item, short], 4), { name: 'DataError', message: /48 bytes for a\.png, got 47/ });
  for (const label of [-1, 0.5, Number.NaN])
    assert.throws(() => imageSet([{ ...item, label }], 4), { name: 'DataError', message: /label of a\.png, got/ });
  for (const index of [-1, 3, 0.5, Number.NaN]) {
    const message = new RegExp(`expected indices of the set's 3 images, got ${index}`);
    const views = [{ index, mirrored: false }];
    assert.throws(() => batchOf(set, views), { name: 'DataError', message });
    assert.throws(() => [...pixelBatches(set, [0, index], 1)], { name: 'DataError', message });
    assert.throws(() => [...viewBatches(set, views, 1)], { name: 'DataError', message });
  }
  const unknown = { batchSize: 1, seed: 0, flips: true };
  assert.throws(() => batches(set, unknown), { name: 'OptionError', message: /got 'flips' \(did you mean 'flip'\?\)/ });
});

test('a label that is no class is not counted', () => {
  assert.deepEqual(classCounts(numbered(4), 3), [2, 1, 1]);
  assert.throws(() => classCounts(numbered(4), 2), { name: 'DataError', message: /labels in 0\.\.1, got 2/ });
});

test('impossible batches are refused', () => {
  const set = numbered(3);
  const error = (message: RegExp) => ({ name: 'DataError', message });
  assert.throws(() => batches(numbered(0), { batchSize: 1, seed: 0 }), error(/a set with images, got an empty one/));
  assert.throws(() => batches(set, { batchSize: 1, seed: 0, crop: 5 }), error(/crop of 1 to 4 pixels .*got 5/));
  const other = batches(numbered(4), { batchSize: 1, seed: 0 }).state;
  assert.throws(
    () => {
      batches(set, { batchSize: 1, seed: 0 }).state = other;
    },
    error(/set of 3 images, got one of 4/),
  );
});
