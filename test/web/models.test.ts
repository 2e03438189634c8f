/** Another model, by the bar or by a link: rows, tiles and undo are never those of the model before. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { rowToText } from '../../web/link.ts';
import { openPage, options, ready } from './open.ts';

const ids = (page: Page, chips: string): Promise<number[]> =>
  page.$$eval(`${chips} .chip`, (all) => all.map(({ textContent }) => Number(textContent)));
const rowB = '#mix .chips[aria-label^="Tokens of B"]';
const readyWith = (page: Page, codes: string) =>
  page.locator('#status', { hasText: new RegExp(`^Ready: 32 tokens of ${codes} codes`) }).waitFor();
const isFine = async (page: Page) => assert.equal(await page.locator('#error').isVisible(), false);
const open = (page: Page, hash: string) =>
  page.evaluate((hash) => {
    location.hash = hash;
  }, hash);

test(
  'tiles of Touch follow the model; one that is chosen and left again at once changes nothing',
  options,
  async () => {
    await openPage(async (page) => {
      const first = [await ids(page, '#tokenize'), await ids(page, rowB)];
      await page.locator('#touch').scrollIntoViewIfNeeded();
      await page.locator('#touch .code').first().waitFor();
      await page.selectOption('#bar select', 'emoji-32');
      await readyWith(page, '512');
      await page.waitForFunction(() =>
        [...document.querySelectorAll('#touch .code')].every((tile) => Number(/\d+/.exec(tile.ariaLabel!)) < 512),
      );
      await page.locator('#touch .code canvas[width="32"]').first().waitFor();
      await isFine(page);
      await page.selectOption('#bar select', 'emoji-64');
      await readyWith(page, '1,024');
      await page.evaluate(async () => {
        const select = document.querySelector<HTMLSelectElement>('#bar select')!;
        const changed = new Promise((resolve) =>
          new MutationObserver(resolve).observe(document.querySelector('[data-model=bytes]')!, { childList: true }),
        );
        for (const name of ['emoji-32', 'emoji-64']) {
          select.value = name;
          select.dispatchEvent(new Event('change'));
          if (name === 'emoji-32') await changed;
        }
      });
      await readyWith(page, '1,024');
      assert.deepEqual([await ids(page, '#tokenize'), await ids(page, rowB)], first);
      await isFine(page);
    });
  },
);

test('a link to an exhibit that does not exist, and to one that arrives after the model', options, async () => {
  await openPage(
    async (page) => {
      await isFine(page);
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      await page.route('**/assets/film-*.js', (route) => held.then(() => route.continue()));
      const link = new URL('/#x=film', page.url()).href;
      await page.goto('about:blank');
      await page.goto(link, { waitUntil: 'commit' });
      await ready(page);
      release();
      await page.waitForFunction(
        () => document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest('section')?.id === 'film',
      );
      await isFine(page);
    },
    { hash: '#x=foo' },
  );
});

test(
  'links that are opened in one tab restore all they say, and undo knows no row of another model',
  options,
  async () => {
    await openPage(async (page) => {
      const seed = () => page.inputValue('#film [type=number]');
      const [a, b] = [3, 5].map((step) => Array.from({ length: 32 }, (_, i) => (i * step) % 512));
      await page.locator('#film').scrollIntoViewIfNeeded();
      await page.locator('#film .frame').first().waitFor();
      await page.locator('#touch .code').first().waitFor();
      const couldUndo = await page.evaluate(
        (hash) => {
          [...document.querySelectorAll<HTMLElement>('#touch .code')].at(-1)!.click();
          location.hash = hash; // while the picture of that row is being drawn
          return [...document.querySelectorAll('button')].some((b) => b.textContent === 'Undo' && !b.disabled);
        },
        `#m=emoji-32&t=${rowToText(a, 512)}&o=${rowToText(b, 512)}&x=mix&s=7`,
      );
      assert.ok(couldUndo);
      await readyWith(page, '512');
      assert.deepEqual(await ids(page, '#tokenize'), a);
      assert.deepEqual(await ids(page, rowB), b);
      await page.locator('#bar button:disabled', { hasText: 'Undo' }).waitFor(); // with the picture of the link's row
      assert.equal(await seed(), '7');
      await page.waitForFunction(
        () => document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest('section')?.id === 'mix',
      );
      await open(page, `#t=${rowToText(b, 1024)}`); // of the usual model
      await readyWith(page, '1,024');
      assert.deepEqual(await ids(page, '#tokenize'), b);
      assert.equal(await seed(), '1');
      await isFine(page);
      await open(page, `#t=${rowToText(b, 1024).slice(3)}`); // cut on its way
      await page
        .locator('#error', { hasText: /^A picture of this link cannot be shown: the link is damaged/ })
        .waitFor();
    });
  },
);

