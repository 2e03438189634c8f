/** The comparison itself: what passes, what is a miss, what is left over. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Comparison } from '../../tools/golden/comparison.ts';
import { GoldenFile, type GoldenSource } from '../../tools/golden/file.ts';
import { goldenSource } from '../../tools/golden/folder.ts';
import { runGolden } from '../../tools/golden/index.ts';
import { openDevice } from '../../core/index.ts';
import { writeSafetensors } from '../../data/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'golden-'));
const write = (name: string): GoldenSource => {
  const path = join(folder, `${name}.safetensors`);
  writeSafetensors(path, {
    'out/x': { shape: [3], data: Float32Array.of(1, -4, 2) },
    'out/ids': { shape: [2], data: Int32Array.of(3, 5) },
    'grad/a': { shape: [2], data: Float32Array.of(1, 2) },
    'grad/zero': { shape: [2], data: Float32Array.of(3e-9, -2e-9) },
    'in/x': { shape: [1], data: Float32Array.of(7) },
  });
  return goldenSource(path);
};
const fresh = async () => new Comparison(await GoldenFile.open(write('some')));

test('errors are relative to the largest magnitude of the tensor', async () => {
  const check = await fresh();
  await check.check('out/x', [1.0003, -4, 2]);
  assert.deepEqual(check.misses, []);
  assert.ok(Math.abs(check.worst - 0.0003 / 4) < 1e-9);
  await check.check('out/x', [1.0005, -4, 2]);
  assert.equal(check.misses.length, 1);
});

test('integers must be equal, sizes too, and NaN is a miss', async () => {
  for (const [key, values] of [['out/ids', [3, 6]], ['out/x', [1, -4]], ['out/x', [1, Number.NaN, 2]]] as const) {
    const check = await fresh();
    await check.check(key, values);
    assert.equal(check.misses.length, 1, `${key} ${values}`);
    assert.equal(check.worst, Infinity);
  }
});

test('a gradient that is zero but for rounding is measured against its model', async () => {
  const check = await fresh();
  await check.check('grad/zero', [-1e-8, 1e-8]);
  assert.deepEqual(check.misses, []);
  await check.check('grad/zero', [1e-3, 0]);
  assert.equal(check.misses.length, 1);
});

test('results that nobody compared are left over; inputs are not results', async () => {
  const check = await fresh();
  await check.check('out/x', [1, -4, 2]);
  assert.deepEqual(check.leftOver().sort(), ['grad/a', 'grad/zero', 'out/ids']);
});

test('a file of another kind is unsupported, a broken one a failure', async () => {
  const device = await openDevice('cpu');
  const unknown = await runGolden(write('something_else'), device);
  assert.equal(unknown.status, 'unsupported');
  assert.deepEqual(unknown.unsupported, ['something_else']);
  assert.equal((await runGolden(write('quantizer_broken'), device)).status, 'fail');
});
