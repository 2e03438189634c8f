/** The whole page, as visitors come to it: with a keyboard, a phone, a screen reader, a link, or in a browser where things go wrong. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { crc32 } from '../../data/index.ts';
import { openPage, options, ready } from './open.ts';

const exhibits = ['tokenize', 'touch', 'mix', 'few', 'film', 'fit', 'codes', 'train'];

/** Opens the page with all of its exhibits, and what is folded away unfolded. Nothing moves on its own. */
async function openAll(use: (page: Page) => Promise<void>): Promise<void> {
  await openPage(
    async (page) => {
      for (const name of exhibits) await page.locator(`#${name} .stage > *`).first().waitFor({ state: 'attached' });
      for (const shown of ['#tokenize .tile', '#touch .code', '#film .frame', '#codes .tile'])
        await page.locator(shown).first().waitFor({ state: 'attached' });
      await page.$$eval('details', (all) => {
        for (const details of all) details.open = true;
      });
      await use(page);
    },
    { hash: '#x=train', reducedMotion: 'reduce' },
  );
}

test('in light and dark axe finds no serious fault, and nothing is too wide for a phone', options, async () => {
  await openAll(async (page) => {
    const wrong: string[] = [];
    await page.setViewportSize({ width: 360, height: 740 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (over > 0) wrong.push(`${colorScheme}: ${over} px too wide`);
      const spills = await page.$$eval('pre', (all) => all.filter((pre) => pre.scrollWidth > pre.clientWidth).length);
      if (spills > 0) wrong.push(`${colorScheme}: code runs out of its box`);
      const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
      for (const { impact, id, nodes } of violations)
        if (impact === 'serious' || impact === 'critical')
          wrong.push(`${colorScheme}: ${id}, ${nodes.map(({ html }) => html).join(' ')}`);
    }
    assert.deepEqual(wrong, []);
  });
});

test('Tab reaches everything that can be clicked, and shows where it is', options, async () => {
  await openAll(async (page) => {
    // within a row of chips the arrow keys move, and pictures of a strip are also reached by the slider beside them
    await page.evaluate(() => {
      const controls = 'a[href], button, input, select, summary, canvas.drawing';
      for (const element of document.querySelectorAll<HTMLElement>(controls)) {
        const isSeen =
          element.checkVisibility({ visibilityProperty: true }) && !(element as HTMLButtonElement).disabled;
        if (isSeen && !element.closest('.chips[role=toolbar], .strip')) element.dataset['wanted'] = '';
      }
      for (const chip of document.querySelectorAll<HTMLElement>('.chips[role=toolbar] > :first-child'))
        chip.dataset['wanted'] = '';
      addEventListener('focusin', ({ target }) => {
        const element = target as HTMLElement;
        delete element.dataset['wanted'];
        const { outlineStyle } = getComputedStyle(element);
        if (outlineStyle === 'none') element.dataset['unseen'] = '';
      });
    });
    const count = await page.locator('[data-wanted]').count();
    assert.ok(count > 150, `expected many controls, got ${count}`);
    for (let i = 0; i < count + 60 && (await page.locator('[data-wanted]').count()) > 0; i += 20)
      for (let j = 0; j < 20; j++) await page.keyboard.press('Tab');
    const html = (selector: string) =>
      page.$$eval(selector, (all) => all.map((element) => `${element.closest('[id]')?.id}: ${element.outerHTML}`));
    assert.deepEqual(await html('[data-wanted]'), []);
    assert.deepEqual(await html('[data-unseen]'), []);
  });
});

test('pictures are drawn and painted by keyboard', options, async () => {
  await openPage(async (page) => {
    const drawing = page.locator('#tokenize canvas.drawing');
    const before = await page.locator('#tokenize .chip').allTextContents();
    await page.locator('#tokenize .tools').getByRole('button', { name: 'green' }).press('Enter');
    await drawing.press(' ');
    for (let i = 0; i < 9; i++) await page.keyboard.press('ArrowRight');
    await page.keyboard.press(' ');
    await page.keyboard.press('ArrowDown'); // the pen is lifted
    await page.locator('#tokenize figcaption', { hasText: 'drawing' }).waitFor();
    const colors = await drawing.evaluate((canvas: HTMLCanvasElement) =>
      [128, 200, 250].map((x) => [...canvas.getContext('2d')!.getImageData(x, 128, 1, 1).data].join()),
    );
    assert.deepEqual(
      colors.map((color) => color === '47,158,68,255'),
      [true, true, false],
    );
    await page.waitForFunction(
      (before) => [...document.querySelectorAll('#tokenize .chip')].map((chip) => chip.textContent).join() !== before,
      before.join(),
    );
    await page.locator('#fit').scrollIntoViewIfNeeded();
    await page.locator('#fit canvas').first().press(' ');
    await page.locator('#fit figcaption', { hasText: 'Only the painted part counts' }).waitFor();
  });
});

/** What a link restores: rows, pictures, fields, and where the page stands. */
async function restored(page: Page) {
  const state = await page.evaluate(() => ({
    rows: ['#tokenize', '#mix', '#film'].map((id) =>
      [...document.querySelectorAll(`${id} .chip`)].map((chip) => chip.textContent).join(' '),
    ),
    pictures: ['#tokenize figure:last-child canvas', '#mix figure:nth-child(3) canvas', '#film .picture'].map(
      (canvas) => document.querySelector<HTMLCanvasElement>(canvas)!.toDataURL(),
    ),
    fields: [...document.querySelectorAll<HTMLInputElement>('#few input, #film input, #film select, #codes input')].map(
      ({ value }) => value,
    ),
    token: document.querySelector('#touch .chip[aria-pressed=true]')?.getAttribute('aria-label'),
    exhibit: document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest('section')?.id,
    address: location.hash,
  }));
  return { ...state, pictures: state.pictures.map((url) => crc32(Buffer.from(url))) }; // so that a failure can be read
}

/** What the page shows when nothing has changed for three seconds. */
async function settled(page: Page) {
  let state = await restored(page);
  for (let same = 0; same < 3; ) {
    await page.waitForTimeout(1000);
    const now = await restored(page);
    same = isDeepStrictEqual(now, state) ? same + 1 : 0;
    state = now;
  }
  return state;
}

test('a link restores pictures, exhibit, seed and knobs exactly', options, async () => {
  await openAll(async (page) => {
    const said = (text: RegExp) => page.locator('#status', { hasText: text }).waitFor();
    await page.locator('#few').getByLabel('First tokens').fill('9');
    await page.locator('#codes').getByLabel('Code', { exact: true }).fill('77');
    await page.locator('#touch .chip >> nth=6').click();
    await page.locator('#touch .code[aria-pressed=true]').waitFor();
    await page.locator('#touch .code >> nth=5').click();
    await page.locator('#mix').getByRole('button', { name: 'Swap' }).click();
    await page.locator('#mix .chip >> nth=2').click(); // a token of A to B
    await page.locator('#film input[list]').fill('mammal');
    await page.locator('#film input[list]').press('Enter');
    await said(/^Drawn: animal: mammal, seed 1/);
    await page.locator('#film .slider', { hasText: 'Steps' }).locator('input').fill('5');
    await said(/in 5 steps/);
    await page.locator('#film').getByRole('button', { name: 'Another' }).click();
    await said(/seed 2, in 5 steps/);
    await page.locator('#mix').evaluate((section) => section.scrollIntoView({ block: 'center' }));
    await page.waitForFunction(() => /x=mix/.test(location.hash));
    const before = await settled(page); // pictures and address follow
    for (const field of [
      't',
      'o',
      'x',
      's',
      'k.film.class',
      'k.film.steps',
      'k.few.k',
      'k.codes.code',
      'k.touch.token',
    ])
      assert.ok(new URLSearchParams(before.address.slice(1)).has(field), `${field} in ${before.address}`);

    const other = await page.context().browser()!.newPage({ reducedMotion: 'reduce' });
    other.setDefaultTimeout(120_000);
    await other.goto(page.url());
    await ready(other);
    await other.locator('#film .frame >> nth=4').waitFor();
    await other.locator('#mix .mixtures canvas[width="64"]').first().waitFor({ state: 'attached' }); // after the film
    for (const until = performance.now() + 120_000; performance.now() < until; await other.waitForTimeout(250))
      if (isDeepStrictEqual(await restored(other), before)) break;
    assert.deepEqual(await settled(other), before);
  });
});

// What goes wrong is a sentence, and the page goes on.

const sentence = (page: Page, hasText: RegExp) => page.locator('#error', { hasText }).waitFor();
const drop = (page: Page, name: string, bytes: Buffer) =>
  page.evaluate(
    ([name, base64]) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    },
    [name, bytes.toString('base64')],
  );
