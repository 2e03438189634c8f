/** Scripts for browsers, as a bundler makes them for users. */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';

export const browserBuild = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  external: ['webgpu'], // installed here, where its import is only for Node
  legalComments: 'eof', // licenses of what is bundled
  logLevel: 'error',
} satisfies BuildOptions;

/** One script from one entry and all that it imports, gpu.js included. */
export async function bundle(entry: URL, minify = false): Promise<string> {
  const { outputFiles } = await build({ ...browserBuild, entryPoints: [fileURLToPath(entry)], write: false, minify });
  return outputFiles[0].text;
}

/**
 * Scripts that share chunks: what an entry imports late, such as gpu.js, is a file of its own that loads when it is
 * asked for. Files by name: 'main.js', 'chunk-….js'.
 */
export async function bundleAll(entries: readonly URL[], minify = false): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    ...browserBuild,
    entryPoints: entries.map((entry) => fileURLToPath(entry)),
    write: false,
    minify,
    splitting: true,
    outdir: '/',
    entryNames: '[name]',
  });
  return new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
}