test('another model takes over what A and B show, also before the picture of a link is there', options, async () => {
  await openPage(async (page) => {
    const [a, b] = [3, 5].map((step) =>
      rowToText(
        Array.from({ length: 32 }, (_, i) => (i * step) % 512),
        1024,
      ),
    ); // ids of both models
    /** Opens a link to rows of emoji-64, and returns what they become in emoji-32, chosen at once or when A's picture is there. */
    const becomes = async (row: string, other: string, isAtOnce: boolean) => {
      await page.evaluate(
        async ([hash, isAtOnce]) => {
          const canvas = document.querySelector<HTMLCanvasElement>('#bar canvas')!;
          const before = canvas.toDataURL();
          location.hash = hash as string;
          await new Promise((opened) => addEventListener('hashchange', opened, { once: true }));
          while (!isAtOnce && canvas.toDataURL() === before) await new Promise((frame) => requestAnimationFrame(frame));
          const select = document.querySelector<HTMLSelectElement>('#bar select')!;
          select.value = 'emoji-32';
          select.dispatchEvent(new Event('change'));
          document.querySelector('#status')!.textContent = ''; // which may say that emoji-32 is ready, from before
        },
        [`#t=${row}&o=${other}`, isAtOnce],
      );
      await readyWith(page, '512');
      return [await ids(page, '#tokenize'), await ids(page, rowB)];
    };
    await page.locator('#mix .chip').first().waitFor({ state: 'attached' });
    const [a32, b32] = await becomes(a, b, false);
    assert.deepEqual(await becomes(b, a, false), [b32, a32], 'B as A');
    assert.deepEqual(await becomes(a, b, true), [a32, b32], 'at once');
    await isFine(page);
  });
});

test('Surprise me, pressed again before its film is drawn, leaves no masks in B', options, async () => {
  await openPage(async (page) => {
    await page.addInitScript(() => {
      const { Worker } = window;
      window.Worker = class extends Worker {
        constructor(url: string | URL, how?: WorkerOptions) {
          super(url, how);
          this.addEventListener('message', ({ data }) => {
            if (data.kind === 'part' && data.value[0]?.guesses) dispatchEvent(new Event('film part'));
          });
        }
      };
    });
    await page.reload();
    await ready(page);
    await page.locator('#mix').scrollIntoViewIfNeeded();
    await page.locator('#mix .mixtures canvas[width="64"]').first().waitFor();
    const masks = await page.evaluate(async () => {
      const surprise = [...document.querySelectorAll<HTMLButtonElement>('#mix button')].find(
        ({ textContent }) => textContent === 'Surprise me',
      )!;
      const chips = document.querySelector('#mix .chips[aria-label^="Tokens of B"]')!;
      const before = chips.textContent; // chips are written anew when anything changes
      const changed = new Promise((resolve) =>
        new MutationObserver(() => {
          if (chips.textContent !== before) resolve(undefined);
        }).observe(chips, { childList: true, characterData: true, subtree: true }),
      );
      addEventListener('film part', () => setTimeout(() => surprise.click()), { once: true });
      surprise.click();
      await changed;
      return [...chips.children].filter(({ textContent }) => Number(textContent) >= 1024).length;
    });
    assert.equal(masks, 0);
  });
});
