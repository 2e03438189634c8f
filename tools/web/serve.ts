/**
 * The site, served for development: the page reloads when a source changes. The API reference is only in `npm run site`.
 *
 *   npm run web
 *   npm run web -- --port 8080
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { createServer as createVite } from 'vite';
import { OptionError } from '../../core/index.ts';
import { count } from '../../train/index.ts';
import { reading, runTool } from '../command.ts';
import { filesBeside } from './site.ts';
import { pageConfig } from './vite.ts';

async function run({ port }: { port: number }): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve)).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
      throw new OptionError(`web: expected a free port, got ${port} (${error.code}). Name another with --port.`);
    },
  );
  const config = pageConfig(await filesBeside());
  const vite = await createVite({ ...config, server: { ...config.server, middlewareMode: true, hmr: { server } } });
  server.on('request', vite.middlewares);
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/  (Ctrl-C ends it)`);
}

await runTool(
  new Command('npm run web --')
    .description('Serves the page for development. It reloads when a source changes.')
    .option(
      '--port <number>',
      '0 to 65535; 0: any that is free',
      reading('--port', count(8173, 'port', { least: 0, most: 65_535 })),
      8173,
    )
    .allowExcessArguments(false)
    .action(run),
);
