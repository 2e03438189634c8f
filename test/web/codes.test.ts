/** Exhibit 7: the map of all codes, their use, and the pictures that use them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { openDevice, setDefaultDevice } from '../../core/index.ts';
import { emojiWall } from '../../tools/web/assets.ts';
import { encodeIcons } from '../../tools/web/wall-tokens.ts';
import { loadModel, modelsInBox } from '../../train/index.ts';
import { bytesOf, unpackRow } from '../../web/link.ts';
import { openPage, options } from './open.ts';

/** The tokens of the wall by model NAME: `latentTokens` codes, each below `codebookSize`, for each picture. */
function wallRows(name: string, latentTokens: number, codebookSize: number): number[][] {
  const file = readFileSync(new URL(`../../web/assets/${name}.tokens`, import.meta.url));
  const each = bytesOf(latentTokens, codebookSize);
  assert.equal(file.length % each, 0, `${name}.tokens holds whole rows`);
  return Array.from({ length: file.length / each }, (_, i) =>
    unpackRow(file.subarray(i * each, (i + 1) * each), latentTokens, codebookSize),
  );
}

/** The lowest code that no picture of the wall uses. */
function unusedCode(name: string, latentTokens: number, codebookSize: number): number {
  const used = new Set(wallRows(name, latentTokens, codebookSize).flat());
  const code = Array.from({ length: codebookSize }, (_, id) => id).find((id) => !used.has(id));
  assert.ok(code !== undefined, `${name} uses all of its codes: test another model`);
  return code;
}

test('the tokens of the wall are those of the models in the box', async () => {
  setDefaultDevice(await openDevice('cpu', { matmulPrecision: 'high' }));
  const { icons } = await emojiWall();
  for (const { name } of modelsInBox().models) {
    const { tokenizer } = await loadModel(name);
    const { latentTokens, codebookSize } = tokenizer.config;
    const wall = wallRows(name, latentTokens, codebookSize);
    assert.equal(wall.length, icons.length);
    const tiles = [0, 700, icons.length - 1];
    const stored = tiles.flatMap((i) => wall[i]);
    const rows = await encodeIcons(
      tokenizer,
      tiles.map((i) => icons[i]),
    );
    const same = rows.flatMap((row) => [...row]).filter((id, i) => id === stored[i]).length;
    // rounding differs between processors, and with it codes at almost equal distances
    assert.ok(same >= 0.95 * stored.length, `${name}: ${same} of ${stored.length}; run npm run web:wall`);
  }
});

test('by keyboard: a code, its use, a picture that uses it, and a code like it', options, async () => {
  await openPage(async (page) => {
    const exhibit = page.locator('#codes');
    await exhibit.scrollIntoViewIfNeeded();
    await exhibit.locator('p', { hasText: /^Used .* by the 1,668 emoji/ }).waitFor();
    await exhibit.getByLabel('Code', { exact: true }).fill('325');
    await exhibit.locator('h3', { hasText: 'Code 325' }).waitFor();
    assert.match(await exhibit.innerText(), /Used \d+ times/);
    const tiles = exhibit.locator('.tile');
    assert.equal(await tiles.count(), 12);
    const name = await tiles.nth(3).getAttribute('aria-label');
    assert.doesNotMatch(name!, /held out/);
    await tiles.nth(3).press('Enter');
    await page.locator('#status', { hasText: `${name} is the picture at hand.` }).waitFor();
    const row = await page.$$eval('#tokenize .chip', (chips) => chips.map((chip) => Number(chip.textContent)));
    assert.ok(row.includes(325), 'the row of a picture that uses the code has it');
    await exhibit.locator('p', { hasText: 'The picture at hand uses it.' }).waitFor();

    const near = exhibit.getByLabel('codes like 325').locator('.chip').first();
    const code = await near.textContent();
    await near.press('Enter');
    await exhibit.locator('h3', { hasText: `Code ${code}` }).waitFor();
    assert.match((await exhibit.locator('canvas').getAttribute('aria-label'))!, new RegExp(`code ${code} is chosen`));
    await page.waitForFunction((code) => location.hash.includes(`k.codes.code=${code}`), code);
    const field = exhibit.getByLabel('Code', { exact: true });
    const unused = String(unusedCode('emoji-64', 32, 1024));
    await field.fill(unused);
    await exhibit.locator('p', { hasText: /^Never used by the 1,668 emoji/ }).waitFor();
    await field.fill('5000');
    await field.blur();
    assert.equal(await field.inputValue(), unused, 'there is no code 5000');
  });
});

test('the pointer shows the code it is at; a click keeps it', options, async () => {
  await openPage(async (page) => {
    const exhibit = page.locator('#codes');
    const map = exhibit.locator('canvas');
    await exhibit.scrollIntoViewIfNeeded();
    await map.scrollIntoViewIfNeeded();
    await exhibit.locator('.chip').first().waitFor();
    const title = exhibit.locator('h3');
    const before = await title.innerText();
    const { width, height } = (await map.boundingBox())!;
    const at = async (x: number, y: number) => {
      await map.hover({ position: { x: x * width, y: y * height } });
      return title.innerText();
    };
    const [left, right] = [await at(0.2, 0.5), await at(0.8, 0.5)];
    assert.notEqual(left, right);
    await page.mouse.move(5, 5);
    assert.equal(await title.innerText(), before, 'pointing is no choice');
    await map.click({ position: { x: 0.2 * width, y: 0.5 * height } });
    await page.mouse.move(5, 5);
    assert.equal(await title.innerText(), left);
  });
});

test('another model has another map, with the use of its own codes', options, async () => {
  await openPage(async (page) => {
    const exhibit = page.locator('#codes');
    await exhibit.scrollIntoViewIfNeeded();
    await exhibit.locator('.chip').first().waitFor();
    await page.locator('#bar select').selectOption('emoji-32');
    await page.locator('#codes canvas[aria-label^="map of 512 codes"]').waitFor();
    await exhibit.locator('p', { hasText: /^Used/ }).waitFor();
  });
});
