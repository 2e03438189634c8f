/** Exhibit 5: films, what is locked, and links that replay them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { openPage, options, ready } from './open.ts';

/** Opens the exhibit, with motion reduced: nothing plays on its own. */
async function openFilm(use: (page: Page) => Promise<void>, hash = ''): Promise<void> {
  await openPage(
    async (page) => {
      await page.locator('#film').scrollIntoViewIfNeeded();
      await arrived(page);
      await use(page);
    },
    { hash, reducedMotion: 'reduce' },
  );
}
const arrived = (page: Page): Promise<unknown> => page.waitForSelector('#film .frame');
const drawn = (page: Page, text = /^Drawn/): Promise<unknown> => page.locator('#status', { hasText: text }).waitFor();
const press = (page: Page, name: string): Promise<void> => page.click(`#film button:text-is("${name}")`);
const row = (page: Page): Promise<string[]> =>
  page.$$eval('#film .chip', (chips) => chips.map((c) => c.textContent ?? ''));
const locked = (page: Page): Promise<number[]> =>
  page.$$eval('#film .chip', (chips) =>
    chips.flatMap((c, i) => (c.getAttribute('aria-pressed') === 'true' ? [i] : [])),
  );
const slider = (page: Page, name: string) => page.locator('#film .slider', { hasText: name }).locator('input');

/** The labels of the chips at every step: ids, masks and confidences. */
async function film(page: Page): Promise<string[][]> {
  const steps = Number(await slider(page, 'Step').first().getAttribute('max'));
  const scrub = page.locator('#film .film .slider input');
  const states: string[][] = [];
  for (let step = 0; step <= steps; step++) {
    await scrub.fill(`${step}`);
    states.push(await page.$$eval('#film .chip', (chips) => chips.map((c) => c.getAttribute('aria-label') ?? '')));
  }
  return states;
}

