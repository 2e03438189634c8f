/** Exhibit 8: networks learn on the page, which stays in the visitor's hands whatever happens. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { crc32 } from '../../data/index.ts';
import { drawShapes } from '../../web/training/shapes.ts';
import { parseTokenRows } from '../../web/training/token-rows.ts';
import { openPage, options } from './open.ts';
import { run } from './trained.ts';

// 1. What trains, without a browser.

for (const kind of ['titok', 'teacher'] as const) {
  test(`${kind}: a training that goes on from its file repeats the updates of one that never stopped`, async () => {
    const plan = { kind, steps: 9, seed: 3 };
    const whole = await run({ plan });
    const { file } = await run({ plan }, 5);
    const rest = await run({ plan: { kind: 'teacher', steps: 1, seed: 0 }, file }, 9);
    assert.deepEqual(rest.ready.log, whole.log.slice(0, 5), 'the curve so far');
    assert.deepEqual(rest.log, whole.log.slice(5));
    assert.deepEqual(rest.frame, whole.frame);
  });
}

test('of few pictures none is called held out; of many those are that nothing is learned from', async () => {
  let x = 0;
  const own = (count: number) => drawShapes(count, 32, () => (x = (x + 0.618) % 1));
  const plan = { kind: 'teacher', steps: 2, seed: 1 } as const;
  const few = await run({ plan, pictures: own(15) });
  assert.deepEqual([few.ready.learned, few.ready.heldOut], [15, 0]);
  assert.ok(few.log.every(({ heldOut }) => heldOut === undefined));
  const many = await run({ plan, pictures: own(40) });
  assert.deepEqual([many.ready.learned, many.ready.heldOut], [30, 10]);
  assert.ok(many.log[0].heldOut! > 0);
});

test('the token rows are those of the model in the box', () => {
  const rows = parseTokenRows(readFileSync('web/assets/emoji-rows.safetensors'));
  const model = crc32(readFileSync('models/emoji-32.safetensors'));
  assert.equal(rows.crc32, model, 'emoji-32 has changed: run npm run web:tokens');
  assert.equal(rows.train.tokens.length, 32 * rows.train.labels.length);
  assert.ok(rows.train.tokens.every((id) => id >= 0 && id < 512));
  assert.ok(rows.train.labels.length > 2500 && rows.heldOut.labels.length === 128);
});

// 2. What a visitor sees.

const exhibit = (page: Page) => page.locator('#train');
const select = (page: Page, label: string) =>
  exhibit(page)
    .locator('label', { hasText: new RegExp(`^${label}`) })
    .locator('select');
const press = (page: Page, name: string | RegExp) =>
  exhibit(page)
    .getByRole('button', { name, exact: typeof name === 'string' })
    .click();
const goOn = (page: Page) => exhibit(page).getByRole('button', { name: /^Go on from update/ });
const status = (page: Page, hasText: RegExp, timeout = 240_000) =>
  exhibit(page).locator('.training-status', { hasText }).waitFor({ timeout });
const problem = (page: Page, hasText: RegExp, timeout = 120_000) =>
  exhibit(page).locator('.problem', { hasText }).waitFor({ timeout });
const updates = async (page: Page): Promise<number> =>
  Number(/update (\d+)/i.exec(await exhibit(page).locator('.training-status').innerText())?.[1] ?? 0);
const stepped = (page: Page, least: number) =>
  page.waitForFunction(
    (least) => Number(/^Update (\d+)/.exec(document.querySelector('.training-status')!.textContent!)?.[1]) >= least,
    least,
    { timeout: 240_000 },
  );

/** Waits until the browser has kept the training after an update. */
const saved = (page: Page, update: number) =>
  page.evaluate(async (update) => {
    for (let done = -1; done !== update; await new Promise((resolve) => setTimeout(resolve, 30)))
      done = await new Promise<number>((resolve, reject) => {
        const open = indexedDB.open('titok-training');
        open.onerror = () => reject(open.error);
        open.onsuccess = () => {
          const get = open.result.transaction('runs').objectStore('runs').get('last');
          get.onerror = () => reject(get.error);
          get.onsuccess = () => resolve(get.result?.savedDone ?? 0);
          open.result.close(); // once the transaction is over
        };
      });
  }, update);

