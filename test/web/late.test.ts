/** What arrives late, an answer of the engine or a file, never overwrites what the visitor has asked for since. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { rowToText } from '../../web/link.ts';
import { openPage, options } from './open.ts';

const ids = (page: Page, chips: string): Promise<number[]> =>
  page.$$eval(`${chips} .chip`, (all) => all.map(({ textContent }) => Number(textContent)));
const rowB = '#mix .chips[aria-label^="Tokens of B"]';
const [a, b] = [3, 5].map((step) => Array.from({ length: 32 }, (_, i) => (i * step) % 512));
const link32 = `#m=emoji-32&t=${rowToText(a, 512)}&o=${rowToText(b, 512)}`;
const link64 = `#t=${rowToText(a, 1024)}&o=${rowToText(b, 1024)}`;

/** Holds a request until it is let go. */
async function held(page: Page, url: string): Promise<() => void> {
  let letGo = () => {};
  const until = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  await page.route(url, (route) => until.then(() => route.continue().catch(() => {})), { times: 1 });
  return letGo;
}

test('while the model of a link loads, the address keeps its rows; then undo knows no others', options, async () => {
  await openPage(async (page) => {
    await page.locator('#touch .code').first().waitFor();
    const letGo = await held(page, '**/models/emoji-32*');
    await page.evaluate((hash) => {
      [...document.querySelectorAll<HTMLElement>('#touch .code')].at(-1)!.click(); // something to undo
      const status = document.querySelector('#status')!;
      new MutationObserver(() => {
        if (!/^Ready: 32 tokens of 512/.test(status.textContent!)) return;
        const undo = [...document.querySelectorAll('button')].find(({ textContent }) => textContent === 'Undo')!;
        document.body.dataset['undo'] = `${!undo.disabled}`;
      }).observe(status, { childList: true });
      location.hash = hash;
    }, link32);
    await page.waitForTimeout(500); // the address is written 200 ms after a change
    assert.equal(new URL(page.url()).hash, link32, 'while it loads');
    letGo();
    await page.locator('body[data-undo=false]').waitFor();
    await page.waitForFunction(() => location.hash.includes('k.touch.token=')); // Touch shows codes of the new model
    assert.ok(new URL(page.url()).hash.startsWith(link32), page.url());
  });
});

test('a link that is opened while a picture is encoded or a film is drawn is what is shown', options, async () => {
  await openPage(async (page) => {
    for (const [exhibit, shown] of Object.entries({ mix: 'canvas[width="64"]', film: '.frame', tokenize: '.tile' })) {
      await page.locator(`#${exhibit}`).scrollIntoViewIfNeeded();
      await page.locator(`#${exhibit} ${shown}`).first().waitFor();
    }
    const wrong: string[] = [];
    for (const [place, text] of ['Clear', 'Surprise me', 'Take the picture at hand', 'Play'].entries()) {
      await page.evaluate(
        async ([text, hash]) => {
          const buttons = [...document.querySelectorAll<HTMLElement>('.stage button')];
          const button = buttons.find(({ textContent }) => textContent === text)!;
          button.click();
          do await new Promise((frame) => requestAnimationFrame(() => setTimeout(frame)));
          while (text === 'Play' && button.textContent === text); // the film's first steps are there
          location.hash = hash;
          await new Promise((opened) => addEventListener('hashchange', opened, { once: true }));
        },
        [text, `${link64}&k.few.k=${place + 1}`],
      );
      await page
        .locator('#touch .chip')
        .nth(place + 1)
        .click(); // the engine answers this one last
      await page.locator('#touch p', { hasText: `Code ${a[place + 1]}, then the codes` }).waitFor();
      if (`${await ids(page, '#tokenize')}` !== `${a}` || `${await ids(page, rowB)}` !== `${b}`) wrong.push(text);
    }
    assert.deepEqual(wrong, []);
  });
});

test('a model that is left and chosen again while it loads has its map', options, async () => {
  await openPage(async (page) => {
    await page.locator('#codes').scrollIntoViewIfNeeded();
    await page.locator('#codes .chip').first().waitFor();
    const letGo = await held(page, '**/models/emoji-32*');
    for (const name of ['emoji-32', 'emoji-64', 'emoji-32']) await page.selectOption('#bar select', name);
    letGo();
    await page.locator('#status', { hasText: /^Ready: 32 tokens of 512/ }).waitFor();
    await page.locator('#codes canvas[aria-label^="map of 512 codes"]').waitFor();
    await page.locator('#codes p', { hasText: /^Used/ }).waitFor();
  });
});

