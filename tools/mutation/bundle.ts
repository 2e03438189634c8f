/** Bundles test files into one module each, beside them, so that a run of a test starts at once. */
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

await build({
  entryPoints: process.argv.slice(2),
  outdir: '.',
  outbase: '.',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'esm',
  keepNames: true, // errors name classes
  logLevel: 'error',
  plugins: [
    {
      name: 'each file keeps its own address',
      setup({ onLoad }) {
        onLoad({ filter: /\.ts$/ }, async ({ path }) => {
          const text = await readFile(path, 'utf8');
          return {
            loader: 'ts',
            contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
          };
        });
      },
    },
  ],
});
