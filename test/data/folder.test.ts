import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { decodeSquares, describeLeftOut, loadImageFolder } from '../../data/index.ts';
import { decodeEach } from '../../data/squares.ts';
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

test('a split in folders is kept, by whatever name; else a tenth is held out', async (t) => {
  const counts = async (files: string[]) => {
    const { classes, train, validation, notes, leftOut } = await loadImageFolder(await pets(t, files), 8);
    return { classes, train: train.names, validation: validation.names, notes, leftOut };
  };
  const train = ['cat/1.png', 'dog/1.png', 'dog/2.png'];
  for (const [first, second] of [
    ['train', 'val'],
    ['training', 'validation'],
    ['train', 'valid'],
    ['Train', 'dev'],
  ]) {
    assert.deepEqual(await counts([...train.map((name) => `${first}/${name}`), `${second}/dog/3.png`]), {
      classes: ['cat', 'dog'],
      train: train.map((name) => `${first}/${name}`),
      validation: [`${second}/dog/3.png`],
      notes: [],
      leftOut: [],
    });
  }
  const below = train.map((name) => `train/${name}`);
  const withTest = await counts([...below, 'test/cat/3.png']);
  assert.deepEqual(withTest.validation, ['test/cat/3.png']);
  assert.deepEqual(withTest.notes, ['no validation folder: test/ is held out']);
  const both = await counts([...below, 'test/cat/3.png', 'val/dog/3.png']);
  assert.deepEqual(both.validation, ['val/dog/3.png']);
  assert.deepEqual(both.leftOut, [{ reason: 'in test/ beside val/', count: 1, examples: ['test/…'] }]);
  const unlabeled = await counts([...below, 'train/cat/2.png', 'test/cat3.png', 'test/cat4.png']);
  assert.deepEqual([unlabeled.train.length, unlabeled.validation.length], [2, 2]);
  assert.deepEqual(unlabeled.notes, ['no validation folder: some of train/ is held out']);
  assert.deepEqual(unlabeled.leftOut, [
    { reason: 'in test/, which has no class folders', count: 2, examples: ['test/…'] },
  ]);
  const all = await loadImageFolder(join(await pets(t, below), 'train'), 8, { heldOutFraction: 1 });
  assert.deepEqual([all.train.count, all.validation.count], [0, 3]);
  const fraction = await loadImageFolder(await pets(t, [...below, 'val/dog/3.png']), 8, { heldOutFraction: 0.5 });
  assert.deepEqual(fraction.notes, ['val/ is held out; the fraction of 0.5 is not used']);
});

test('classes may be named train, or as a member of every object; sub-folders belong to their class', async (t) => {
  const classesOf = async (files: string[]) => {
    const { classes, train, notes } = await loadImageFolder(await pets(t, files), 8, { heldOutFraction: 0 });
    return { classes, names: train.names, labels: [...train.labels], notes };
  };
  const vehicles = ['cat-car/1.png', 'cat-plane/1.png', 'train/cat1.png', 'train/cat2.png'];
  assert.deepEqual(await classesOf(vehicles), {
    classes: ['cat-car', 'cat-plane', 'train'],
    names: vehicles,
    labels: [0, 1, 2, 2],
    notes: [],
  });
  const nested = ['cat/images/1.png', 'cat/images/old/2.png', 'dog/1.png', 'dog/more/2.png'];
  assert.deepEqual(await classesOf(nested), {
    classes: ['cat', 'dog'],
    names: nested,
    labels: [0, 0, 1, 1],
    notes: [],
  });
  const members = ['__proto__/cat.png', 'constructor/cat.png', 'toString/cat.png'];
  assert.deepEqual((await classesOf(members)).classes, ['__proto__', 'constructor', 'toString']);
  const odd = ['<b>&"x/cat фото 1 #%?.png', 'кошка/cat.png'];
  assert.deepEqual((await classesOf(odd)).names, odd);
  const flat = await classesOf(['cat1.png', 'cat2.png']);
  assert.deepEqual([flat.classes, flat.labels], [['pets'], [0, 0]]);
  assert.deepEqual(flat.notes, ["no class folders: all images are of one class, 'pets'"]);
  const wrapped = await classesOf(['all/cat/1.png', 'all/dog/1.png']);
  assert.deepEqual(wrapped.classes, ['all']);
  assert.match(wrapped.notes![0], /^cat, dog belong to the one class 'all'; for classes of their own, name .*all$/);
});