test('a link that is opened while the tokens of the wall arrive leaves them to be counted', options, async () => {
  await openPage(async (page) => {
    const letGo = await held(page, '**/assets/emoji-64*.tokens');
    await page.locator('#codes').scrollIntoViewIfNeeded();
    await page.locator('#codes p', { hasText: /^Counting/ }).waitFor();
    const neighbors = page.getByLabel(`codes like ${a[0]}`);
    await page.evaluate((hash) => {
      location.hash = hash;
    }, `${link64}&x=codes`);
    await neighbors.waitFor(); // those of the link's first token: the engine has the model again
    letGo();
    await page.locator('#codes p', { hasText: /^Used/ }).waitFor();
  });
});

test('a link that is opened while a tile of a code is cut from the sheet is what is shown', options, async () => {
  await openPage(async (page) => {
    await page.locator('#codes').scrollIntoViewIfNeeded();
    await page.locator('#codes .tile').first().waitFor();
    await page.locator('#mix .chip').first().waitFor({ state: 'attached' });
    await page.evaluate(async (hash) => {
      const real = window.createImageBitmap;
      const cut = new Promise<void>((done) => {
        window.createImageBitmap = (async (...source: [ImageBitmap]) => {
          await new Promise((resolve) => addEventListener('cut on', resolve));
          return real(...source).finally(() => setTimeout(done));
        }) as typeof real;
      });
      document.querySelector<HTMLElement>('#codes .tile')!.click();
      location.hash = hash;
      await new Promise((opened) => addEventListener('hashchange', opened, { once: true }));
      dispatchEvent(new Event('cut on'));
      await cut;
    }, link64);
    assert.deepEqual(await ids(page, '#tokenize'), a);
  });
});

test('a film that waits for the engine is drawn when a link with its settings is opened', options, async () => {
  await openPage(
    async (page) => {
      await page.locator('#touch .code').first().waitFor({ state: 'attached' });
      await page.locator('#film .frame').first().waitFor();
      const left = await page.evaluate(async (hash) => {
        const another = [...document.querySelectorAll<HTMLElement>('#film button')].find(
          ({ textContent }) => textContent === 'Another',
        )!;
        [...document.querySelectorAll<HTMLElement>('#touch .code')].at(-1)!.click(); // the engine is busy with its picture
        another.click(); // seed 2
        location.hash = hash;
        await new Promise((opened) => addEventListener('hashchange', opened, { once: true }));
        return document.querySelectorAll('#film .frame').length;
      }, `${link64}&x=film&s=2`);
      assert.equal(left, 0, 'the film before is gone');
      await page.locator('#film .frame').first().waitFor();
      assert.deepEqual(await ids(page, '#tokenize'), a, 'and the row is that of the link');
    },
    { hash: '#x=film', reducedMotion: 'reduce' },
  );
});

test('Start waits for pictures that are being read', options, async () => {
  await openPage(async (page) => {
    const train = page.locator('#train');
    await train.scrollIntoViewIfNeeded();
    await train.getByLabel('Train', { exact: true }).selectOption('teacher');
    await page.evaluate(() => {
      const real = window.createImageBitmap;
      window.createImageBitmap = (async (source: Blob, ...rest: []) => {
        await new Promise((resolve) => addEventListener('read on', resolve));
        return real(source, ...rest);
      }) as typeof real;
    });
    const buffer = await page.screenshot();
    await train.getByLabel('Pictures to train on').setInputFiles([{ name: 'a.png', mimeType: 'image/png', buffer }]);
    assert.ok(await train.getByRole('button', { name: 'Start' }).isDisabled());
    await page.evaluate(() => dispatchEvent(new Event('read on')));
    await train.locator('.training-status', { hasText: /^1 picture of yours/ }).waitFor();
    await train.getByRole('button', { name: 'Start' }).click();
    await train.locator('p', { hasText: /\b1 to learn from/ }).waitFor();
  });
});
