/** Pictures over time: which ones are kept, and what goes when a training goes on or starts again. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { Film, forgetFrames, framesOf } from '../../train/film.ts';
import { temporaryFolder } from '../data/temporary.ts';

async function drawn(folder: string, side = 8): Promise<string> {
  const path = join(folder, `drawn-${side}.png`);
  await sharp({ create: { width: side, height: side, channels: 3, background: '#888' } })
    .png()
    .toFile(path);
  return path;
}

const steps = (folder: string) => framesOf(folder, 'warmup').map(({ step }) => step);

/** Frames of an animated PNG, from its acTL chunk. */
function frameCount(path: string): number {
  const file = readFileSync(path);
  return file.readUInt32BE(file.indexOf('acTL') + 4);
}

test('of many pictures, the first, the last and evenly spaced ones stay, and few enough', async (t) => {
  const folder = temporaryFolder(t);
  const picture = await drawn(folder);
  const film = new Film(folder, 'warmup', 10);
  const last = 3333;
  for (let step = 1; step <= last; step++)
    if (step === 1 || step % 10 === 0 || step === last) film.keep(step, picture, step === last);
  const kept = steps(folder);
  assert.deepEqual([kept[0], kept.at(-1)], [1, last]);
  const between = kept.slice(1, -1);
  assert.ok(between.length >= 20 && between.length <= 40, `${between.length} pictures`);
  assert.ok(
    between.every((step, i) => step === (i + 1) * between[0]),
    `${between}`,
  );
  film.animate();
  assert.equal(frameCount(join(folder, 'warmup-learning.png')), kept.length);
});

test('going on and starting again forget what no longer holds', async (t) => {
  const folder = temporaryFolder(t);
  const picture = await drawn(folder);
  const first = new Film(folder, 'warmup', 2);
  for (const step of [1, 2, 4, 6]) first.keep(step, picture, false);
  new Film(folder, 'teacher', 2).keep(6, picture, false);
  const second = new Film(folder, 'warmup', 3); // from update 2 on, with another distance
  second.keep(3, picture, false);
  second.forgetEarlier(2);
  assert.deepEqual(steps(folder), [1, 3], 'update 2 is no multiple of 3');
  second.keep(5, await drawn(folder, 9), true);
  second.animate();
  assert.equal(existsSync(join(folder, 'warmup-learning.png')), false, 'one picture of its size is no animation');
  forgetFrames(folder, 'warmup', 0);
  assert.deepEqual(steps(folder), []);
  assert.equal(framesOf(folder, 'teacher').length, 1);
});