async function choose(page: Page, train: string, device?: string): Promise<void> {
  await exhibit(page).scrollIntoViewIfNeeded();
  await select(page, 'Train').selectOption(train);
  if (!device) return;
  await exhibit(page).getByText('Advanced').click();
  await select(page, 'Device').selectOption(device);
}

test('MaskGIT learns beside a page that answers; pause, one update, a reload, and going on', options, async () => {
  await openPage(async (page) => {
    await choose(page, 'generator');
    await press(page, 'Start');
    await stepped(page, 1);
    // a training on the page's own thread would leave no time for any of this between two updates
    const answered = await page.evaluate(async () => {
      const status = document.querySelector('.training-status')!;
      let most = 0;
      // some changes may be due already, all at once where the page had to wait for a core
      for (let change = 1; change <= 6; change++) {
        let turns = 0;
        for (const before = status.textContent; status.textContent === before; turns++)
          await new Promise((resolve) => setTimeout(resolve, 0));
        most = Math.max(most, turns);
      }
      return most;
    });
    assert.ok(answered > 3, `expected the page to go on between two updates, got ${answered} turns`);
    assert.ok(await exhibit(page).getByLabel('Updates', { exact: true }).isDisabled());
    await press(page, 'Pause');
    await status(page, /^Paused/);
    const paused = await updates(page);
    await press(page, 'One update');
    await status(page, new RegExp(`^Paused after update ${paused + 1} `));
    assert.equal(await exhibit(page).locator('figure canvas').count(), 8);

    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await new AxeBuilder({ page }).setLegacyMode().include('#train').analyze();
      assert.deepEqual(
        violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ help }) => help),
        [],
      );
    }
    await page.setViewportSize({ width: 390, height: 800 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no overflow');

    await saved(page, paused + 1);
    await page.reload();
    await exhibit(page).scrollIntoViewIfNeeded();
    await status(page, new RegExp(`^Kept from your last visit: ${paused + 1} of 400`));
    assert.equal(await exhibit(page).locator('figure canvas').count(), 8, 'and its pictures');
    await select(page, 'Train').selectOption('teacher');
    assert.ok(await goOn(page).isHidden());
    await select(page, 'Train').selectOption('generator');
    await status(page, new RegExp(`^${paused + 1} of 400 updates`));
    assert.equal(await exhibit(page).locator('figure canvas').count(), 8, 'another kind was only looked at');
    await goOn(page).click();
    await stepped(page, paused + 2);
    await press(page, 'Stop');
    await status(page, /^Stopped after update/);
    const first = page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const status = document.querySelector('.training-status')!;
          new MutationObserver((_, observer) => {
            const update = /^Update (\d+)/.exec(status.textContent!);
            if (!update) return;
            observer.disconnect();
            resolve(Number(update[1]));
          }).observe(status, { childList: true, characterData: true, subtree: true });
        }),
    );
    await press(page, 'Start anew');
    assert.equal(await first, 1);
  });
});

