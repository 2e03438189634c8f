/** A headless Firefox, as distributions ship it, driven by Marionette: JSON over TCP, in every Firefox, without a package. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Files, serve } from '../../http/index.ts';
import { missingBrowser } from './chromium.ts';

const EXECUTABLE = process.env['FIREFOX'] ?? '/usr/bin/firefox-esr';
/** Why Firefox cannot be started here, if so. */
export const missingFirefox = missingBrowser('Firefox', EXECUTABLE, 'firefox-esr', 'FIREFOX');
const patience = 120_000; // ms, for the start and for each script: the cores may be busy

/** The page that is open. */
export interface FirefoxPage {
  /** Calls a function on the page and waits for what it returns. */
  evaluate<A extends readonly unknown[], R>(work: (...args: A) => R | Promise<R>, ...args: A): Promise<R>;
  /** Clicks in the middle of the element, with a pointer. @throws Error when there is none */
  click(selector: string): Promise<void>;
  /** Presses a key where the focus is: 'a', or a code point of WebDriver's such as '\uE013', arrow up. */
  press(key: string): Promise<void>;
}

/** Serves files on one thread, opens their index.html in Firefox, lets `use` work on it, and closes everything. */
export async function withFirefox<T>(files: Files, use: (page: FirefoxPage) => Promise<T>): Promise<T> {
  const profile = mkdtempSync(join(tmpdir(), 'titok-firefox-'));
  writeFileSync(join(profile, 'user.js'), 'user_pref("marionette.port", 0);'); // 0: any that is free
  const { url, close } = await serve(files, { isolated: false });
  const browser = spawn(EXECUTABLE, ['--marionette', '--headless', '--no-remote', '--profile', profile], {
    stdio: 'ignore',
  });
  try {
    const marionette = await Marionette.open(await portOf(profile));
    await marionette.send('WebDriver:NewSession', {
      capabilities: { alwaysMatch: { timeouts: { script: patience } } },
    });
    await marionette.send('WebDriver:Navigate', { url });
    return await use(pageOf(marionette));
  } finally {
    const ended = new Promise((resolve) => browser.once('exit', resolve));
    if (browser.exitCode === null && browser.kill()) await ended;
    close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The port that Firefox writes into its profile once it listens. @throws Error when it does not in time */
async function portOf(profile: string): Promise<number> {
  for (const until = performance.now() + patience; performance.now() < until; await delay(50)) {
    try {
      const port = Number(readFileSync(join(profile, 'MarionetteActivePort'), 'utf8'));
      if (port > 0) return port;
    } catch {} // not yet
  }
  throw new Error(`Firefox: expected it to listen within ${patience / 1000} s, got nothing.`);
}

function pageOf(marionette: Marionette): FirefoxPage {
  const actions = (source: object) => marionette.send('WebDriver:PerformActions', { actions: [source] });
  const page: FirefoxPage = {
    async evaluate(work, ...args) {
      const script = `return (${work})(...arguments)`;
      const { value } = (await marionette.send('WebDriver:ExecuteScript', { script, args })) as { value: never };
      return value;
    },
    async click(selector) {
      const [x, y] = await page.evaluate((selector) => {
        const element = document.querySelector(selector);
        if (!element) throw new Error(`expected ${selector}, got none`);
        element.scrollIntoView({ block: 'center', behavior: 'instant' });
        const { left, top, width, height } = element.getBoundingClientRect();
        return [Math.round(left + width / 2), Math.round(top + height / 2)];
      }, selector);
      await actions({
        type: 'pointer',
        id: 'mouse',
        actions: [
          { type: 'pointerMove', x, y, duration: 0 },
          { type: 'pointerDown', button: 0 },
          { type: 'pointerUp', button: 0 },
        ],
      });
    },
    async press(value) {
      await actions({
        type: 'key',
        id: 'keyboard',
        actions: [
          { type: 'keyDown', value },
          { type: 'keyUp', value },
        ],
      });
    },
  };
  return page;
}

/** A connection: messages are JSON behind their length in bytes and a colon; one command at a time. */
class Marionette {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #heard: (message: unknown) => void = () => {};
  #failed: (error: Error) => void = () => {};
  #id = 0;

  private constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('data', (bytes) => this.#hear(bytes));
    this.#socket.on('error', (error) => this.#failed(error));
    this.#socket.on('close', () => this.#failed(new Error('Firefox closed the connection.')));
  }

  static async open(port: number): Promise<Marionette> {
    const marionette = new Marionette(port);
    await marionette.#next(); // it says which protocol it speaks
    return marionette;
  }

  /** Sends a command and waits for its answer. @throws Error with Firefox's message */
  async send(name: string, parameters: object): Promise<unknown> {
    const answer = this.#next();
    const text = JSON.stringify([0, ++this.#id, name, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    const [, , error, result] = (await answer) as [1, number, { error: string; message: string } | null, unknown];
    if (error) throw new Error(`Firefox, ${name}: ${error.error}, ${error.message}`);
    return result;
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#heard = resolve;
      this.#failed = reject;
    });
  }

  #hear(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    const colon = this.#received.indexOf(':');
    const end = colon + 1 + Number(this.#received.toString('latin1', 0, Math.max(0, colon)));
    if (colon < 0 || this.#received.length < end) return;
    const message: unknown = JSON.parse(this.#received.toString('utf8', colon + 1, end));
    this.#received = this.#received.subarray(end);
    this.#heard(message);
  }
}
