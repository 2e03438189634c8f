/**
 * `npm run build`: the package as npm publishes it.
 *
 *   dist/**                   the library and the command line, compiled, with their declarations
 *   dist/core/gpu/gpu.js      gpu.js and what it needs, so that nobody has to install them (its dependency `gl` compiles
 *                             for minutes): one module for Node and browsers, which loads when a GPU device is opened
 *   dist/data/assets/         the emoji and the perceptual network
 *   dist/train/torch/python/  the training in PyTorch that `titok export --to torch` writes
 *   dist/models/              the models in the box
 *   dist/web/                 the page, for `titok watch`, which serves models and emoji from the folders above
 *   dist/browser/*.js         the doors for pages without a bundler: self-contained modules that share chunks. No name in
 *                             them is bare, so they work in workers too, where import maps do not count
 */
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { build } from 'esbuild';
import { browserBuild } from './browser/bundle.ts';
import { runTool } from './command.ts';
import { wallFile } from './web/assets.ts';
import { buildPage, writeSite } from './web/site.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

await runTool(
  new Command('npm run build --')
    .description('Writes the package as npm publishes it.')
    .argument('[folder]', 'where to; it is emptied first', join(root, 'dist'))
    .option('--fast', 'without type checks and declarations')
    .action(buildPackage),
);

async function buildPackage(dist: string, { fast }: { fast?: boolean }): Promise<void> {
  rmSync(dist, { recursive: true, force: true });
  compile(dist, fast ? ['--noCheck', '--declaration', 'false'] : []);
  cpSync(join(root, 'data/assets'), join(dist, 'data/assets'), { recursive: true });
  cpSync(join(root, 'train/torch/python'), join(dist, 'train/torch/python'), { recursive: true });
  cpSync(join(root, 'models'), join(dist, 'models'), { recursive: true });
  await bundleGpuJs(dist);
  await bundleDoors(dist);
  writeSite(join(dist, 'web'), await buildPage(wallFile));
}

/** Also `.ts` → `.js` in imports. */
function compile(dist: string, options: readonly string[]): void {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', dist, ...options];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

async function bundleGpuJs(dist: string): Promise<void> {
  const license = (name: string) => readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8').trim();
  const licenses = ['gpu.js', 'acorn', 'gpu-mock.js'].map((name) => `${name}\n\n${license(name)}`).join('\n\n\n');
  await build({
    stdin: { contents: "export { default } from 'gpu.js'", resolveDir: root },
    outfile: join(dist, 'core/gpu/gpu.js'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['main'], // the version for Node does everything; the one for browsers leaves Node's parts out
    external: ['gl', 'os', 'worker_threads'], // required where they are there
    minify: true,
    logLevel: 'error',
    banner: {
      js:
        `/*!\n${licenses}\n*/\n` +
        "const require = globalThis.process?.getBuiltinModule?.('module').createRequire(import.meta.url);",
    },
  });
  const importer = join(dist, 'core/gpu/gpujs.js');
  const text = readFileSync(importer, 'utf8');
  const changed = text.replace("'gpu.js'", "'./gpu.js'");
  if (changed === text) throw new Error(`build: expected ${importer} to import gpu.js, got no such import.`);
  writeFileSync(importer, changed);
}

async function bundleDoors(dist: string): Promise<void> {
  await build({
    ...browserBuild,
    entryPoints: {
      index: join(dist, 'index.js'),
      core: join(dist, 'core/index.js'),
      nn: join(dist, 'nn/index.js'),
      titok: join(dist, 'titok/index.js'),
      maskgit: join(dist, 'maskgit/index.js'),
      diffusion: join(dist, 'diffusion/index.js'),
      data: join(dist, 'data/browser.js'),
      eval: join(dist, 'eval/index.js'),
      train: join(dist, 'train/browser.js'),
    },
    outdir: join(dist, 'browser'),
    splitting: true,
    minify: true,
  });
}
