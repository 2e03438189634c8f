/**
 * `npm run web:speed`: how soon the page shows a picture, answers an edit and draws a film, and how long it keeps its thread
 * busy, in headless Chromium on one thread, from a server on this machine.
 */
import { Command } from 'commander';
import type { Page } from 'playwright-core';
import { missingChromium, withPage } from '../browser/chromium.ts';
import { runTool } from '../command.ts';
import { firstLoad, gzipSizes } from './first-load.ts';
import { buildSite } from './site.ts';

const loads = 5;
const edits = 24;
const films = 8;
const restMs = 1500; // at each exhibit

async function print(): Promise<void> {
  if (missingChromium) throw new Error(`web:speed: ${missingChromium}`);
  const site = await buildSite();
  const rows: [what: string, figure: string][] = [];
  const times = (what: string, all: readonly number[]) =>
    rows.push([
      what,
      `${Math.round(median(all))} ms (median of ${all.length}; at most ${Math.round(Math.max(...all))})`,
    ]);
  const longest = (when: string, ms: number) => rows.push([`longest task, ${when}`, `${Math.round(ms)} ms`]);

  await withPage(
    async (path) => site.get(path),
    { isolated: false },
    async (blank) => {
      const browser = blank.context().browser()!;
      const url = blank.url();
      await blank.close();
      const cold: { first: number; ready: number; task: number }[] = [];
      let page = blank;
      while (cold.length < loads) {
        if (cold.length > 0) await page.context().close();
        page = await browser.newPage(); // in a context of its own, which has nothing cached
        const { result, task } = await traced(page, () => load(page, url));
        cold.push({ ...result, task });
      }
      const scrolled = await traced(page, () => scroll(page, 300));
      const idle = await traced(page, () => scroll(page, restMs));
      await page.locator('#touch .code').first().waitFor();
      const edited = await traced(page, () => edit(page));
      const filmed = await traced(page, () => film(page));
      const drawn = await traced(page, () => draw(page));
      const chosen = await traced(page, () => choose(page));
      const trained = await traced(page, () => train(page));

      times(
        'cold load, to the first picture',
        cold.map(({ first }) => first),
      );
      times(
        'cold load, until the model is there',
        cold.map(({ ready }) => ready),
      );
      times(
        'edit, to changed pixels',
        edited.result.map(({ pixels }) => pixels),
      );
      times(
        'film, to its first frame',
        filmed.result.map(({ pixels }) => pixels),
      );
      times(
        'film, until all of its frames are there',
        filmed.result.map(({ status }) => status),
      );
      longest('idle', idle.task);
      longest('loading', Math.max(...cold.map(({ task }) => task)));
      longest('scrolling to new exhibits', scrolled.task);
      longest('editing', edited.task);
      longest('films', filmed.task);
      longest('drawing by hand', drawn.task);
      longest('searching and choosing emoji', chosen.task);
      longest('training', trained.task);
    },
  );
  const size = gzipSizes(site, firstLoad(site)).reduce((sum, { size }) => sum + size, 0);
  rows.push(['code before the first picture', `${size.toFixed(1)} kB gzip`]);
  console.log(['| what | figure |', '|---|--:|', ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n'));
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Runs `work`, and measures the longest task of the page's main thread meanwhile, in ms. */
async function traced<T>(page: Page, work: () => Promise<T>): Promise<{ result: T; task: number }> {
  const browser = page.context().browser()!;
  await browser.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] });
  const result = await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const main = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = traceEvents.filter(({ name, pid, tid }) => name === 'RunTask' && main.has(`${pid} ${tid}`));
  if (tasks.length === 0)
    throw new Error('web:speed: expected tasks in the trace, got none. Has Chromium renamed them?');
  return { result, task: Math.max(...tasks.map(({ dur = 0 }) => dur)) / 1000 };
}
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** µs */
  readonly dur?: number;
  readonly args?: { readonly name?: string };
}

