/** Exhibits 3 and 6: rows are mixed, and gradient descent finds better ones. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { openPage, options } from './open.ts';

const row = (page: Page, label: string): Promise<string[]> =>
  page.$$eval(`#mix .chips[aria-label^="${label}"] .chip`, (chips) => chips.map((chip) => chip.textContent ?? ''));
const [a, b] = ['Tokens of A', 'Tokens of B'];

test('tokens are copied, the first n come from B, a mixture becomes A, and undo brings A back', options, async () => {
  await openPage(async (page) => {
    await page.locator('#mix').scrollIntoViewIfNeeded();
    await page.locator('#mix .mixtures canvas[width="64"]').first().waitFor();
    const [first, second] = [await row(page, a), await row(page, b)];
    assert.notDeepEqual(first, second);
    await page.click(`#mix .chips[aria-label^="${b}"] .chip >> nth=3`);
    assert.deepEqual(
      await row(page, a),
      first.map((id, i) => (i === 3 ? second[3] : id)),
    );
    await page.click('text=Undo');
    await page.locator('#mix input[type=range]').fill('8');
    assert.deepEqual(await row(page, a), [...second.slice(0, 8), ...first.slice(8)]);
    await page.locator('#mix input[type=range]').fill('0');
    assert.deepEqual(await row(page, a), first);
    await page.locator('#mix input[type=range]').evaluate((range: HTMLInputElement) => {
      for (const n of ['2', '5', '7']) {
        range.value = n;
        range.dispatchEvent(new Event('input', { bubbles: true }));
      }
      range.dispatchEvent(new Event('change', { bubbles: true }));
    });
    assert.deepEqual(await row(page, a), [...second.slice(0, 7), ...first.slice(7)]);
    await page.click('text=Undo');
    assert.deepEqual(await row(page, a), first, 'a drag is one step');
    await page.click('#mix .mixtures button >> nth=6');
    assert.deepEqual(await row(page, a), second, 'the last mixture is B, whatever A was');
    await page.click('text=Undo');
    assert.deepEqual(await row(page, a), first);
    await page.click('#mix button:text-is("Swap")');
    assert.deepEqual([await row(page, a), await row(page, b)], [second, first]);
    await page.click(`#mix .chips[aria-label^="${a}"] .chip >> nth=5`);
    assert.deepEqual(await row(page, b), first.with(5, second[5]));
    await page.click('#mix button:text-is("Copy A to B")');
    assert.deepEqual(await row(page, b), second);
    await page.click('text=Undo');
    await page.click('text=Undo');
    assert.deepEqual([await row(page, a), await row(page, b)], [second, first], 'changes of B are steps of their own');
  });
});

test('gradient descent comes closer to the picture than the encoder, and the result can be used', options, async () => {
  await openPage(async (page) => {
    await page.fill('[type=search]', 'strawberry'); // the first picture is one that the encoder does well
    await page.click('.tile');
    await page.locator('#tokenize figcaption', { hasText: /^40 bytes, 1\d\.\d dB$/ }).waitFor();
    await page.locator('#fit').scrollIntoViewIfNeeded();
    const before = await page.$$eval('#tokenize .chip', (chips) => chips.map((chip) => chip.textContent));
    await page.click('#fit button:text-is("Fit")');
    assert.ok(await page.locator('#fit').getByRole('button', { name: 'Upper half' }).isDisabled());
    await page.locator('#status', { hasText: /^Fitted/ }).waitFor({ timeout: 240_000 });
    const [, from, to] = /from ([\d.]+) to ([\d.]+) dB/.exec(await page.innerText('#status'))!;
    assert.ok(Number(to) > Number(from) + 0.5, `expected a gain of half a decibel, got ${from} → ${to} dB`);
    await page.click('#fit button:text-is("Use it")');
    const after = await page.$$eval('#tokenize .chip', (chips) => chips.map((chip) => chip.textContent));
    assert.notDeepEqual(after, before);
    await page.fill('[type=search]', 'tiger');
    await page.click('.tile');
    await page.waitForFunction(() => document.querySelector<HTMLProgressElement>('#fit progress')!.value === 0);
  });
});
