/** Tar shards: keys and labels, GNU tar's own files, several shards by one name, and archives that are refused. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import sharp from 'sharp';
import { type Pack, pack } from 'tar-stream';
import { loadImageFolder } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const all = { heldOutFraction: 0 };
const png = (red: number) =>
  sharp({ create: { width: 6, height: 4, channels: 3, background: { r: red, g: 0, b: 0 } } })
    .png()
    .toBuffer();

async function tar(entries: Readonly<Record<string, string | Uint8Array>>): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(entries)) archive.entry({ name }, content);
  return bytesOf(archive);
}

async function bytesOf(archive: Pack): Promise<Buffer> {
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** Of each picture: its class, and its red. */
const pairs = ({ train, classes }: Awaited<ReturnType<typeof loadImageFolder>>) =>
  Array.from({ length: train.count }, (_, i) => [classes[train.labels[i]], train.images[i * 3 * train.size ** 2]]);

test('samples are the files of a key; .cls, .json and .txt name the class', async (t) => {
  const folder = temporaryFolder(t);
  const at = (name: string) => join(folder, name);
  const [a, b, c] = [await png(10), await png(20), await png(30)];
  writeFileSync(
    at('cls.tar'),
    await tar({ '0.png': a, '0.cls': '10\n', '1.cls': '2', '1.png': b, '2.x.png': c, '2.cls': '10' }),
  );
  const cls = await loadImageFolder(at('cls.tar'), 4, all);
  assert.deepEqual([cls.classes, pairs(cls)], [['2', '10'], [['10', 10], ['2', 20], ['10', 30]]]); // biome-ignore format: pairs
  assert.equal(cls.train.names[2], 'cls.tar/2.x.png');
  writeFileSync(
    at('json.tar'),
    await tar({ '0.png': a, '0.json': '{"label": "cat", "size": 3}', '0.txt': 'a cat', '1.png': b, '1.json': '7' }),
  );
  assert.deepEqual(pairs(await loadImageFolder(at('json.tar'), 4, all)), [['cat', 10], ['7', 20]]); // biome-ignore format: pairs
  writeFileSync(at('bool.tar'), await tar({ '0.png': a, '0.json': '{"label": true}', '1.png': b, '1.json': 'false' }));
  assert.deepEqual(pairs(await loadImageFolder(at('bool.tar'), 4, all)), [['true', 10], ['false', 20]]); // biome-ignore format: pairs
  writeFileSync(at('txt.tar'), await tar({ '0.png': a, '0.txt': 'cat', '1.png': b, '1.txt': 'cat', '1.npy': 'x' }));
  const txt = await loadImageFolder(at('txt.tar'), 4, all);
  assert.deepEqual([pairs(txt), txt.leftOut![0].reason], [[['cat', 10], ['cat', 20]], '.npy files']); // biome-ignore format: pairs
  writeFileSync(at('captions.tar'), await tar({ '0.png': a, '0.txt': 'a red cat', '1.png': b, '1.txt': 'one dog' }));
  const captions = await loadImageFolder(at('captions.tar'), 4, all);
  assert.deepEqual(captions.classes, ['captions.tar']);
  assert.match(captions.notes![0], /which is no class/);
});

test('shards by one name; a shard of validation is held out', async (t) => {
  const folder = temporaryFolder(t);
  for (let i = 0; i < 3; i++) {
    const shard = await tar({ [`${i}.png`]: await png(10 * i), [`${i}.cls`]: String(i % 2) });
    writeFileSync(join(folder, `pets-train-00${i}.tar`), shard);
  }
  const some = await loadImageFolder(join(folder, 'pets-train-{001..002}.tar'), 4, all);
  assert.deepEqual(pairs(some), [['1', 10], ['0', 20]]); // biome-ignore format: pairs
  await assert.rejects(
    loadImageFolder(join(folder, 'pets-train-{001..004}.tar'), 4),
    /expected 4 files, got none at .*pets-train-003\.tar and 1 more/,
  );
  await assert.rejects(loadImageFolder(join(folder, 'x-{5..1}.tar'), 4), /expected a range of 1 to 100000 files/);
  writeFileSync(join(folder, 'pets-val-000.tar'), await tar({ '9.png': await png(90), '9.cls': '1' }));
  const { train, validation } = await loadImageFolder(folder, 4);
  assert.deepEqual([train.count, [...validation.labels], validation.images[0]], [3, [1], 90]);
});