test('own pictures: a bad one is named, and with few of them nothing is called held out', options, async () => {
  await openPage(async (page) => {
    await choose(page, 'teacher');
    const png = await page.screenshot();
    await exhibit(page)
      .getByLabel('Pictures to train on')
      .setInputFiles([
        { name: 'a.png', mimeType: 'image/png', buffer: png },
        { name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('no') },
        { name: 'b.png', mimeType: 'image/png', buffer: png },
      ]);
    await problem(page, /^broken\.png: no picture that this browser can read\. The other 2 are used\./);
    await press(page, 'Start');
    await stepped(page, 2);
    assert.match(await exhibit(page).locator('h3').innerText(), /^Pictures that it learns from \(2 are too few/);
    assert.equal(await exhibit(page).locator('.problem').isHidden(), true, 'the last trouble is over');
    await press(page, 'Pause');
    await status(page, /^Paused/);
    const at = await updates(page);

    const [file] = await Promise.all([page.waitForEvent('download'), press(page, 'Download')]);
    assert.equal(file.suggestedFilename(), `teacher-${at}.safetensors`);
    const path = await file.path();
    await press(page, 'Stop');
    await status(page, /^Stopped/);
    await exhibit(page)
      .getByLabel('A training that was downloaded here')
      .setInputFiles({
        name: 'mine.safetensors',
        mimeType: 'application/octet-stream',
        buffer: readFileSync(path),
      });
    await stepped(page, at + 1);
    await press(page, 'Stop');
    await status(page, /^Stopped/);
    await exhibit(page)
      .getByLabel('A training that was downloaded here')
      .setInputFiles({
        name: 'other.safetensors',
        mimeType: 'application/octet-stream',
        buffer: Buffer.from('no'),
      });
    await problem(page, /^This file is no training that this page can go on with/);
  });
});

test('a worker that dies and a storage that is full are sentences, and the page goes on', options, async () => {
  await openPage(async (page) => {
    await page.evaluate(() => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException('full', 'QuotaExceededError');
      };
    });
    await choose(page, 'teacher');
    await press(page, 'Start');
    await stepped(page, 1);
    await press(page, 'Pause');
    await problem(page, /^This browser cannot keep the training \(its storage is full\)/);
    await Promise.all(
      page.workers().map((worker) =>
        worker.evaluate(() => {
          setTimeout(() => {
            throw new Error('out of luck');
          }, 0);
        }),
      ),
    );
    await problem(page, /^The training stopped unexpectedly\./);
    await press(page, 'Start anew');
    await stepped(page, 1);
  });
});

test('Stop before the first update, on a device that compiles', options, async () => {
  await openPage(async (page) => {
    await choose(page, 'titok', 'webgpu');
    await press(page, 'Start');
    await press(page, 'Stop');
    await status(page, /^Stopped before the first update\./, 30_000);
    assert.equal(await exhibit(page).getByLabel('Updates', { exact: true }).isEnabled(), true);
    await select(page, 'Device').selectOption('cpu');
    await press(page, 'Start');
    await stepped(page, 1);
  });
});

test('with cross-origin isolation the training has threads', options, async () => {
  await openPage(
    async (page) => {
      await choose(page, 'teacher');
      await press(page, 'Start');
      await stepped(page, 1);
      assert.match(await exhibit(page).innerText(), /\d+ threads\./);
      await press(page, 'Stop');
      await status(page, /^Stopped/);
      await press(page, /^Start/); // anew, unless the worker was ended before it saved
      await stepped(page, 1);
    },
    { isolated: true },
  );
});

test('without a GPU a visitor is told what to choose, and the library’s message stands behind', options, async () => {
  await openPage(
    async (page) => {
      await choose(page, 'teacher', 'webgpu');
      await press(page, 'Start');
      await problem(page, /^WebGPU does not work here\. Choose the processor under Advanced/);
      const [sentence] = (await exhibit(page).locator('.problem').innerText()).split('\n');
      assert.doesNotMatch(sentence, /npm|apt-get|Error/);
      await exhibit(page).getByText('What the library says').click();
      assert.match(await exhibit(page).locator('.problem p').innerText(), /^DeviceError: webgpu: /);
      await select(page, 'Device').selectOption('cpu');
      await press(page, 'Start');
      await stepped(page, 1);
    },
    { gpu: false },
  );
});

for (const [device, name] of [
  ['webgl2', 'WebGL 2'],
  ['webgpu', 'WebGPU'],
]) {
  test(`${device}: a GPU that is lost is a sentence, and the page goes on`, options, async () => {
    const lose = async (page: Page) => {
      await choose(page, 'titok', device);
      await press(page, 'Start');
      await status(page, /^(Compiling|Drawing|Update)/);
      const session = await page.context().browser()!.newBrowserCDPSession();
      // lost while it compiles or trains; a driver that only hangs meets the time limit
      const says = new RegExp(`^${name} (was lost|does not work here|did not get ready|has not answered)`);
      const told = problem(page, says, 200_000).then(() => true);
      do await session.send('Browser.crashGpuProcess');
      while (!(await Promise.race([told, sleep(15_000, false)]))); // again, if it came before the training had its context
      await select(page, 'Device').selectOption('cpu');
      await press(page, /^Start/);
      await stepped(page, 1);
    };
    await openPage(lose, { gpu: true }); // a browser of its own, whose GPU process may go
  });
}