test('names are paths below the folder, however it is written', async (t) => {
  const folder = await pets(t, ['cat/1.png', 'dog/1.png', 'dog/2.png']);
  for (const path of [folder, `${folder}/`, join(folder, '.'), `${folder}/cat/..`, relative(process.cwd(), folder)]) {
    const { name, train } = await loadImageFolder(path, 8, { heldOutFraction: 0 });
    assert.deepEqual([name, ...train.names], ['pets', 'cat/1.png', 'dog/1.png', 'dog/2.png'], path);
  }
});

test('every type that sharp reads is read; what is left out is counted, with reasons', async (t) => {
  const types = ['png', 'jpg', 'jpeg', 'jfif', 'webp', 'gif', 'tif', 'tiff', 'avif'];
  const folder = await pets(t, ['cat/1.png', 'dog/1.png']);
  const jpeg = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
    .jpeg()
    .toBuffer();
  const put = (path: string, content: Uint8Array | string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  for (const type of types) {
    const format = type === 'jfif' ? 'jpg' : type === 'tif' ? 'tiff' : type;
    put(
      `cat/type.${type}`,
      await sharp(jpeg)
        .toFormat(format as 'png')
        .toBuffer(),
    );
  }
  put('dog/lies.png', jpeg);
  put('dog/no ending', jpeg);
  put('dog/old.bmp', Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]));
  put('dog/phone.heic', Buffer.from('\0\0\0\x10ftypheic\0\0\0\0', 'latin1'));
  put('dog/phone.png', Buffer.from('\0\0\0\x10ftypheic\0\0\0\0', 'latin1'));
  put('dog/notes.txt', 'text');
  put('dog/.hidden.png', jpeg);
  put('.trash/1.png', jpeg);
  put('.git/config', 'text');
  put('loose.png', jpeg);
  for (const name of ['.DS_Store', 'dog/Thumbs.db', 'dog/._1.png', '__MACOSX/dog/._1.png']) put(name, 'system');
  symlinkSync('/nowhere/gone.png', join(folder, 'dog', 'gone.png'));
  symlinkSync('/nowhere/bird', join(folder, 'bird'));
  symlinkSync(folder, join(folder, 'dog', 'again'));
  symlinkSync(join(folder, 'cat', '1.png'), join(folder, 'dog', 'linked.png'));
  const { classes, train, validation, leftOut, notes } = await loadImageFolder(folder, 8);
  assert.deepEqual(classes, ['cat', 'dog']);
  assert.deepEqual([train.count, validation.count], [1 + types.length + 4 - 2, 2]);
  assert.deepEqual(
    leftOut!.map(({ reason, count, examples }) => [reason, count, examples]),
    [
      ['hidden', 2, ['.trash', 'dog/.hidden.png']],
      ['links to nothing', 2, ['bird', 'dog/gone.png']],
      ['links in a circle', 1, ['dog/again']],
      ['not pictures', 1, ['dog/notes.txt']],
      ['beside the class folders', 1, ['loose.png']],
      ['BMP pictures, which cannot be decoded: save them as PNG or JPEG', 1, ['dog/old.bmp']],
      ['HEIC pictures, which cannot be decoded: save them as PNG or JPEG', 2, ['dog/phone.heic', 'dog/phone.png']],
    ],
  );
  assert.deepEqual(notes, ['ignored – system files: 4 (.DS_Store, __MACOSX, dog/._1.png, …)']);
  assert.match(
    describeLeftOut(leftOut)!,
    /^left out – hidden: 2 \(\.trash, dog\/\.hidden\.png\); links to nothing: 2 \(.*\); .*BMP.*: 1 \(dog\/old\.bmp\); HEIC .*\)$/,
  );
});

