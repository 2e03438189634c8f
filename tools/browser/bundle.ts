/** Scripts for browsers, as a bundler makes them for users. */
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
