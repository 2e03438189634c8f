/** A headless Chromium with the test page open. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** Why no browser can be started here, if so. */
export const missingChromium = existsSync(EXECUTABLE)
  ? undefined
  : `expected Chromium at ${EXECUTABLE}, got none. Install it (apt-get install chromium) or name another in CHROMIUM.`;

/** The page as one script, as a bundler makes it for users. */
export async function bundle(entry: string, minify = false): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    write: false,
    minify,
    format: 'esm',
    target: 'es2022',
    external: ['node:fs', 'webgpu'], // reached in Node only
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}

/**
 * Opens an empty page with a script, lets `use` work on it, and closes everything.
 *
 * @param isolated  sends the headers (COOP, COEP) without which a page has no shared memory and so no threads
 */
export async function withPage<T>(script: string, isolated: boolean, use: (page: Page) => Promise<T>): Promise<T> {
  const headers = isolated
    ? { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' }
    : {};
  const server = createServer(({ url }, response) => {
    const isScript = url === '/page.js';
    response.writeHead(200, { ...headers, 'Content-Type': isScript ? 'text/javascript' : 'text/html' });
    response.end(
      isScript ? script : '<!doctype html><title>titok</title><script type="module" src="/page.js"></script>',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--no-sandbox', '--enable-unsafe-webgpu', '--enable-unsafe-swiftshader'],
  });
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(`page: ${error.message}`));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return await use(page);
  } finally {
    await browser.close();
    server.close();
  }
}

type Api = Record<string, (...args: never[]) => Promise<unknown>>;
/** Calls a function that the script put on `globalThis`, each time in a fresh browser. */
export const caller =
  <A extends Api>(script: string) =>
  <Name extends keyof A & string>(name: Name, isolated: boolean, ...args: Parameters<A[Name]>): ReturnType<A[Name]> =>
    withPage(script, isolated, (page) =>
      page.evaluate(
        ({ name, args }) => (globalThis as unknown as Record<string, (...a: unknown[]) => unknown>)[name]!(...args),
        { name: name as string, args: args as unknown[] },
      ),
    ) as ReturnType<A[Name]>;
