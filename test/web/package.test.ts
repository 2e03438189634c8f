/** The built package in a browser: through a bundler, and as it is, from a page with an import map and from a worker. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Files } from '../../http/index.ts';
import { missingChromium, scriptPage, withPage } from '../../tools/browser/chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const options = missingChromium ? { skip: missingChromium } : {};
const user = mkdtempSync(join(tmpdir(), 'titok-user-')); // a project that has installed the package
after(() => rmSync(user, { recursive: true }));
const installed = join(user, 'node_modules/titok-ts');
if (!missingChromium) {
  mkdirSync(installed, { recursive: true });
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
  symlinkSync(join(root, 'node_modules/zod'), join(user, 'node_modules/zod'));
  // as `npm run build`, but without the check of types, which is a command of its own
  const args = ['--import', 'tsx', 'tools/build.ts', join(installed, 'dist'), '--fast'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
}

/** Trains a line for some steps on a device, with names from several doors of the package; JSON of what came out. */
const program = (core: string, nn: string, data: string): string => `
  import { openDevice, Rng, setDefaultDevice, tensor, tensorScope, valueAndGrad } from '${core}';
  import { AdamW, Linear, mse, stateDict } from '${nn}';
  import { imageSet } from '${data}';
  export async function train(name) {
    const device = await openDevice(name);
    setDefaultDevice(device);
    const layer = new Linear(1, 1, new Rng(0));
    const params = stateDict(layer);
    const optimizer = new AdamW({ params, lr: 0.1 });
    const x = tensor([-1, 0, 1, 2], [4, 1]);
    const y = tensor([-1, 1, 3, 5], [4, 1]); // 2x + 1
    let loss = 0;
    for (let step = 0; step < 60; step++) {
      using _ = tensorScope();
      const { value, grads } = valueAndGrad(params, () => mse(layer.forward(x), y));
      optimizer.step(grads);
      loss = await value.item();
    }
    return { device: device.name, loss, images: imageSet([], 32).count };
  }
`;
/** Runs the program on the page and in a worker, on cpu and on webgl2. */
const page = (worker: string): string => `
  const inWorker = (name) => new Promise((resolve, reject) => {
    const worker = new Worker('${worker}', { type: 'module' });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message ?? 'the worker could not be loaded'));
    worker.postMessage(name);
  });
  globalThis.results = (async () => [
    await train('cpu'), await train('webgl2'), await inWorker('cpu'), await inWorker('webgl2'),
  ])();
`;
const answering = `onmessage = async ({ data }) => postMessage(await train(data));`;

async function check(files: Files, alsoTrue = 'true'): Promise<void> {
  await withPage(files, { isolated: true }, async (page) => {
    const requests: string[] = [];
    page.on('request', (request) => requests.push(new URL(request.url()).pathname));
    await page.reload();
    const results = (await page.evaluate('globalThis.results')) as { device: string; loss: number; images: number }[];
    assert.deepEqual(
      results.map(({ device, images }) => [device, images]),
      [
        ['cpu', 0],
        ['webgl2', 0],
        ['cpu', 0],
        ['webgl2', 0],
      ],
    );
    for (const { device, loss } of results) assert.ok(loss < 0.2, `${device}: expected a loss near 0, got ${loss}`);
    assert.ok(
      requests.some((path) => /gpu/.test(path)),
      `gpu.js comes in a file of its own, got ${requests}`,
    );
    assert.equal(await page.evaluate(alsoTrue), true, alsoTrue);
  });
}

test('through a bundler, which takes the doors and the browser condition of package.json', options, async () => {
  const own = program('titok-ts/core', 'titok-ts', 'titok-ts/data'); // two doors, one library
  writeFileSync(join(user, 'page.js'), own + page('/worker.js'));
  writeFileSync(join(user, 'worker.js'), own + answering);
  const { outputFiles, warnings } = await build({
    entryPoints: [join(user, 'page.js'), join(user, 'worker.js')],
    outdir: '/',
    bundle: true,
    splitting: true,
    format: 'esm',
    write: false,
  });
  assert.deepEqual(warnings, []);
  const files = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  await check(scriptPage(files.get('page.js')!, async (path) => files.get(path.slice(1))));
});

test(
  'without a bundler: a page with an import map, and a worker, where import maps do not count',
  options,
  async () => {
    const at = '/node_modules/titok-ts/dist/browser';
    const importMap = {
      imports: { 'titok-ts': `${at}/index.js`, 'titok-ts/core': `${at}/core.js`, 'titok-ts/data': `${at}/data.js` },
    };
    const html = `<!doctype html><title>plain</title>
    <script type="importmap">${JSON.stringify(importMap)}</script>
    <script type="module">
      import { loadEmoji } from 'titok-ts/data';
      globalThis.emoji = () => loadEmoji(32); // from where the package has them
    </script>
    <script type="module">${program('titok-ts/core', 'titok-ts', 'titok-ts/data')}${page('/worker.js')}</script>`;
    await check(async (path) => {
      if (path === '/index.html') return html;
      if (path === '/worker.js') return program(`${at}/core.js`, `${at}/index.js`, `${at}/data.js`) + answering;
      const file = join(user, path);
      return existsSync(file) ? readFileSync(file) : undefined;
    }, 'emoji().then(({ train }) => train.count === 6499)');
  },
);