/** Opens the page: ms until its first picture, and until the model is there. */
async function load(page: Page, url: string): Promise<{ first: number; ready: number }> {
  await page.goto(url);
  return page.evaluate(async () => {
    let first = 0;
    for (;;) {
      const now = await new Promise<number>((frame) => requestAnimationFrame(frame));
      const canvas = document.querySelector<HTMLCanvasElement>('#tokenize figure:last-child canvas');
      if (first === 0 && canvas && canvas.width > 1) first = now;
      if (document.getElementById('status')?.textContent?.startsWith('Ready')) return { first, ready: now };
    }
  });
}

/** ms from the pointer's release to other pixels on a canvas, and to another text on the status line. */
interface Times {
  readonly pixels: number;
  readonly status: number;
}

async function clicked(page: Page, canvas: string, button: string): Promise<Times> {
  const changed = page.evaluate(async (selector) => {
    const canvas = document.querySelector<HTMLCanvasElement>(selector)!;
    const status = document.getElementById('status')!;
    const [picture, text] = [canvas.toDataURL(), status.textContent];
    const start = await new Promise<number>((resolve) =>
      addEventListener('pointerup', ({ timeStamp }) => resolve(timeStamp), { capture: true, once: true }),
    );
    const times = { pixels: 0, status: 0 };
    while (times.pixels === 0 || times.status === 0) {
      const now = await new Promise<number>((frame) => requestAnimationFrame(frame));
      if (times.pixels === 0 && canvas.toDataURL() !== picture) times.pixels = now - start;
      if (times.status === 0 && status.textContent !== text) times.status = now - start;
    }
    return times;
  }, canvas);
  await page.click(button);
  return changed;
}

/** Comes to each exhibit, and stays there. */
async function scroll(page: Page, rest: number): Promise<void> {
  for (const section of await page.locator('section[data-exhibit]').all()) {
    await section.scrollIntoViewIfNeeded();
    await page.waitForTimeout(rest);
  }
}

/** Puts other codes in the place of a token. Before each edit the engine is busy with pictures in the background again. */
async function edit(page: Page): Promise<Times[]> {
  const times: Times[] = [];
  for (let i = 0; i < edits; i++) {
    await page.waitForTimeout(450 + 10 * i);
    const code = i % 2 ? 3 + i : -1 - ((i / 2) % 4); // a near one, a far one
    times.push(await clicked(page, '#touch figure:last-child canvas', `#touch .code >> nth=${code}`));
  }
  return times;
}

async function film(page: Page): Promise<Times[]> {
  const times: Times[] = [];
  for (let i = 0; i < films; i++) {
    times.push(await clicked(page, '#film .picture', '#film button:text-is("Another")'));
    await page.waitForTimeout(1000); // it plays
    const play = page.locator('#film .main');
    if ((await play.innerText()) === 'Pause') await play.click(); // or its next frame would be taken for the next film
  }
  return times;
}

async function draw(page: Page): Promise<void> {
  const canvas = page.locator('#tokenize canvas.drawing');
  await canvas.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await canvas.boundingBox())!;
  await page.mouse.move(x + width / 4, y + height / 4);
  await page.mouse.down();
  for (let i = 1; i <= 60; i++)
    await page.mouse.move(x + width / 4 + (i * width) / 120, y + height / 4 + ((i % 9) * height) / 20);
  await page.mouse.up();
  await page.waitForTimeout(restMs);
}

async function choose(page: Page): Promise<void> {
  for (const word of ['strawberry', 'cat', 'heart']) {
    await page.fill('[type=search]', '');
    await page.locator('[type=search]').pressSequentially(word);
    await page.click('#tokenize .tile');
    await page.waitForTimeout(restMs / 2);
  }
}

async function train(page: Page): Promise<void> {
  await page.click('#train button:text-is("Start")');
  await page.waitForTimeout(4 * restMs);
  await page.click('#train button:text-is("Stop")');
  await page.locator('#train .training-status', { hasText: /^Stopped/ }).waitFor();
}

await runTool(
  new Command('npm run web:speed --')
    .description(
      'Measures the page in headless Chromium: first picture, edits, films, tasks of its thread, size of its code.',
    )
    .allowExcessArguments(false)
    .action(print),
);
