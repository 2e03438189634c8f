/** A teacher's codes that come with the batches are those that it finds for their images. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noGrad, Rng } from '../../core/index.ts';
import { batches, imageSet } from '../../data/index.ts';
import { leanTeacher, Teacher } from '../../titok/index.ts';
import { codedBatches } from '../../train/coded-batches.ts';

const size = 16;
const classes = ['Cats', 'Symbols'];
const rng = new Rng(1);
const items = Array.from({ length: 21 }, (_, i) => ({
  planes: Uint8Array.from(rng.uniforms(3 * size * size), (x) => 256 * x),
  label: i % 3 === 0 ? 1 : 0,
  name: `${i}`,
}));
const train = imageSet(items, size);
const validation = imageSet(items.slice(0, 2), size);
const dataset = { name: 'noise', train, validation, classes, size, mirrored: ['Cats'] };
const teacher = new Teacher({ ...leanTeacher, codebookSize: 32 }, rng);
const loader = () => batches(train, { batchSize: 5, seed: 3, flip: (label) => label === 0 });

test('codes of every view, mirrored or not, and the same position afterwards', async () => {
  const [coded, plain] = [codedBatches(loader(), dataset, teacher), loader()];
  await coded.prepare(1000);
  const seen = new Set<string>();
  for (let step = 0; step < 40; step++) {
    const { images, codes } = coded.next();
    const expected = plain.next();
    for (const { index, mirrored } of expected.views) seen.add(`${index} ${mirrored}`);
    assert.deepEqual(await images.data(), await expected.images.data());
    assert.deepEqual(await codes!.data(), await noGrad(() => teacher.encode(images).indices).data());
    assert.equal(codes!.dtype, 'int32');
  }
  assert.equal(seen.size, 7 + 2 * 14);
  assert.deepEqual(coded.state, plain.state);
  coded.state = loader().state;
  assert.deepEqual(await coded.next().images.data(), await loader().next().images.data());
});

test('images that are drawn fewer than twice are left to the training', async () => {
  const coded = codedBatches(loader(), dataset, teacher);
  await coded.prepare(69);
  assert.equal(coded.next().codes, undefined);
  await coded.prepare(70);
  assert.notEqual(coded.next().codes, undefined);
});
