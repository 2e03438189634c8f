/** Exhibit 4: what the first tokens are worth. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { openPage, options } from './open.ts';

const caption = (page: Page): Promise<string> => page.locator('#few figcaption').last().innerText();
/** Waits for a caption. */
const says = (page: Page, hasText: RegExp) => page.locator('#few figcaption', { hasText }).waitFor();
const psnr = async (page: Page): Promise<number> => Number(/([\d.]+) dB/.exec(await caption(page))?.[1]);
const own = /this picture from [\d.]+ to [\d.]+ dB/;

/** Waits until the exhibit's own model has drawn all pictures: before, they are those the site was built with. */
async function open(page: Page): Promise<void> {
  await page.locator('#few').scrollIntoViewIfNeeded();
  await page.locator('#few p', { hasText: /16 tokens of 512 codes/ }).waitFor();
}

test(
  'more tokens are a better picture, with the slider from the keyboard, and a link keeps how many',
  options,
  async () => {
    await openPage(async (page) => {
      await open(page);
      const range = page.locator('#few').getByRole('slider', { name: 'First tokens', exact: true }); // without its value
      await range.press('Home');
      await says(page, /^1 of 16, 2 bytes, .* dB/);
      const one = await psnr(page);
      await range.press('End');
      await says(page, /^16 of 16, 18 bytes, .* dB/);
      const all = await psnr(page);
      assert.ok(all > one + 2, `16 tokens ${all} dB, one ${one}`);
      assert.match((await page.locator('#few [role=img].length-curve').getAttribute('aria-label'))!, own);
      await page.waitForFunction(() => location.hash.includes('k.few.k=16'));
    });
  },
);

test('the picture at hand is the one that is shortened; the other exhibits keep their model', options, async () => {
  await openPage(async (page) => {
    await open(page);
    const before = await page.$eval('#few canvas', (canvas: HTMLCanvasElement) => canvas.toDataURL());
    await page.fill('[type=search]', 'strawberry');
    await page.click('.tile');
    await page.locator('#tokenize figcaption', { hasText: /^strawberry/ }).waitFor();
    assert.equal(await page.locator('#tokenize .chip').count(), 32);
    await page.locator('#tokenize figcaption', { hasText: /^40 bytes/ }).waitFor();
    await page.locator('#few').scrollIntoViewIfNeeded();
    await page.waitForFunction(
      (before) => document.querySelector<HTMLCanvasElement>('#few canvas')!.toDataURL() !== before,
      before,
    );
  });
});

test('before its model is there, it shows what the site was built with', options, async () => {
  await openPage(async (page) => {
    const other = await page.context().browser()!.newPage(); // in which nothing is cached
    other.setDefaultTimeout(120_000);
    await other.route('**/emoji-few*', () => {}); // never answers
    const asked = other.waitForRequest('**/emoji-few*');
    await other.goto(page.url());
    await other.locator('#few').scrollIntoViewIfNeeded();
    await asked;
    await other.locator('#few .strip canvas[aria-label="from the first 16 tokens"]').waitFor();
    await other.locator('#few figcaption', { hasText: /^4 of 16, 5 bytes, \d\d\.\d dB$/ }).waitFor();
    assert.equal(await other.locator('#few p', { hasText: /512 codes/ }).count(), 0, 'the model is not there');
  });
});
