/** A headless Chromium with a page of this project open. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { type Files, serve } from '../../http/index.ts';

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** Why no browser can be started here, if so. */
export const missingChromium = missingBrowser('Chromium', EXECUTABLE, 'chromium', 'CHROMIUM');

/** Why a browser cannot be started, if so. @param variable  the environment variable that names another program */
export function missingBrowser(name: string, path: string, debian: string, variable: string): string | undefined {
  if (isProgram(path)) return undefined;
  const found = existsSync(path) ? 'what is no program' : 'none';
  return `expected ${name} at ${path}, got ${found}. Install it (apt-get install ${debian}) or name another in ${variable}.`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Without a GPU, Chromium offers WebGL and WebGPU on SwiftShader, a driver in software, only when asked. */
const softwareGpu = ['--enable-unsafe-webgpu', '--enable-unsafe-swiftshader'];

export interface PageOptions {
  /** Sends the headers (COOP, COEP) without which a page has no shared memory and so no threads. */
  readonly isolated: boolean;
  /** Chromium's WebGPU and WebGL on a driver in software; true by default. */
  readonly gpu?: boolean;
  /** A Chromium that runs, and goes on running; by default one is started and closed. Pages share no storage. */
  readonly browser?: Browser;
  /** The folder of the host that the files are in, as '/titok/'; '/' by default. */
  readonly base?: string;
  /** What the address ends with, as '#x=train'. */
  readonly hash?: string;
  /** Whether the visitor asks for less motion, from the start. */
  readonly reducedMotion?: 'reduce' | 'no-preference';
}

const patience = 120_000; // ms, for each action and each wait: the cores may be busy

export const startChromium = (gpu: boolean): Promise<Browser> =>
  chromium.launch({ executablePath: EXECUTABLE, args: ['--no-sandbox', ...(gpu ? softwareGpu : [])] });

/** Serves files, opens their index.html, lets `use` work on it, and closes everything. */
export async function withPage<T>(
  files: Files,
  { isolated, gpu = true, browser, base = '/', hash = '', reducedMotion = 'no-preference' }: PageOptions,
  use: (page: Page) => Promise<T>,
): Promise<T> {
  const { url, close } = await serve(files, { isolated, base });
  const running = browser ?? (await startChromium(gpu));
  const context = await running.newContext({ reducedMotion });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    page.on('pageerror', (error) => console.error(`page: ${error.message}`));
    await page.goto(url + hash);
    return await use(page);
  } finally {
    await context.close();
    if (running !== browser) await running.close();
    close();
  }
}

/** An empty page with one script, and the other files that the script may fetch. */
export const scriptPage =
  (script: string, others: Files = async () => undefined): Files =>
  async (path) => {
    if (path === '/index.html')
      return '<!doctype html><title>titok</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';
    return path === '/page.js' ? script : others(path);
  };

type Api = Record<string, (...args: never[]) => Promise<unknown>>;
/** Calls a function that the page's script put on `globalThis`. An error's name and message come through. */
export async function callPage<A extends Api, Name extends keyof A & string>(
  page: Page,
  name: Name,
  ...args: Parameters<A[Name]>
): Promise<Awaited<ReturnType<A[Name]>>> {
  const answer = await page.evaluate(
    ({ name, args }) =>
      (globalThis as unknown as Record<string, (...a: unknown[]) => Promise<unknown>>)[name](...args).then(
        (value) => ({ value }),
        (error) => ({ error: { name: String(error.name), message: String(error.message) } }),
      ),
    { name: name as string, args: args as unknown[] },
  );
  if ('error' in answer) throw Object.assign(new Error(answer.error.message), { name: answer.error.name });
  return answer.value as Awaited<ReturnType<A[Name]>>;
}
