/**
 * The library for browsers without a bundler: `dist/browser/*.js`, self-contained ES modules that share chunks. gpu.js,
 * which is CommonJS, becomes a chunk of its own that loads when a GPU device is opened. As no name in them is bare, they
 * work in workers too, where import maps do not count.
 *
 *   tsx cli/browser/pack.ts dist
 */
import { join } from 'node:path';
import { build } from 'esbuild';
import { browserBuild } from './bundle.ts';

const [dist = 'dist'] = process.argv.slice(2);
await build({
  ...browserBuild,
  entryPoints: {
    index: join(dist, 'index.js'),
    core: join(dist, 'core/index.js'),
    nn: join(dist, 'nn/index.js'),
    titok: join(dist, 'titok/index.js'),
    maskgit: join(dist, 'maskgit/index.js'),
    data: join(dist, 'data/browser.js'),
    eval: join(dist, 'eval/index.js'),
  },
  outdir: join(dist, 'browser'),
  splitting: true,
  minify: true,
});
