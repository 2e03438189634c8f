/** Which part of a dataset data files belong to, by their names and folders, and labels as others write them. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { loadImageFolder, openImageFolder } from '../../data/index.ts';
import { hubParquet } from './parquet-writer.ts';
import { temporaryFolder } from './temporary.ts';

const png = (red: number) =>
  sharp({ create: { width: 4, height: 4, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toBuffer();

async function tar(names: readonly string[], others: Readonly<Record<string, string>> = {}): Promise<Buffer> {
  const archive = pack();
  for (const [i, name] of names.entries()) archive.entry({ name }, await png(i));
  for (const [name, text] of Object.entries(others)) archive.entry({ name }, text);
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** Writes files below a folder. */
function write(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** How many pictures are trained on and held out, and the classes. */
async function counts(path: string) {
  const { train, validation, classes } = await loadImageFolder(path, 4);
  return [train.count, validation.count, ...classes];
}

const numbered = (count: number, folder = '') => Array.from({ length: count }, (_, i) => `${folder}${i}.png`);

test('folders of shards and of Parquet files are splits by their names', async (t) => {
  const [shards, parquet] = [temporaryFolder(t), temporaryFolder(t)];
  write(shards, { 'train/0.tar': await tar(numbered(5)), 'val/0.tar': await tar(numbered(2)) });
  assert.deepEqual((await counts(shards)).slice(0, 2), [5, 2]);

  const pictures = await Promise.all([1, 2, 3].map(png));
  const file = (count: number) => hubParquet(pictures.slice(0, count), [0, 1, 0].slice(0, count), ['cat', 'dog']);
  write(parquet, { 'default/train/0000.parquet': file(3), 'default/test/0000.parquet': file(2) });
  assert.deepEqual(await counts(parquet), [3, 2, 'cat', 'dog']);
});

test('in an archive, folders of splits are no classes', async (t) => {
  const folder = temporaryFolder(t);
  const names = ['train/cat/', 'train/dog/', 'val/cat/'].flatMap((name) => numbered(2, `data/${name}`));
  write(folder, { 'pets.tar': await tar(names) });
  assert.deepEqual(await counts(join(folder, 'pets.tar')), [4, 2, 'cat', 'dog']);
  write(folder, { 'other.tar': await tar([...names, 'data/cat/9.png']) }); // train and val may be classes here
  assert.equal((await loadImageFolder(join(folder, 'other.tar'), 4, { heldOutFraction: 0 })).train.count, 7);
});

test("the hub's folders of pictures: a table in each split", async (t) => {
  const folder = temporaryFolder(t);
  const table = (names: readonly string[]) => `file_name,label\n${names.map((name, i) => `${name},${i % 2 ? 'dog' : 'cat'}\n`).join('')}`; // biome-ignore format: one thought
  for (const [split, count] of [
    ['train', 4],
    ['test', 2],
  ] as const) {
    // biome-ignore format: pairs
    write(folder, { [`${split}/metadata.csv`]: table(numbered(count)) });
    for (const name of numbered(count)) write(folder, { [`${split}/${name}`]: await png(count) });
  }
  assert.deepEqual(await counts(folder), [4, 2, 'cat', 'dog']);
});

test('a column of splits may say Training and Testing', async (t) => {
  const folder = temporaryFolder(t);
  for (const name of numbered(5)) write(folder, { [name]: await png(9) });
  const rows = numbered(5).map((name, i) => `${name},a,${i < 3 ? 'Training' : 'Testing'}\n`);
  write(folder, { 'list.csv': `file,label,split\n${rows.join('')}` });
  assert.deepEqual((await counts(folder)).slice(0, 2), [3, 2]);
});

test('shards with captions and JSON about other things, as img2dataset writes them, have no classes', async (t) => {
  const path = join(temporaryFolder(t), '00000.tar');
  const about = Object.fromEntries(
    numbered(4).flatMap((name, i) => [
      [name.replace('png', 'json'), JSON.stringify({ caption: `picture ${i}`, url: 'x', width: 4 })],
      [name.replace('png', 'txt'), `picture ${i}`],
    ]),
  );
  writeFileSync(path, await tar(numbered(4), about));
  const { train, classes, notes = [] } = await loadImageFolder(path, 4, { heldOutFraction: 0 });
  assert.deepEqual([train.count, classes.length], [4, 1]);
  assert.match(notes.join('\n'), /\.txt files hold a text for each picture, which is no class/);
  assert.match(notes.join('\n'), /\.json files name no class \(label, class, cls, class_name, class_id\)/);
  writeFileSync(path, await tar(numbered(4), { ...about, '0.json': '{"label": "cat"}' }));
  await assert.rejects(loadImageFolder(path, 4), /1\.png: expected a label \(\.cls, \.json or \.txt\), as others have/);
});

test('a table that names classes in some rows only is refused, whichever come first', async (t) => {
  const folder = temporaryFolder(t);
  for (const name of numbered(3)) write(folder, { [name]: await png(9) });
  write(folder, { 'list.csv': 'file,label\n0.png,\n1.png,cat\n2.png,dog\n' });
  await assert.rejects(loadImageFolder(folder, 4), /list\.csv:2: expected a class in label, .*, as in other rows, got none/); // biome-ignore format: one thought
});

test('a stream without some files of its table: an error that lists them, or others take their place', async (t) => {
  const folder = temporaryFolder(t);
  for (const name of numbered(6)) write(folder, { [name]: await png(9) });
  const rows = [...numbered(6), 'gone.png', 'lost.png'].map((name) => `${name},a\n`);
  write(folder, { 'list.csv': `file,label\n${rows.join('')}` });
  const options = { stream: true, heldOutFraction: 0 };
  await assert.rejects(openImageFolder(folder, 4, options), /gone\.png[\s\S]*lost\.png[\s\S]*--skip-broken/);
  const { train } = await openImageFolder(folder, 4, { ...options, skipBroken: true });
  assert.ok('reader' in train);
  const reader = train.reader();
  reader.request([...Array(8).keys()]);
  assert.ok((await reader.take()).some((value) => value === 9));
});
