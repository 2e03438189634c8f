import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Rng, tensor } from '../../core/index.ts';
import { loadCheckpoint, saveCheckpoint, writeSafetensors } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const weights = (value: number) => ({ weight: { shape: [2], data: new Float32Array([value, value]) } });

test('groups and meta come back; tensors of core are saved as they are', async (t) => {
  const path = join(temporaryFolder(t), 'runs/a/last.safetensors'); // folders are made
  const meta = { preset: 'tiny', step: 12, rng: new Rng(1).state, settings: { learningRate: 1e-3 } };
  const groups = {
    model: { 'encoder.ln_pre.weight': tensor([1, 2, 3, 4], [2, 2]), bias: tensor([1]) },
    optimizer: { 'm/encoder.ln_pre.weight': { shape: [2, 2], data: new Float32Array(4).fill(0.5) } },
    counts: { used: tensor(new Int32Array([3, 4]), [2]) },
  };
  await saveCheckpoint(path, { groups, meta });
  const loaded = loadCheckpoint(path, { preset: 'tiny' });
  assert.deepEqual(loaded.meta, meta);
  assert.equal(loaded.published, false);
  assert.deepEqual(Object.keys(loaded.groups).sort(), ['counts', 'model', 'optimizer']);
  const { shape, data } = loaded.groups['model']['encoder.ln_pre.weight'];
  assert.deepEqual([shape, data], [[2, 2], new Float32Array([1, 2, 3, 4])]);
  assert.deepEqual(loaded.groups['optimizer']['m/encoder.ln_pre.weight'].data, new Float32Array(4).fill(0.5));
  assert.deepEqual(loaded.groups['counts']['used'].data, new Int32Array([3, 4]));
});

test('a published file with plain names is the group model', (t) => {
  const path = join(temporaryFolder(t), 'pytorch.safetensors');
  writeSafetensors(path, weights(1), { format: 'pt' });
  const { groups, published } = loadCheckpoint(path, { preset: 's128' });
  assert.equal(published, true);
  assert.deepEqual(groups['model']['weight'].data, new Float32Array([1, 1]));
});

test('another preset, a newer format and a damaged file are told apart', async (t) => {
  const path = join(temporaryFolder(t), 'last.safetensors');
  await saveCheckpoint(path, { groups: { model: weights(1) }, meta: { preset: 'smoke' } });
  const error = (message: RegExp) => ({ name: 'CheckpointError', message });
  assert.throws(() => loadCheckpoint(path, { preset: 'tiny' }), error(/expected preset "tiny", got "smoke"/));
  assert.throws(() => loadCheckpoint(path, { stage: 'teacher' }), error(/expected stage "teacher", got none/));
  const ours = { format: 'titok-ts checkpoint', version: '1', meta: '{}' };
  writeSafetensors(path, weights(1), { ...ours, version: '2' });
  assert.throws(() => loadCheckpoint(path), error(/format version 1, got 2/));
  writeSafetensors(path, weights(1), { ...ours, meta: '[' });
  assert.throws(() => loadCheckpoint(path), error(/meta as a JSON object/));
  writeSafetensors(path, weights(1), ours);
  assert.throws(() => loadCheckpoint(path), error(/names like 'model\/…', got 'weight'/));
});

test('a file cannot reach the prototype of objects', (t) => {
  const path = join(temporaryFolder(t), 'hostile.safetensors');
  const tensors = { '__proto__/polluted': weights(1).weight, 'model/__proto__': weights(2).weight };
  writeSafetensors(path, tensors, { format: 'titok-ts checkpoint', version: '1', meta: '{}' });
  const { groups } = loadCheckpoint(path);
  assert.equal('polluted' in {}, false);
  assert.deepEqual(Object.keys(groups['model']), ['__proto__']);
});

test('numbers that JSON would lose are refused', async (t) => {
  const path = join(temporaryFolder(t), 'last.safetensors');
  const save = saveCheckpoint(path, { groups: {}, meta: { best: { loss: Number.NaN } } });
  await assert.rejects(save, { name: 'CheckpointError', message: /finite numbers in meta, got loss = NaN/ });
});

test('on a full disk the previous checkpoint survives and nothing is left behind', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'last.safetensors');
  await saveCheckpoint(path, { groups: { model: weights(1) }, meta: {} });
  let writes = 0;
  const write = fs.writeSync as (file: number, bytes: Uint8Array, offset: number, length: number) => number;
  t.mock.method(fs, 'writeSync', (file: number, bytes: Uint8Array, offset: number, length: number) => {
    if (writes++ === 2) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    return write(file, bytes, offset, Math.min(length, 5)); // a nearly full disk writes in small parts
  });
  await assert.rejects(saveCheckpoint(path, { groups: { model: weights(2) }, meta: {} }), {
    name: 'CheckpointError',
    message: /expected to write .* got ENOSPC.* The file saved before is untouched\. Free some space/,
  });
  t.mock.restoreAll();
  assert.deepEqual(fs.readdirSync(folder), ['last.safetensors']);
  assert.deepEqual(loadCheckpoint(path).groups['model']['weight'].data, new Float32Array([1, 1]));
});

const saver = fileURLToPath(new URL('./save-forever.ts', import.meta.url));

test('a limit of the system during a save is an error with the path', { skip: process.platform === 'win32' }, (t) => {
  const path = join(temporaryFolder(t), 'last.safetensors');
  const command = `ulimit -f 1024; exec "${process.execPath}" --import tsx "${saver}" "${path}"`; // blocks of 512 or 1024 bytes
  const { stderr, status } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  assert.notEqual(status, 0);
  assert.match(stderr, /CheckpointError: .*last\.safetensors: expected to write 1\.0 MB, got EFBIG/);
  assert.deepEqual(fs.readdirSync(join(path, '..')), []);
});

/** Runs a saver until it is dead. Resolves when the first save is done, if it says so. */
function startSaver(program: string, ...args: string[]) {
  const path = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  return { child, saved: once(child.stdout, 'data'), exited: once(child, 'exit') };
}

/** Every value of a whole checkpoint is the step in its meta. */
function stepOf(path: string): unknown {
  const { groups, meta } = loadCheckpoint(path);
  assert.deepEqual([...new Set(groups['model']['weight'].data)], [meta['step']]);
  return meta['step'];
}

test('kill -9 at any point of a save leaves the previous checkpoint', { timeout: 60_000 }, async (t) => {
  const points = ['writeSync', 'fsyncSync', 'renameSync'];
  const died = points.map(async (point) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'last.safetensors');
    const { exited } = startSaver('./save-and-die.ts', path, point);
    assert.deepEqual(await exited, [null, 'SIGKILL'], point);
    assert.equal(stepOf(path), 1, point);
    const leftover = fs.readdirSync(folder).find((name) => name.endsWith('.tmp'))!;
    fs.utimesSync(join(folder, leftover), 0, 0); // a save an hour later removes what the killed one left
    await saveCheckpoint(path, { groups: { model: weights(3) }, meta: { step: 3 } });
    assert.deepEqual(fs.readdirSync(folder), ['last.safetensors'], point);
  });
  await Promise.all(died);
});

test('kill -9 at an arbitrary moment leaves a whole checkpoint', { timeout: 60_000 }, async (t) => {
  const path = join(temporaryFolder(t), 'last.safetensors');
  const { child, saved, exited } = startSaver('./save-forever.ts', path);
  await saved; // the next saves are under way
  await new Promise((resolve) => setTimeout(resolve, 17));
  child.kill('SIGKILL');
  await exited;
  stepOf(path);
});