test('the first film is what the model draws; each step keeps more tokens', options, async () => {
  await openFilm(async (page) => {
    const first = await row(page);
    const kept = (await film(page)).map((labels) => labels.filter((label) => !label.includes('masked')).length);
    assert.equal(kept[0], 0);
    assert.equal(kept.at(-1), 32);
    for (let step = 1; step < kept.length; step++) assert.ok(kept[step] >= kept[step - 1], `${kept}`);
    const picture = () => page.$eval('#film .picture', (canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const last = await picture();
    await page.locator('#film .film .slider input').fill('3');
    assert.notEqual(await picture(), last);
    await page.fill('#film [type=number]', '2');
    await page.press('#film [type=number]', 'Enter');
    await drawn(page, /seed 2/);
    assert.notDeepEqual(await row(page), first);
    await page.fill('#film [type=number]', '1');
    await page.press('#film [type=number]', 'Enter');
    await drawn(page, /seed 1,/);
    assert.deepEqual(await row(page), first);
  });
});

test('a seed that is being typed stays when a film arrives', options, async () => {
  await openFilm(async (page) => {
    const before = await page.inputValue('#film [type=number]');
    await press(page, 'Another');
    await page.fill('#film [type=number]', '7');
    await drawn(page, new RegExp(`seed ${Number(before) + 1},`));
    assert.equal(await page.inputValue('#film [type=number]'), '7');
    await page.press('#film [type=number]', 'Enter');
    await drawn(page, /seed 7,/);
  });
});

test(
  'a class is found by a part of its name; a link restores all settings and replays the same film',
  options,
  async () => {
    await openFilm(async (page) => {
      await page.fill('#film input[list]', 'mammal');
      await page.press('#film input[list]', 'Enter');
      await drawn(page, /^Drawn: animal: mammal/);
      await slider(page, 'Temperature').fill('4.5');
      await slider(page, 'Guidance').fill('1');
      await page.selectOption('#film select', 'linear');
      await page.locator('#film > .stage .slider', { hasText: 'Steps' }).locator('input').fill('5');
      await drawn(page, /in 5 steps/);
      await press(page, 'Another');
      await drawn(page, /seed 2, in 5 steps/);
      const before = await film(page);
      assert.equal(before.length, 6);
      await page.waitForFunction(() => location.hash.includes('s=2'));
      await page.reload();
      await ready(page);
      await page.locator('#film').scrollIntoViewIfNeeded();
      await arrived(page);
      assert.deepEqual(await film(page), before);
      assert.equal(await page.inputValue('#film input[list]'), 'animal: mammal');
      assert.equal(await page.inputValue('#film [type=number]'), '2');
      assert.equal(await page.inputValue('#film select'), 'linear');
      assert.equal(await slider(page, 'Temperature').inputValue(), '4.5');
      assert.equal(await slider(page, 'Guidance').inputValue(), '1');
    });
  },
);

test('locked tokens stay when the rest is drawn again, and in the link', options, async () => {
  await openFilm(async (page) => {
    const before = await row(page);
    await page.focus('#film .chip');
    for (let place = 0; place < 10; place++) {
      await page.keyboard.press('Space');
      await page.keyboard.press('ArrowRight');
    }
    assert.deepEqual(await locked(page), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const seed of [2, 3]) {
      await press(page, 'Draw the rest again');
      await drawn(page, new RegExp(`seed ${seed},`));
      const after = await row(page);
      assert.deepEqual(after.slice(0, 10), before.slice(0, 10));
      assert.ok(after.slice(10).filter((id, i) => id !== before[10 + i]).length > 3, `expected others, got ${after}`);
    }
    const steps = await film(page);
    for (const labels of steps) assert.ok(labels.slice(0, 10).every((label) => !label.includes('masked')));
    await page.waitForFunction(() => location.hash.includes('s=3'));
    await page.reload();
    await ready(page);
    await page.locator('#film').scrollIntoViewIfNeeded();
    await arrived(page);
    assert.deepEqual(await film(page), steps);
    assert.deepEqual(await locked(page), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await press(page, 'Swap locks');
    assert.equal((await locked(page)).length, 22);
    await page.locator('#film').getByRole('button', { name: 'Unlock all' }).press('Enter');
    assert.equal((await locked(page)).length, 0);
    assert.equal(
      await page.evaluate(() => document.activeElement?.textContent),
      'Another',
      'where Unlock all has gone',
    );
  });
});

test(
  'a rectangle on the picture locks the tokens that draw it; the picture at hand can be drawn on',
  options,
  async () => {
    await openFilm(async (page) => {
      await press(page, 'Take the picture at hand');
      const tokenized = await page.$$eval('#tokenize .chip', (chips) => chips.map((c) => c.textContent ?? ''));
      assert.deepEqual(await row(page), tokenized);
      for (const above of ['#tokenize .tile', '#touch .code']) await page.locator(above).first().waitFor();
      await page.locator('#film .picture').scrollIntoViewIfNeeded();
      const { x, y, width, height } = (await page.locator('#film .picture').boundingBox())!;
      await page.mouse.move(x + 0.05 * width, y + 0.05 * height);
      await page.mouse.down();
      await page.mouse.move(x + 0.95 * width, y + 0.45 * height, { steps: 4 });
      await page.mouse.up();
      await drawn(page, /^\d+ of 32 tokens are locked/);
      const places = await locked(page);
      assert.ok(places.length > 2 && places.length < 30, `expected some, got ${places}`);
      await press(page, 'Draw the rest again');
      await drawn(page);
      const after = await row(page);
      for (const place of places) assert.equal(after[place], tokenized[place]);
      await page.click('text=Undo');
      assert.deepEqual(await row(page), tokenized, 'undo brings the picture back');
    });
  },
);

test('Save film gives an animated PNG that browsers play', options, async () => {
  await openFilm(async (page) => {
    const [download] = await Promise.all([page.waitForEvent('download'), press(page, 'Save film')]);
    assert.equal(download.suggestedFilename(), 'face-smiling-1.png');
    const bytes = await readFile(await download.path());
    const frames = await page.evaluate(async (base64) => {
      const data = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const decoder = new ImageDecoder({ data, type: 'image/png' });
      await decoder.tracks.ready;
      await decoder.completed;
      const { frameCount, animated } = decoder.tracks.selectedTrack!;
      const { image } = await decoder.decode({ frameIndex: frameCount - 1 });
      return { frameCount, animated, width: image.displayWidth };
    }, bytes.toString('base64'));
    assert.deepEqual(frames, { frameCount: 12, animated: true, width: 256 });
  });
});

test('Play plays, Pause pauses; without reduced motion the first film plays when it is seen', options, async () => {
  await openPage(async (page) => {
    const step = () => page.inputValue('#film .film .slider input');
    const isAt = (at: string, is: boolean) =>
      page.waitForFunction(
        ([at, is]) => (document.querySelector<HTMLInputElement>('#film .film .slider input')?.value === at) === is,
        [at, is] as const,
      );
    const plays = page.waitForFunction(() => {
      const slider = document.querySelector<HTMLInputElement>('#film .film .slider input');
      return slider?.max === '12' && slider.value !== '12';
    });
    await page.locator('#film').scrollIntoViewIfNeeded();
    await arrived(page);
    await page.locator('#film .film').scrollIntoViewIfNeeded(); // exhibits above have grown since
    await plays; // on its own
    await page.waitForSelector('#film button:text-is("Play")'); // to its end
    const paused = await page.evaluate(async () => {
      const buttons = [...document.querySelectorAll<HTMLButtonElement>('#film button')];
      const play = buttons.find(({ textContent }) => textContent === 'Play')!;
      const slider = document.querySelector<HTMLInputElement>('#film .film .slider input')!;
      play.click();
      while (slider.value === '12') await new Promise((frame) => requestAnimationFrame(frame));
      play.click(); // Pause
      return slider.value;
    });
    await page.waitForTimeout(700);
    assert.equal(await step(), paused);
    await press(page, 'Play');
    await isAt(paused, false);
  });
});