const chosen = (page: Page, name: string) => page.locator('#tokenize figcaption', { hasText: name }).waitFor();

test(
  'dropped files: a text, a picture that is damaged or beyond all bounds, and one of 81 million pixels',
  options,
  async () => {
    await openPage(async (page) => {
      await drop(page, 'notes.txt', Buffer.from('no picture'));
      await sentence(page, /^notes\.txt is not a picture that this browser can read\. Try a PNG or JPEG file/);
      const solid = (side: number) =>
        sharp({ create: { width: side, height: side, channels: 3, background: '#c33' } }).png();
      const beyond = await solid(16).toBuffer();
      beyond.writeUInt32BE(60_000, 16); // width
      beyond.writeUInt32BE(60_000, 20);
      await drop(page, 'beyond.png', beyond);
      await sentence(page, /^beyond\.png is not a picture that this browser can read/);
      await page.locator('#error').getByRole('button', { name: 'Close' }).click();
      await drop(page, 'huge.png', await solid(9000).toBuffer());
      await chosen(page, 'huge');
      await page.locator('#tokenize figcaption', { hasText: /^40 bytes, [2-9]\d/ }).waitFor();
      assert.equal(await page.locator('#error').isVisible(), false);
      await page.setViewportSize({ width: 360, height: 740 });
      await drop(page, `${'long'.repeat(30)}.png`, await solid(16).toBuffer());
      await chosen(page, 'longlonglong');
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, 'too wide');
    });
  },
);

