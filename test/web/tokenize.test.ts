/** Exhibit 1: pictures become rows, rows become pictures, and a link is a picture. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { readAddress, rowToText, textToRow } from '../../web/link.ts';
import { openPage, options, ready } from './open.ts';

async function row(page: Page): Promise<number[]> {
  await page.locator('#tokenize .chip >> nth=31').waitFor();
  return page.$$eval('#tokenize .chip', (chips) => chips.map((chip) => Number(chip.textContent)));
}

test('a row of 32 tokens of 10 bits is 54 characters, and comes back from them', () => {
  const ids = Array.from({ length: 32 }, (_, i) => (i * 397) % 1024);
  const text = rowToText(ids, 1024);
  assert.equal(text.length, 54);
  assert.deepEqual(textToRow(text, 32, 1024), ids);
  assert.equal(textToRow(text.slice(1), 32, 1024), undefined, 'another length');
  assert.equal(textToRow(rowToText(Array(32).fill(999), 1000), 32, 900), undefined, 'ids beyond the codebook');
});

test('rows of a model that the page lacks are left out of what a link says', () => {
  const ids = Array.from({ length: 32 }, (_, i) => i);
  const usual = { name: 'usual', tokens: 32, codes: 1024 };
  const rows = `t=${rowToText(ids, 1024)}&o=${rowToText(ids, 1024)}`;
  assert.deepEqual(readAddress(`#${rows}`, [], usual).row, ids);
  assert.deepEqual(readAddress(`#m=other&${rows}&s=3`, [], usual), { seed: 3 });
});

test('an emoji is tokenized, undo brings the first row back, and a link restores the picture', options, async () => {
  await openPage(async (page) => {
    const first = await row(page);
    assert.equal(first.length, 32);
    await page.fill('[type=search]', 'strawberry');
    await page.click('.tile');
    await page.locator('#tokenize figcaption', { hasText: /^strawberry \(held out\)$/ }).waitFor();
    await page.locator('#tokenize figcaption', { hasText: /^40 bytes, 1\d\.\d dB$/ }).waitFor();
    const second = await row(page);
    assert.notDeepEqual(second, first);
    await page.waitForFunction(() => location.hash.includes('t='));
    await page.getByRole('navigation').getByText('Tokenize').click(); // an address without a picture
    await page.waitForFunction(() => location.hash.includes('t='));
    const link = page.url();
    await page.click('text=Undo');
    assert.deepEqual(await row(page), first);
    await page.goto('about:blank');
    await page.goto(link);
    await ready(page);
    assert.deepEqual(await row(page), second);
  });
});

test('the decibels are never those of a picture of another row', options, async () => {
  await openPage(async (page) => {
    await page.evaluate(() => {
      const caption = [...document.querySelectorAll('#tokenize figcaption')].at(-1)!;
      new MutationObserver(() => {
        document.body.dataset['said'] = `${document.body.dataset['said'] ?? ''}${caption.textContent};`;
      }).observe(caption, { childList: true });
    });
    await page.selectOption('#bar select', 'emoji-32');
    await page.locator('#tokenize figure:last-child canvas[width="32"]').waitFor();
    const said = await page.evaluate(() => document.body.dataset['said']!);
    assert.match(said, /^(40 bytes, [\d.]+ dB;)*36 bytes, [\d.]+ dB;$/);
  });
});

test('a file that is no picture is an error that a visitor understands', options, async () => {
  await openPage(async (page) => {
    await page.setInputFiles('#tokenize [type=file]', {
      name: 'notes.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('no picture'),
    });
    await page.locator('#error', { hasText: /^notes\.txt is not a picture/ }).waitFor();
  });
});
