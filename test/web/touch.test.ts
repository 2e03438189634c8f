/** Exhibit 2: a token shows what it touches, other codes show what they would make, and edits are felt at once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { openPage, options } from './open.ts';

const row = (page: Page): Promise<number[]> =>
  page.$$eval('#touch .chip', (chips) => chips.map((chip) => Number(chip.textContent)));
const goTo = async (page: Page): Promise<void> => {
  await page.locator('#touch').scrollIntoViewIfNeeded();
  await page.locator('#touch .code').first().waitFor();
};
/** Opacities of the heat map, row by row. */
const heat = (page: Page): Promise<number[]> =>
  page.$eval('#touch .heat', (canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((_, i) => i % 4 === 3);
  });

test('pointing at a token shows its heat map, of the first picture and of an edited one', options, async () => {
  await openPage(async (page) => {
    await goTo(page);
    await page.hover('#touch .chip >> nth=4');
    const label = page.locator('#touch .heat[aria-label^="Token 5 acts"]');
    await label.waitFor();
    const first = await heat(page);
    assert.ok(first.some((x) => x > 200) && first.some((x) => x < 60), 'warm in some places, cold in others');
    await page.hover('#touch .chip >> nth=12');
    await page.locator('#touch .heat[aria-label^="Token 13 acts"]').waitFor();
    assert.notDeepEqual(await heat(page), first, 'another token has another map');
    await page.click('#touch .code >> nth=-1'); // an edit: its maps are not baked
    await page.focus('#touch .chip >> nth=4');
    await label.waitFor();
    assert.notDeepEqual(await heat(page), first, 'the edited picture has another map');
  });
});

test(
  'a click shows other codes as pictures; choosing one, walking by keyboard and undo change the row',
  options,
  async () => {
    await openPage(async (page) => {
      await goTo(page);
      const before = await row(page);
      await page.click('#touch .chip >> nth=2');
      await page.locator('#touch .code[aria-pressed=true]', { hasText: `${before[2]}` }).waitFor();
      const tabs = await page.$$eval('#touch .chip', (all) => all.map(({ tabIndex }) => tabIndex));
      assert.deepEqual([tabs.indexOf(0), tabs.lastIndexOf(0)], [2, 2], 'Tab leads back to it');
      const codes = await page.$$eval('#touch .code', (all) => all.map((tile) => tile.getAttribute('aria-label')!));
      assert.equal(codes.length, 1 + 24 + 8);
      const distances = codes.map((label) => Number(/^code \d+, distance (\d\.\d\d)$/.exec(label)![1]));
      assert.deepEqual(
        distances,
        distances.toSorted((a, b) => a - b),
      );
      await page.waitForFunction(() =>
        [...document.querySelectorAll<HTMLCanvasElement>('#touch .code canvas')].every(({ width }) => width === 64),
      );
      await page.click('#touch .codes >> text=More');
      assert.equal(await page.locator('#touch .code').count(), codes.length + 24);

      const picture = () => page.$eval('#touch figure:last-child canvas', (c: HTMLCanvasElement) => c.toDataURL());
      const shown = await picture();
      await page.click(`#touch .code[aria-label="${codes.at(-1)}"]`);
      const far = Number(/\d+/.exec(codes.at(-1)!)![0]);
      assert.deepEqual(await row(page), before.with(2, far));
      await page.waitForFunction(
        (old) => document.querySelector<HTMLCanvasElement>('#touch figure:last-child canvas')!.toDataURL() !== old,
        shown,
      );
      await page.keyboard.press('Control+z');
      assert.deepEqual(await row(page), before);

      await page.focus('#touch .chip >> nth=2');
      await page.keyboard.press('ArrowUp');
      await page.keyboard.press('+');
      const second = Number(/\d+/.exec(codes[2])![0]);
      assert.deepEqual(await row(page), before.with(2, second), 'two steps away');
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('-');
      await page.keyboard.press('-');
      assert.deepEqual(await row(page), before, 'and back, where it ends');
      await page.keyboard.press('ArrowRight');
      assert.equal(await page.evaluate(() => document.activeElement?.ariaLabel), `token 4: code ${before[3]}`);
      await page.waitForFunction(() => location.hash.includes('k.touch.token=3')); // a link remembers the token
    });
  },
);

test('an edit does not wait for what the engine does in the background', options, async () => {
  await openPage(async (page) => {
    await goTo(page);
    const waiting = await page.evaluate(async () => {
      const canvas = document.querySelector<HTMLCanvasElement>('#touch figure:last-child canvas')!;
      const before = canvas.toDataURL();
      [...document.querySelectorAll<HTMLButtonElement>('#touch .codes button')]
        .find(({ textContent }) => textContent === 'More')!
        .click(); // pictures of 24 further codes
      document
        .querySelector('#touch .chip[aria-pressed=true]')!
        .dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowUp', bubbles: true }));
      while (canvas.toDataURL() === before) await new Promise((frame) => requestAnimationFrame(frame));
      return [...document.querySelectorAll<HTMLCanvasElement>('#touch .code canvas')].filter(
        ({ width }) => width !== 64,
      ).length;
    });
    assert.ok(waiting > 0, 'pictures of codes come later');
  });
});