test('all pictures that cannot be read are told at once, or skipped', async (t) => {
  const folder = await pets(t, ['cat/1.png', 'cat/2.png', 'dog/1.png', 'dog/2.png']);
  writeFileSync(join(folder, 'cat', 'page.png'), '<!doctype html><html>404');
  writeFileSync(join(folder, 'cat', 'empty.jpg'), '');
  writeFileSync(join(folder, 'dog', 'cut.png'), readFileSync(join(folder, 'dog', '1.png')).subarray(0, 60));
  const list =
    /3 of 7 pictures cannot be read: cat\/empty\.jpg \(an empty file\), cat\/page\.png \(an HTML page\), dog\/cut\.png \(a PNG picture, damaged: .*\)\./;
  await assert.rejects(loadImageFolder(folder, 8), {
    name: 'DataError',
    message: new RegExp(`pets: ${list.source} Remove them .* --skip-broken \\(skipBroken: true\\)\\.$`),
  });
  const { train, validation, leftOut } = await loadImageFolder(folder, 8, { skipBroken: true });
  assert.deepEqual([train.count, validation.count], [2, 2]);
  assert.equal(leftOut?.length, 1);
  assert.deepEqual([leftOut![0].reason, leftOut![0].count], ['cannot be read', 3]);
  assert.equal(leftOut![0].examples[1], 'cat/page.png: an HTML page');
  for (let i = 0; i < 12; i++) writeFileSync(join(folder, 'cat', `many${i}.png`), '');
  await assert.rejects(loadImageFolder(folder, 8), /15 of 19 pictures .*: (\S+ \([^()]+\), ){10}…\. Remove/);
  await assert.rejects(decodeSquares([join(folder, 'cat', '1.png'), folder, '/nowhere.png'], 8), {
    name: 'DataError',
    message: /^2 of 3 pictures cannot be read: \S+ \(a folder\), \/nowhere\.png \(ENOENT: .*\)\. Remove/,
  });
});

test('what is wrong with a folder is said with its path', async (t) => {
  const folder = await pets(t);
  const fails = (path: string, message: RegExp, options = {}) =>
    assert.rejects(loadImageFolder(path, 8, options), { name: 'DataError', message });
  await fails(join(folder, 'nowhere'), /nowhere: expected a folder of images, got ENOENT/);
  for (const options of [{ heldOut: 0.2 }, { maxBytes: Number.NaN }, { stream: true }] as object[])
    await assert.rejects(loadImageFolder(folder, 4, options), { name: 'OptionError', message: /^loadImageFolder/ });
  await fails(folder, /expected images of at most 0\.0 MB in memory, got 5 of 8×8/, { maxBytes: 100 });
  mkdirSync(join(folder, 'none'));
  await fails(
    join(folder, 'none'),
    /none: expected one folder of pictures per class, got none\. Put the pictures into/,
  );
  await fails(folder, /none: expected pictures of class 'none', got none\. Add some, or remove the folder\.$/);
  writeFileSync(join(folder, 'none', '1.bmp'), Buffer.concat([Buffer.from('BM'), Buffer.alloc(60)]));
  await fails(
    folder,
    /pets: expected pictures of class 'none', got none \(left out – BMP pictures, .*: 1 \(none\/1\.bmp\)\)/,
  );
  const split = await pets(t, ['train/cat/1.png', 'val/dog/1.png']);
  await fails(split, /dog: expected a class of train \(cat\), got 'dog'/);
});

test('an error that is not about a picture ends the reading of all', async () => {
  let asked = 0;
  const picture = async () => {
    asked++;
    return { width: 8, height: 8, data: new Uint8Array(3 * 64) };
  };
  const defect = async () => {
    throw new TypeError('a defect');
  };
  await assert.rejects(
    decodeEach([defect, ...new Array<typeof picture>(100).fill(picture)], 8, () => 0),
    /a defect/,
  );
  await setImmediate();
  assert.ok(asked < 20, `${asked} were read`);
});
