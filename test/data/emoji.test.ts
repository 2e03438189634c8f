import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { conceptOf } from '../../data/emoji.ts';
import { classCounts, type ImageDataset, loadEmoji, toPlanes } from '../../data/index.ts';
import { drawIcon, isBlank } from '../../tools/emoji/draw.ts';
import { emojiClasses, emojiIcons } from '../../tools/emoji/icons.ts';
import { emojiSha256 } from './emoji-sha256.ts';
import { temporaryFolder } from './temporary.ts';

const sha256 = ({ train, validation }: ImageDataset): string => {
  const hash = createHash('sha256');
  for (const { images, labels, names } of [train, validation]) {
    hash.update(images).update(labels).update(JSON.stringify(names));
  }
  return hash.digest('hex');
};

test('pictures, labels, names and split never change: trainings and their figures rest on them', async () => {
  for (const size of [32, 64] as const) assert.equal(sha256(await loadEmoji(size)), emojiSha256[size]);
});

test('the sheets hold what the icon packages show, in their order', async () => {
  const icons = emojiIcons();
  for (const size of [32, 64]) {
    const { classes, train, validation } = await loadEmoji(size);
    assert.deepEqual(classes, emojiClasses);
    const shown = new Map(
      [train, validation].flatMap(({ names, labels, images }) =>
        names.map((name, i) => {
          const each = 3 * size * size;
          return [name, { label: labels[i], planes: images.subarray(i * each, (i + 1) * each) }] as const;
        }),
      ),
    );
    const order = icons.map(({ name }) => name).filter((name) => shown.has(name));
    assert.equal(order.length, shown.size);
    for (const { names } of [train, validation]) {
      const mine = new Set(names);
      assert.deepEqual(
        order.filter((name) => mine.has(name)),
        names,
      );
    }
    for (let i = 0; i < icons.length; i += 37) {
      const image = await drawIcon(icons[i], size);
      const { name, label } = icons[i];
      if (!shown.has(name)) assert.ok(isBlank(image), name);
      else assert.deepEqual(shown.get(name), { label, planes: toPlanes(image) }, name);
    }
    const absent = icons.filter(({ name }) => !shown.has(name));
    for (const icon of absent) assert.ok(isBlank(await drawIcon(icon, size)), icon.name);
  }
});

test('the set has the expected icons, and no concept on both sides', async () => {
  const { train, validation, size } = await loadEmoji(32);
  assert.equal(size, 32);
  const all = classCounts(train, 8).map((count, label) => count + classCounts(validation, 8)[label]);
  // The counts of the packages' groups, less 8 icons that the renderer cannot draw and 2 that are white on white.
  assert.deepEqual(all, [756, 1469, 688, 567, 1040, 379, 1172, 1167]);
  const share = validation.count / (train.count + validation.count);
  assert.ok(share > 0.08 && share < 0.12, `${share}`);
  assert.ok(Math.min(...classCounts(validation, 8)) > 30);

  const trained = new Set(train.names.map(conceptOf));
  assert.deepEqual(
    validation.names.filter((name) => trained.has(conceptOf(name))),
    [],
  );
  const names = [...train.names, ...validation.names];
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(
    names.filter((name) => /skin-tone|flag-of|noto-v1\/digit-six/.test(name)),
    [],
  );
  assert.equal(train.images.length, train.count * 3 * 32 * 32);
});

test('other sizes are resized from 64 pixels', async () => {
  for (const size of [8, 72]) {
    const { train, validation } = await loadEmoji(size);
    const [set, index] = [train, validation].flatMap((set) => {
      const at = set.names.indexOf('noto/red-heart');
      return at < 0 ? [] : [[set, at] as const];
    })[0];
    const value = (c: number, y: number, x: number) => set.images[((index * 3 + c) * size + y) * size + x];
    assert.deepEqual(
      [0, 1, 2].map((c) => value(c, size - 1, 0)),
      [255, 255, 255],
    );
    const middle = size / 2;
    assert.ok(value(0, middle, middle) > 180 && value(1, middle, middle) < 90 && value(2, middle, middle) < 90);
  }
});

test('a size that makes no sense and a folder without sheets are refused', async (t) => {
  await assert.rejects(loadEmoji(0), { name: 'DataError', message: /size of 8 to 512 pixels, got 0/ });
  const folder = temporaryFolder(t);
  await assert.rejects(loadEmoji(32, folder), { name: 'DataError', message: /index\.json, got ENOENT/ });
  writeFileSync(join(folder, 'index.json'), '<!doctype html>not found');
  await assert.rejects(loadEmoji(32, folder), { name: 'DataError', message: /index\.json, got an HTML page\./ });
});

test('subgroups are finer classes of the same pictures, each within one group', async () => {
  const [groups, subgroups] = [await loadEmoji(32), await loadEmoji(32, undefined, 'subgroups')];
  assert.equal(subgroups.classes.length, 95);
  const groupsOf = new Map<string, Set<string>>();
  for (const part of ['train', 'validation'] as const) {
    assert.deepEqual(subgroups[part].images, groups[part].images);
    assert.deepEqual(subgroups[part].names, groups[part].names);
    subgroups[part].labels.forEach((label, i) => {
      const name = subgroups.classes[label];
      groupsOf.set(name, (groupsOf.get(name) ?? new Set()).add(groups.classes[groups[part].labels[i]]));
    });
  }
  assert.deepEqual(
    [...groupsOf.values()].map(({ size }) => size),
    new Array(95).fill(1),
  );
  const classOf = (icon: string) => subgroups.classes[subgroups.train.labels[subgroups.train.names.indexOf(icon)]];
  assert.equal(classOf('noto/red-apple'), 'food-fruit');
  assert.equal(classOf('twemoji/grinning-cat'), 'cat-face');
  assert.equal(classOf('noto-v1/letter-q'), 'alphanum');
  assert.deepEqual(
    subgroups.mirrored?.filter((name) => groupsOf.get(name)?.has('Symbols')),
    [],
  );
  assert.equal(subgroups.mirrored?.length, 81);
});
