/** What importing the door loads. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadCheckpoint, saveCheckpoint } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a program in a Node of its own; JSON of what it prints. */
function run(program: string): unknown {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', program],
    { cwd: root, encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

test('a checkpoint is loaded without a native module; sharp comes with the first image', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'a.safetensors');
  await saveCheckpoint(path, { groups: { model: { w: { shape: [1], data: Float32Array.of(2) } } }, meta: { step: 3 } });
  assert.equal(loadCheckpoint(path).meta['step'], 3);
  const loaded = run(`
    import { imageGrid, loadCheckpoint, writePng } from './data/index.ts';
    process.report.excludeNetwork = true;
    const native = () => process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node')).length;
    const none = native();
    const { step } = loadCheckpoint(${JSON.stringify(path)}).meta;
    const after = native();
    const image = { width: 1, height: 1, data: new Uint8Array(3) };
    await imageGrid([image], 1);
    const grid = native();
    await writePng(${JSON.stringify(join(folder, 'a.png'))}, image);
    console.log(JSON.stringify({ none, step, after, grid, written: native() }));
  `);
  assert.deepEqual(loaded, { none: 0, step: 3, after: 0, grid: 0, written: 1 });
});

test('without sharp, an image file is refused with what to install', (t) => {
  const hooks = join(temporaryFolder(t), 'hooks.mjs');
  writeFileSync(
    hooks,
    `export function resolve(name, context, next) {
      if (name === 'sharp') throw Object.assign(new Error("Cannot find package 'sharp'"), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    }`,
  );
  const error = run(`
    import { register } from 'node:module';
    import { pathToFileURL } from 'node:url';
    register(pathToFileURL(${JSON.stringify(hooks)}));
    const { decodeImage } = await import('./data/index.ts');
    const { name, message } = await decodeImage('a.png').catch((error) => error);
    console.log(JSON.stringify({ name, message }));
  `);
  assert.deepEqual(error, {
    name: 'DataError',
    message: "image files: expected the package sharp, got Cannot find package 'sharp'. Run npm install sharp.",
  });
});