test('a worker that dies in the middle of its work', options, async () => {
  await openPage(async (page) => {
    await page.locator('#fit').scrollIntoViewIfNeeded();
    const fit = page.locator('#fit').getByRole('button', { name: 'Fit' });
    await fit.click();
    await page.locator('#fit figcaption', { hasText: /^Gradient/ }).waitFor();
    const die = () => {
      setTimeout(() => {
        throw new Error('out of luck');
      }, 0);
    };
    await Promise.all(page.workers().map((worker) => worker.evaluate(die))); // "How few?" has one, too
    await sentence(
      page,
      /^The engine of this page stopped \(.*out of luck\)\. It starts again with what you do next\./,
    );
    await page.locator('#fit').getByRole('button', { name: 'Whole picture' }).click();
    await fit.click();
    await page.locator('#status', { hasText: /^Fitted/ }).waitFor({ timeout: 240_000 });
  });
});

test('without WebGPU, and where no storage has room', options, async () => {
  await openPage(
    async (page) => {
      await page.addInitScript(() => {
        Cache.prototype.put = () => Promise.reject(new DOMException('full', 'QuotaExceededError'));
        for (const [storage, method] of [
          [IDBFactory.prototype, 'open'],
          [Storage.prototype, 'setItem'],
        ] as const)
          Object.defineProperty(storage, method, {
            value() {
              throw new DOMException('full', 'QuotaExceededError');
            },
          });
        Object.defineProperty(navigator, 'gpu', { value: undefined });
      });
      await page.reload();
      await ready(page);
      await page.fill('[type=search]', 'strawberry');
      await page.click('.tile');
      await page.locator('#tokenize figcaption', { hasText: /^40 bytes, 1\d\.\d dB$/ }).waitFor();
      await page.locator('#train').scrollIntoViewIfNeeded();
      await page.locator('#train').getByLabel('Updates', { exact: true }).fill('1');
      await page.locator('#train').getByRole('button', { name: 'Start' }).click();
      await page
        .locator('#train .problem', { hasText: /^This browser cannot keep the training \(its storage is full\)/ })
        .waitFor({ timeout: 240_000 });
      assert.equal(await page.locator('#error').isVisible(), false);
    },
    { gpu: false },
  );
});

test('without the model, then without the emoji, then without an exhibit', options, async () => {
  await openPage(async (page) => {
    for (const [files, words] of [
      ['**/models/*.safetensors*', /^The model could not be fetched: the network does not answer\. Reload the page/],
      ['**/models/*.safetensors*', /^The model could not be fetched: the server answered 503\. Reload the page/],
      ['**/models/*.safetensors*', /^The model could not be fetched: what the server sent is no model\. Reload/],
    ] as const) {
      await page.evaluate(() => caches.delete('titok-models'));
      await page.context().route(files, (route) => {
        if (words.source.includes('503')) return route.fulfill({ status: 503 });
        return words.source.includes('sent') ? route.fulfill({ body: 'Please log in' }) : route.abort();
      });
      await page.reload();
      await sentence(page, words);
      await page.context().unroute(files);
    }
    await page.context().route('**/emoji/**', (route) => route.abort());
    await page.reload();
    await ready(page);
    await page
      .locator('#tokenize p', { hasText: /^The emoji could not be fetched\. Drop a picture of your own/ })
      .waitFor();
    await page.context().route('**/assets/mix-*.js', (route) => route.abort());
    await page.reload();
    await ready(page);
    await page.locator('#mix').scrollIntoViewIfNeeded();
    await sentence(page, /^A part of this page could not be fetched\. Reload the page to try again\./);
  });
});
