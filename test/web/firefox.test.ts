/** The page in Firefox: it loads, answers edits, and draws films. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type FirefoxPage, missingFirefox, withFirefox } from '../../tools/browser/firefox.ts';
import { builtSite } from './built-site.ts';

if (missingFirefox) console.log(`# SKIP web/firefox: ${missingFirefox}`);

/** Waits until the element has a text that matches. @throws Error with the text that it has instead */
const shows = (page: FirefoxPage, selector: string, text: RegExp) =>
  page.evaluate(
    async (selector, source) => {
      const until = performance.now() + 100_000; // less than the script may take
      for (;;) {
        const found = document.querySelector(selector)?.textContent ?? 'nothing';
        if (new RegExp(source).test(found)) return;
        if (performance.now() > until) throw new Error(`expected ${source}, got ${found}`);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    },
    selector,
    text.source,
  );
const row = (page: FirefoxPage, exhibit: string) =>
  page.evaluate((id) => Array.from(document.querySelectorAll(`${id} .chip`), (chip) => chip.textContent), exhibit);
const picture = (page: FirefoxPage, selector: string) =>
  page.evaluate((selector) => document.querySelector<HTMLCanvasElement>(selector)!.toDataURL(), selector);

test('Firefox loads the page, edits a token, tokenizes an emoji and draws a film', {
  skip: missingFirefox ?? false,
}, async (t) => {
  const site = await builtSite();
  await withFirefox(
    async (path) => site.get(path),
    async (page) => {
      await shows(page, '#status', /^Ready: 32 tokens/);
      const ready = await page.evaluate(() => performance.now());
      t.diagnostic(`the model was ready ${Math.round(ready)} ms after the start of the load, or earlier`);

      // an edit, with the pointer and with the keyboard
      await page.evaluate(() => document.getElementById('touch')!.scrollIntoView());
      await shows(page, '#touch .code:nth-child(3)', /\d/);
      const first = await row(page, '#touch');
      const before = await picture(page, '#touch figure:last-child canvas');
      await page.click('#touch .code:nth-child(3)');
      await shows(page, '#touch figure:last-child figcaption', /from/);
      const edited = await row(page, '#touch');
      assert.equal(edited.filter((id, i) => id !== first[i]).length, 1);
      await page.evaluate(async (before) => {
        const canvas = document.querySelector<HTMLCanvasElement>('#touch figure:last-child canvas')!;
        while (canvas.toDataURL() === before) await new Promise((resolve) => setTimeout(resolve, 10));
      }, before);
      await page.click('#touch .chip');
      await page.press('\uE014'); // arrow right
      assert.match(await page.evaluate(() => document.activeElement!.ariaLabel!), /^token 2:/);

      // an emoji
      await shows(page, '#tokenize .wall output', /\d/);
      const label = await page.evaluate(
        () => document.querySelector('#tokenize .tile:nth-child(5)')!.getAttribute('aria-label')!,
      );
      await page.click('#tokenize .tile:nth-child(5)');
      await shows(page, '#tokenize figure:first-child figcaption', new RegExp(`^${label.split(',')[0]}`));
      await shows(page, '#tokenize figure:last-child figcaption', /^40 bytes, [12]\d\.\d dB$/);
      assert.notDeepEqual(await row(page, '#tokenize'), edited);

      // a film
      await page.evaluate(() => document.getElementById('film')!.scrollIntoView());
      await shows(page, '#film .main', /Play|Pause/);
      await page.click('#film .row button');
      await shows(page, '#status', /^Drawn: .*, seed 2, in \d+ steps/);
      assert.ok((await page.evaluate(() => document.querySelectorAll('#film .frame').length)) >= 8);
      assert.equal(await page.evaluate(() => document.getElementById('error')!.hidden), true);
    },
  );
});
