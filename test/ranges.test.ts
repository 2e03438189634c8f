/** Numbers that programs pass to the library: out of range, they are an OptionError that names the number and its range. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostThreads, openDevice, Rng, type Tensor, tensor } from '../core/index.ts';
import {
  batches,
  imageGrid,
  imageSet,
  inOrder,
  loadImageFolder,
  pixelBatches,
  type RgbImage,
  writeShards,
} from '../data/index.ts';
import { clipCoefficient } from '../nn/index.ts';
import { openRun, parseSettings, teacher, trainTeacher } from '../train/index.ts';

const pixel: RgbImage = { width: 1, height: 1, data: new Uint8Array(3) };
const set = imageSet([{ planes: new Uint8Array(3 * 4), label: 0, name: 'a' }], 2);
const batch = (options: object) => batches(set, { batchSize: 1, seed: 0, ...options });

/** What takes a number, its limits, and how it is called in errors. */
const numbers: [where: string, least: number, most: number, whole: boolean, f: (x: number) => unknown][] = [
  ['batches, batchSize', 1, 65_536, true, (batchSize) => batch({ batchSize })],
  ['batches, classBalance', 0, 1, false, (classBalance) => batch({ classBalance })],
  ['inOrder, batchSize', 1, 2 ** 31, true, (batchSize) => [...inOrder(set, batchSize)]],
  ['inOrder, limit', 0, Number.MAX_SAFE_INTEGER, true, (limit) => [...inOrder(set, 1, limit)]],
  ['pixelBatches, batchSize', 1, 2 ** 31, true, (batchSize) => [...pixelBatches(set, [0], batchSize)]],
  ['imageSet, size', 1, 65_535, true, (size) => imageSet([], size)],
  [
    'writeShards, perShard',
    1,
    Number.MAX_SAFE_INTEGER,
    true,
    (perShard) => writeShards((async function* () {})(), 'nowhere', 'train', perShard),
  ],
  ['loadImageFolder, size', 1, 4096, true, (size) => loadImageFolder('nowhere', size)],
  [
    'loadImageFolder, heldOutFraction',
    0,
    1,
    false,
    (heldOutFraction) => loadImageFolder('nowhere', 8, { heldOutFraction }),
  ],
  ['imageGrid, columns', 1, 16_000, true, (columns) => imageGrid([pixel], columns)],
  ['imageGrid, scale', 1, 1000, true, (scale) => imageGrid([pixel], 1, { scale })],
  ['imageGrid, gap', 0, 1000, true, (gap) => imageGrid([pixel], 1, { gap })],
  ['openRun, seed', 0, 2 ** 32 - 1, true, (seed) => openRun('nowhere', { seed })],
  ['openRun, saveEvery', 0, 1e9, true, (saveEvery) => openRun('nowhere', { saveEvery })],
  ['openRun, pictureEvery', 0, 1e9, true, (pictureEvery) => openRun('nowhere', { pictureEvery })],
  ['clipCoefficient, maxNorm', 0, Infinity, false, (maxNorm) => clipCoefficient(tensor(1), maxNorm)],
];

for (const [where, least, most, whole, f] of numbers) {
  test(`${where}: ${whole ? 'a whole number' : 'a number'} from ${least} to ${most}`, async () => {
    const wrong: unknown[] = [Number.NaN, least - 1, -Infinity, '1', null];
    if (most < Infinity) wrong.push(Infinity, most * 1.01 + 1);
    if (whole) wrong.push(least + 0.5);
    for (const value of wrong) {
      await assert.rejects(
        async () => f(value as number),
        (error: Error) => {
          assert.equal(error.name, 'OptionError', `${value}: ${error.stack}`);
          assert.match(error.message, new RegExp(`^${where}: expected a (whole )?number from \\S+ to \\S+, got `));
          assert.ok(error.message.includes(String(value)), error.message);
          return true;
        },
      );
    }
    for (const limit of [least, Number.isFinite(most) ? most : 1]) {
      await (async () => f(limit))().catch((error: Error) => assert.notEqual(error.name, 'OptionError', error.message));
    }
  });
}

test('threads: more than help are refused before any starts', async () => {
  for (const threads of [0, -1, 1.5, Number.NaN, mostThreads() + 1, 1e9]) {
    const message = new RegExp(`threads from 1 to ${mostThreads()}, got ${threads}\\.$`);
    await assert.rejects(openDevice('cpu', { threads }), { name: 'DeviceError', message });
  }
});

test('environment variables that the library reads are checked', async (t) => {
  t.after(() => delete process.env['TITOK_DEBUG']);
  process.env['TITOK_DEBUG'] = 'kernel';
  const message = "TITOK_DEBUG: expected 'kernels' or nothing, got 'kernel' (did you mean 'kernels'?).";
  await assert.rejects(openDevice('gpujs-cpu'), { name: 'OptionError', message });
  process.env['TITOK_DEBUG'] = '';
  await (await openDevice('gpujs-cpu')).close();
});

test('what cannot fit into memory is refused before it is made', async () => {
  const large = { ...set, size: 4096, images: new Uint8Array(3 * 4096 * 4096) };
  assert.throws(() => batches(large, { batchSize: 64, seed: 0 }), {
    name: 'DataError',
    message:
      /^batches: expected a batch of at most 268\.4 MB, got 64 images of 4096×4096 pixels = 12884\.9 MB\. Choose/,
  });
  const settings = parseSettings(teacher.settings, { teacher: { kind: 'lean', stem: [65_536, 65_536] } }, 'here');
  const data = { next: (): { images: Tensor } => assert.fail('no batch is needed'), state: null };
  await assert.rejects(trainTeacher(settings, data, new Rng(0)), {
    name: 'OptionError',
    message:
      /^teacher: expected a model that can be trained in the 4\.0 GiB of the cpu device, got one of 386,562,664,019 /,
  });
});
