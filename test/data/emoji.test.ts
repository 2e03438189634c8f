import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { classCounts, conceptOf, emojiClasses, loadEmoji } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

test('the set has the expected icons, and no concept on both sides', async () => {
  const { classes, train, validation, size } = await loadEmoji(32); // kept in the project's cache
  assert.deepEqual(classes, emojiClasses);
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

  // A red heart is red in the middle and white in the corner.
  const [set, index] = [train, validation].flatMap((set) => {
    const at = set.names.indexOf('noto/red-heart');
    return at < 0 ? [] : [[set, at] as const];
  })[0];
  const value = (c: number, y: number, x: number) => set.images[((index * 3 + c) * 32 + y) * 32 + x];
  assert.deepEqual(
    [0, 1, 2].map((c) => value(c, 31, 0)),
    [255, 255, 255],
  );
  assert.ok(value(0, 16, 16) > 180 && value(1, 16, 16) < 90 && value(2, 16, 16) < 90);
});

test('the cache gives the same pictures, and a damaged one is drawn again', async (t) => {
  const cacheFolder = temporaryFolder(t);
  let drawn = 0;
  const load = () => loadEmoji(8, { cacheFolder, onProgress: (done) => (drawn = done) });
  const first = await load();
  const total = drawn;
  assert.ok(total > 7000);
  drawn = 0;
  assert.deepEqual(await load(), first);
  assert.equal(drawn, 0);

  const path = join(cacheFolder, readdirSync(cacheFolder)[0]);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] ^= 0xff; // a pixel
  writeFileSync(path, bytes);
  assert.deepEqual(await load(), first);
  assert.equal(drawn, total);
  assert.ok(statSync(path).size > 7000 * 3 * 64);
});

test('a size that makes no sense is refused', async () => {
  await assert.rejects(loadEmoji(0), { name: 'DataError', message: /size of 8 to 512 pixels, got 0/ });
});
