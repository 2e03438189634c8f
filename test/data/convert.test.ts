/** Pictures of any format as shards: the same images, classes and split. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { Rng } from '../../core/index.ts';
import { convertImages, loadImageFolder, writePng, writeShards } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const noise = (seed: number, width = 8, height = 8) => ({
  width,
  height,
  data: Uint8Array.from(new Rng(seed).uniforms(width * height * 3, 0, 256)),
});
test('pixels become PNG, files stay as they are, drawings are drawn, and broken ones are told', async (t) => {
  const folder = temporaryFolder(t);
  const [pets, to] = [join(folder, 'pets'), join(folder, 'shards')];
  await writePng(join(pets, 'cat/1.png'), noise(1));
  const jpeg = await sharp(noise(2, 20, 10).data, { raw: { width: 20, height: 10, channels: 3 } })
    .jpeg()
    .toBuffer();
  mkdirSync(join(pets, 'dog'));
  writeFileSync(join(pets, 'dog/2.png'), jpeg); // by its content, not its name
  writeFileSync(join(pets, 'dog/3.svg'), '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="4"/></svg>'); // biome-ignore format: one line of a file
  const { train } = await convertImages(pets, to);
  assert.deepEqual(train, { names: 'train-{000000..000000}.tar', pictures: 3 });
  const shard = readFileSync(join(to, 'train-000000.tar'));
  for (const name of ['000000.png', '000001.jpeg', '000002.png', '000002.cls']) assert.ok(shard.includes(name), name);
  assert.ok(shard.includes(jpeg));
  const [own, again] = [await loadImageFolder(pets, 8, { heldOutFraction: 0 }), await loadImageFolder(to, 8, { heldOutFraction: 0 })]; // biome-ignore format: one thought
  assert.deepEqual([again.classes, again.train.images], [own.classes, own.train.images]);

  await assert.rejects(convertImages(pets, to), /expected a new or an empty folder for shards, got one that holds/);
  writeFileSync(join(pets, 'dog/4.png'), '<html>');
  await assert.rejects(
    convertImages(pets, join(folder, 'b')),
    /dog\/4\.png cannot be read: an HTML page\. .*--skip-broken/,
  );
  assert.deepEqual(readdirSync(join(folder, 'b')), [], 'nothing that looks like a dataset');
  writeFileSync(join(folder, 'b/train-000000.tar.part'), 'killed here');
  await assert.rejects(
    convertImages(pets, join(folder, 'b')),
    /got one with train-000000\.tar\.part, which was not finished\. Delete it all\.$/,
  );
  rmSync(join(folder, 'b/train-000000.tar.part'));
  const skipped = await convertImages(pets, join(folder, 'b'), { skipBroken: true });
  assert.deepEqual(readdirSync(join(folder, 'b')), ['train-000000.tar']);
  assert.deepEqual([skipped.train.pictures, skipped.leftOut[0].count], [3, 1]);
});

test('no pictures are no shards: an error, not the name of a file that is not there', async (t) => {
  const folder = temporaryFolder(t);
  const none = (async function* () {})();
  await assert.rejects(writeShards(none, folder, 'val'), { message: /expected pictures for the shards val, got none/ });
  assert.deepEqual(readdirSync(folder), []);
});
