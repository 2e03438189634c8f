/** Tables beside pictures: CSV, TSV and JSONL, with classes and splits. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import sharp from 'sharp';
import { loadImageFolder } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const all = { heldOutFraction: 0 };
const png = (red: number) =>
  sharp({ create: { width: 6, height: 4, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toBuffer();

/** Of each picture: its class, and its red. */
const pairs = ({ train, classes }: Awaited<ReturnType<typeof loadImageFolder>>) =>
  Array.from({ length: train.count }, (_, i) => [classes[train.labels[i]], train.images[i * 3 * train.size ** 2]]);

async function folderOf(
  t: TestContext,
  files: Readonly<Record<string, string | Promise<Uint8Array>>>,
): Promise<string> {
  const folder = join(temporaryFolder(t), 'pets');
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await content);
  }
  return folder;
}
const three = { 'images/1.png': png(10), 'images/2.png': png(20), 'images/3.png': png(30) };

test('a CSV, TSV or JSONL file beside pictures names their classes and splits', async (t) => {
  const expected = [['cat', 10], ['black, dog', 20]]; // biome-ignore format: pairs
  for (const [name, text] of [
    [
      'labels.csv',
      '\ufefffile_name,label,split\r\nimages/1.png,cat,train\r\nimages/2.png,"black, dog",train\r\nimages/3.png,cat,val\r\n',
    ],
    ['a.tsv', 'Path\tclass\tsplit\n./images/1.png\tcat\t\nimages/2.png\tblack, dog\t\nimages/3.png\tcat\ttest\n'],
    [
      'metadata.jsonl',
      '{"file_name": "images/1.png", "label": "cat"}\n\n{"file_name": "images/2.png", "label": "black, dog"}\n{"split": "validation", "file_name": "images/3.png", "label": "cat"}',
    ],
  ]) {
    const folder = await folderOf(t, { ...three, [name]: text });
    for (const path of [folder, join(folder, name)]) {
      const dataset = await loadImageFolder(path, 4);
      assert.deepEqual(pairs(dataset), expected, name);
      assert.deepEqual([dataset.validation.names, dataset.leftOut], [['images/3.png'], []]);
    }
  }
});

test('class folders count more than a table beside them; without classes there is one', async (t) => {
  const folder = await folderOf(t, {
    'cat/1.png': png(10),
    'dog/2.png': png(20),
    'labels.csv': 'file,label\ncat/1.png,x\n',
  });
  assert.deepEqual((await loadImageFolder(folder, 4, all)).classes, ['cat', 'dog']);
  assert.deepEqual(pairs(await loadImageFolder(join(folder, 'labels.csv'), 4, all)), [['x', 10]]);
  const plain = await folderOf(t, { ...three, 'train.csv': 'file\nimages/1.png\n', 'val.csv': 'file\nimages/2.png\n' });
  const { classes, train, validation } = await loadImageFolder(plain, 4);
  assert.deepEqual([classes, train.names, validation.names], [['pets'], ['images/1.png'], ['images/2.png']]);
});

test('rows that are there twice count once, and true and false are classes', async (t) => {
  const row = (file: string, label: boolean) => `${JSON.stringify({ file, label })}\n`;
  const text = row('images/1.png', true) + row('./images/1.png', true) + row('images/2.png', false);
  const folder = await folderOf(t, { ...three, 'a.jsonl': text });
  const dataset = await loadImageFolder(join(folder, 'a.jsonl'), 4, all);
  assert.deepEqual(pairs(dataset), [['true', 10], ['false', 20]]); // biome-ignore format: pairs
  assert.deepEqual(dataset.leftOut, [{ reason: 'listed twice', count: 1, examples: ['images/1.png'] }]);
});

test('tables in UTF-16 with a byte order mark are read', async (t) => {
  const [csv, jsonl] = ['\ufefffile,label\nimages/1.png,Käse\n', '\ufeff{"file": "images/1.png", "label": "Käse"}\n'];
  const files = {
    'a.csv': Buffer.from(csv, 'utf16le'),
    'b.csv': Buffer.from(csv, 'utf16le').swap16(),
    'c.jsonl': Buffer.from(jsonl, 'utf16le'),
  };
  for (const [name, bytes] of Object.entries(files)) {
    const folder = await folderOf(t, { ...three, [name]: Promise.resolve(bytes) });
    assert.deepEqual(pairs(await loadImageFolder(folder, 4, all)), [['Käse', 10]], name);
  }
});

test('what is wrong in a table is told with its line', async (t) => {
  const fails = async (name: string, text: string | Buffer, message: RegExp) => {
    const folder = await folderOf(t, { ...three, [name]: text });
    await assert.rejects(loadImageFolder(join(folder, name), 4, all), { name: 'DataError', message });
  };
  await fails('a.csv', 'file,label\nimages/1.png,a\n,b\n', /a\.csv:3: expected a picture in file, file_name/);
  await fails('a.csv', 'file,label\nimages/1.png,a\nimages/2.png,\n', /a\.csv:3: expected a class in label, class/);
  await fails('a.csv', 'file,label\n"images/1.png,a\n', /a\.csv: expected a table of CSV, got/);
  await fails('a.csv', 'file,label\nimages/4.png,a\n', /1 of 1 pictures cannot be read: images\/4\.png \(ENOENT/);
  await fails('a.jsonl', '{"file": "images/1.png"}\n{"file": \n', /a\.jsonl:2: expected an object of JSON/);
  await fails('a.csv', 'file,label\n', /expected pictures, got none/);
  await fails(
    'a.csv',
    'file,label,split\nimages/1.png,a,train\nimages/2.png,a,holdout\n',
    /a\.csv:3: expected a split train, val or test, got 'holdout'/,
  );
  await fails(
    'a.csv',
    'file,label\nimages/1.png,a\nimages/1.png,b\n',
    /a\.csv:3: expected each picture in one class and one split, got images\/1\.png as b in train, and as a in train in .*a\.csv:2/,
  );
  await fails('a.csv', 'file,split\nimages/1.png,train\nimages/1.png,val\n', /as no class in validation/);
  await fails(
    'a.csv',
    'file,label,Label\nimages/1.png,a,b\n',
    /a\.csv: expected a table of CSV, got the column 'label' twice/,
  );
  await fails(
    'a.csv',
    Buffer.from('file,label\nimages/1.png,caf\xe9\n', 'latin1'),
    /a\.csv: expected a table in UTF-8/,
  );
  await fails('a.jsonl', '{"file": "images/1.png", "label": ["a"]}\n', /a\.jsonl:1: .* as 'label', got \["a"\]/);
});
