/**
 * The page that trains in the browser.
 *
 *   npm run web                        serves it, and bundles anew whenever the page is loaded
 *   npm run web -- --port 8080
 *   npm run web -- --build site        writes static files, for any web server
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import { count } from '../../train/index.ts';
import { serve } from '../browser/server.ts';
import { reading, runTool } from '../command.ts';
import { buildSite } from './site.ts';

async function run({ port, build }: { port: number; build?: string }): Promise<void> {
  if (build !== undefined) return write(build);
  let site = await buildSite();
  const { url } = await serve(
    async (path) => {
      if (path === '/index.html') site = await buildSite();
      return site.get(path);
    },
    { isolated: true, port }, // threads need it
  ).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
    throw new OptionError(`web: expected a free port, got ${port} (${error.code}). Name another with --port.`);
  });
  console.log(`${url}  (Ctrl-C ends it)`);
}

async function write(folder: string): Promise<void> {
  try {
    mkdirSync(folder, { recursive: true });
    for (const [path, text] of await buildSite(true)) writeFileSync(join(folder, path), text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new OptionError(`web, --build: expected a folder to write to, got ${folder} (${(error as Error).message}).`);
  }
  console.log(
    `${folder}: written. Serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: ` +
      'require-corp, without which the cpu device has one thread.',
  );
}

await runTool(
  new Command('npm run web --')
    .description('Serves the page that trains in the browser, and bundles it anew whenever it is loaded.')
    .option(
      '--port <number>',
      '0 to 65535; 0: any that is free',
      reading('--port', count(8173, 'port', { least: 0, most: 65_535 })),
      8173,
    )
    .option('--build <folder>', 'write static files instead, for any web server')
    .allowExcessArguments(false)
    .action(run),
);
