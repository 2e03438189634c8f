/** The page that trains: in a worker, on every device, with the page alive beside it, and errors where people see them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { missingChromium, withPage } from '../../tools/browser/chromium.ts';
import { buildSite, type Site } from '../../tools/web/site.ts';

const options = missingChromium ? { skip: missingChromium } : {};
if (missingChromium) console.log(`# SKIP web: ${missingChromium}`);
const site: Site = missingChromium ? new Map() : await buildSite();
const open = <T>(how: { isolated: boolean; gpu?: boolean }, use: (page: Page) => Promise<T>): Promise<T> =>
  withPage(async (path) => site.get(path), how, use);

const text = (page: Page, id: string): Promise<string> => page.innerText(`#${id}`);

async function start(page: Page, device: string, steps: number, model = 'titok'): Promise<void> {
  await page.selectOption('[name=model]', model);
  await page.selectOption('[name=device]', device);
  await page.fill('[name=steps]', String(steps));
  await page.click('#start');
}
const finished = (page: Page, timeout = 300_000): Promise<unknown> =>
  page.locator('#status', { hasText: /^(Finished|Stopped)/ }).waitFor({ timeout });
const stepped = (page: Page, steps: number, timeout = 300_000): Promise<unknown> =>
  page.waitForFunction((n) => Number.parseInt(document.getElementById('done')!.innerText, 10) >= n, steps, { timeout });

/**
 * Waits until the worker and its threads have ended, for 20 seconds. The browser is asked which workers it runs: the message
 * that a thread has ended gets lost at times, when its parent ends at the same moment.
 */
async function waitForEnd(page: Page): Promise<void> {
  const session = await page.context().browser()!.newBrowserCDPSession();
  const running = async () => {
    const { targetInfos } = await session.send('Target.getTargets');
    return targetInfos.filter(({ type }) => type === 'worker').length;
  };
  for (let tries = 0; tries < 400 && (await running()) > 0; tries++) await page.waitForTimeout(50);
  assert.equal(await running(), 0, 'the worker and its threads end with the training');
  await session.detach();
}

for (const isolated of [true, false]) {
  test(
    `cpu ${isolated ? 'with' : 'without'} cross-origin isolation: the page answers while its worker trains`,
    options,
    async () => {
      await open({ isolated }, async (page) => {
        await page.evaluate(() => {
          const ticks = [performance.now()];
          setInterval(() => ticks.push(performance.now()), 20);
          Object.assign(globalThis, { ticks });
        });
        await start(page, 'cpu', 100_000);
        await stepped(page, 20);
        assert.match(await text(page, 'status'), isolated ? /on cpu, \d+ threads/ : /on cpu, 1 thread,/);
        // a training on the page's own thread would let no timer run between its first and its last step
        const ticks = await page.evaluate(() => (globalThis as unknown as { ticks: number[] }).ticks);
        const longest = Math.max(...ticks.slice(1).map((at, i) => at - ticks[i]));
        assert.ok(longest < 1000, `expected the page to answer within a second, got a pause of ${longest} ms`);
        await page.click('#stop');
        await finished(page);
        assert.match(await text(page, 'status'), /^Finished after \d+ steps\.$/);
        assert.ok((await page.locator('#pictures canvas').count()) === 16, 'eight originals, eight reconstructions');
        await waitForEnd(page);
      });
    },
  );
}

test('the loss falls, tokens appear below the pictures, and a second training starts anew', options, async () => {
  await open({ isolated: true }, async (page) => {
    await start(page, 'cpu', 40);
    await stepped(page, 1);
    const first = Number(await text(page, 'loss'));
    await finished(page);
    assert.ok(Number(await text(page, 'loss')) < first / 2, `expected less than half of ${first}`);
    const caption = await page.locator('#pictures figcaption').first().innerText();
    assert.match(caption, /^\d+( \d+){15}$/);
    await start(page, 'cpu', 12, 'teacher');
    await finished(page);
    assert.equal(await text(page, 'done'), '12 / 12');
    assert.match(await page.locator('#pictures figcaption').first().innerText(), / … 48 more$/);
  });
});

test('pictures of the user’s own; a file that is none is named', options, async () => {
  await open({ isolated: true }, async (page) => {
    const png = await page.screenshot();
    await page.setInputFiles('[name=files]', [
      { name: 'a.png', mimeType: 'image/png', buffer: png },
      { name: 'b.png', mimeType: 'image/png', buffer: png },
    ]);
    await start(page, 'cpu', 3);
    await finished(page);
    assert.equal(await page.locator('#pictures figure').count(), 2);
    await page.setInputFiles('[name=files]', [{ name: 'c.png', mimeType: 'image/png', buffer: Buffer.from('no') }]);
    await start(page, 'cpu', 3);
    await page.locator('#error', { hasText: /^image c\.png: expected a picture/ }).waitFor();
  });
});

test('a missing device is an error on the page that says what to enable', options, async () => {
  await open({ isolated: false, gpu: false }, async (page) => {
    await start(page, 'webgpu', 3);
    await finished(page);
    assert.match(
      await text(page, 'error'),
      /^DeviceError: webgpu: expected a WebGPU adapter, got none .* --enable-unsafe-webgpu/,
    );
    await start(page, 'cpu', 2); // and the page goes on
    await finished(page);
    assert.equal(await page.locator('#error').isHidden(), true);
  });
});

for (const device of ['webgl2', 'webgpu']) {
  test(
    `${device}: the worker trains on it; a GPU that is lost is an error on the page, which goes on`,
    options,
    async () => {
      await open({ isolated: false }, async (page) => {
        await start(page, device, 100_000);
        await page.locator('#status', { hasText: `on ${device}, from` }).waitFor({ timeout: 120_000 }); // its kernels take longer
        const session = await page.context().browser()!.newBrowserCDPSession();
        await session.send('Browser.crashGpuProcess');
        await finished(page);
        assert.match(await text(page, 'error'), new RegExp(`^DeviceError: ${device}: .*lost`));
        await start(page, 'cpu', 2);
        await finished(page);
        assert.equal(await text(page, 'done'), '2 / 2');
      });
    },
  );
}
