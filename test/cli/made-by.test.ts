/** The commands that make a run anew. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { commandsOf } from '../../cli/made-by.ts';
import { mirroredEmoji } from '../../data/index.ts';
import type { DataSource, RunFolder } from '../../train/index.ts';

/** The command of a teacher with the preset's settings, trained on these images. */
function commandFor(source: DataSource, classes: readonly string[], mirrored: readonly string[]): string {
  const meta = { preset: 'smoke', settings: { steps: 80 }, origin: { seed: 3, data: { source, classes, mirrored } } };
  const run = { folder: 'runs/a/', trained: ['teacher'], meta: () => meta } as unknown as RunFolder;
  return commandsOf(run).join('; ');
}

test('options of images that are not the default ones are part of it', () => {
  const pets = ['cats', 'dogs', 'signs'];
  const data = 'titok train teacher --preset smoke --seed 3 --data pets';
  assert.equal(commandFor({ path: 'pets' }, pets, []), `${data} --name a`);
  assert.equal(
    commandFor({ path: 'pets', stream: true, shuffleBuffer: 7, randomCrop: true, skipBroken: true }, pets, []),
    `${data} --stream --shuffle-buffer 7 --random-crop --skip-broken --name a`,
  );
  assert.equal(commandFor({ path: 'pets' }, pets, pets), `${data} --flip --name a`);
  assert.equal(commandFor({ path: 'pets' }, pets, ['cats', 'dogs']), `${data} --no-flip-classes signs --name a`);
});

test('of the emoji some are mirrored by default', () => {
  const usual = mirroredEmoji();
  assert.deepEqual([usual.length, usual.includes('Symbols')], [7, false]);
  const all = [...usual, 'Symbols'];
  const emoji = 'titok train teacher --preset smoke --seed 3';
  assert.equal(commandFor({ path: 'emoji' }, all, usual), `${emoji} --name a`);
  assert.equal(commandFor({ path: 'emoji' }, all, []), `${emoji} --no-flip --name a`);
  assert.equal(
    commandFor({ path: 'emoji' }, all, usual.slice(1)),
    `${emoji} --no-flip-classes '${usual[0]},Symbols' --name a`,
  );
  const some = mirroredEmoji('subgroups');
  assert.ok(some.length > 50 && some.length < 95);
});