const { status } = spawnSync('tar', ['--version']);
test("GNU tar's archives: class folders, long names, links", {
  skip: status !== 0 && 'tar is not installed',
}, async (t) => {
  const folder = temporaryFolder(t);
  const long = `dog/${'x'.repeat(120)}.png`;
  for (const [name, red] of [
    ['cat/1.png', 10],
    ['cat/2.png', 20],
    [long, 30],
  ] as const) {
    // biome-ignore format: rows
    const path = join(folder, 'in', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, await png(red));
  }
  for (const format of ['gnu', 'pax', 'ustar']) {
    const path = join(folder, `${format}.tar`);
    const names = format === 'ustar' ? ['./cat'] : ['./cat', './dog']; // ustar has no room for the long name
    execFileSync('tar', ['--sort=name', `--format=${format}`, '-C', join(folder, 'in'), '-cf', path, ...names]);
    const found = pairs(await loadImageFolder(path, 4, all));
    assert.deepEqual(found, [['cat', 10], ['cat', 20], ['dog', 30]].slice(0, names.length + 1), format); // biome-ignore format: rows
  }
});

test('names that lead out, cut archives and broken pictures are refused by name', async (t) => {
  const folder = temporaryFolder(t);
  const fails = async (content: Uint8Array, message: RegExp) => {
    writeFileSync(join(folder, 'x.tar'), content);
    await assert.rejects(loadImageFolder(join(folder, 'x.tar'), 4, all), { name: 'DataError', message });
  };
  await fails(
    await tar({ '../../evil.png': 'x' }),
    /x\.tar: expected names inside of the archive, got '\.\.\/\.\.\/evil\.png'/,
  );
  for (const name of ['/etc/evil.png', 'a/../../evil.png', 'C:\\evil.png', '..\\evil.png', './../evil.png'])
    await fails(await tar({ [name]: 'x' }), /expected names inside of the archive/);
  const link = pack();
  link.entry({ name: '1.png', type: 'symlink', linkname: '../../../etc/passwd' });
  link.entry({ name: '2.png', type: 'link', linkname: '/etc/passwd' });
  await fails(await bytesOf(link), /expected pictures, got none/); // nobody follows them
  const whole = await tar({ '1.png': await png(1), '1.cls': '1', '2.png': 'no picture', '2.cls': '1' });
  await fails(whole.subarray(0, 700), /expected a whole tar archive, got a damaged one/);
  const blocks = (content: string | Uint8Array) => 512 * (1 + Math.ceil(content.length / 512));
  const behindFirst = blocks(await png(1)) + blocks('1');
  await fails(
    whole.subarray(0, behindFirst),
    /expected a whole tar archive, got one without its end.* Is it complete\?/,
  );
  await fails(
    await tar({ '1.png': 'x', '1.cls': '1', '2.png': 'x', '2.cls': '\n' }),
    /x\.tar\/2\.png: expected a label/,
  );
  const latin = Buffer.from('caf\xe9', 'latin1');
  await fails(await tar({ '1.png': 'x', '1.cls': latin }), /x\.tar, 1\.cls: expected a label in UTF-8/);
  await fails(whole, /1 of 2 pictures cannot be read: x\.tar\/2\.png \(a text file\)/);
  await fails(await tar({ '1.png': 'x', '1.json': '{' }), /x\.tar, 1\.json: expected JSON/);
  await fails(await tar({ '1.png': 'x', '1.cls': '1', '2.png': 'x' }), /x\.tar\/2\.png: expected a label/);
  await fails(await tar({ '1.cls': '1' }), /expected pictures, got none/);
  writeFileSync(join(folder, 'x.tar'), whole);
  const { train, leftOut } = await loadImageFolder(join(folder, 'x.tar'), 4, { ...all, skipBroken: true });
  assert.deepEqual([train.count, leftOut![0].examples], [1, ['x.tar/2.png: a text file']]);
});

test('damaged archives give errors of ours', async (t) => {
  const path = join(temporaryFolder(t), 'x.tar');
  const whole = await tar({ '1.png': await png(1), '1.cls': '1', 'a/2.png': await png(2), 'a/2.json': '{"label": 3}' });
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
          assert.equal((error as Error).name, 'DataError', String(error));
        }
      },
    ),
    { seed: 4, numRuns: 300 },
  );
});
