/**
 * The page that trains in the browser.
 *
 *   npm run web                        serves it, and bundles anew whenever the page is loaded
 *   npm run web -- --port 8080
 *   npm run web -- --build site        writes static files, for any web server
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { serve } from '../browser/server.ts';
import { buildSite } from './site.ts';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8173' }, build: { type: 'string' } } });
  if (values.build !== undefined) return write(values.build);
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Error(`npm run web: expected --port from 0 to 65535, got ${values.port}.`);
  }
  let site = await buildSite();
  const { url } = await serve(
    async (path) => {
      if (path === '/index.html') site = await buildSite();
      return site.get(path);
    },
    { isolated: true, port }, // threads need it
  ).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`npm run web: expected a free port, got ${port}, which is taken. Name another with --port.`);
  });
  console.log(`${url}  (Ctrl-C ends it)`);
}

async function write(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const [path, text] of await buildSite(true)) writeFileSync(join(folder, path), text);
  console.log(
    `${folder}: written. Serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: ` +
      'require-corp, without which the cpu device has one thread.',
  );
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
