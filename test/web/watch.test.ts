/** `titok watch`: the page on a run that is training. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { type WatchedRun, watchFiles } from '../../cli/watch.ts';
import { loadImageFolder } from '../../data/index.ts';
import { withPage } from '../../tools/browser/chromium.ts';
import { wallFile } from '../../tools/web/assets.ts';
import { buildPage, writeSite } from '../../tools/web/site.ts';
import { exportModel, finetune, generator, openRun, type Run, teacher, warmup } from '../../train/index.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { options, ready } from './open.ts';

const built = mkdtempSync(join(tmpdir(), 'titok-page-'));
before(async () => writeSite(built, await buildPage(wallFile)));
after(() => rmSync(built, { recursive: true, force: true }));

/** A run of 12 pictures in two classes, and 4 held out. @param source  where the run says that they are from */
async function smallRun(folder: string, source?: string): Promise<Run> {
  const path = await writePictures(join(folder, 'pictures'));
  const dataset = (size: number) => loadImageFolder(path, size);
  return openRun(join(folder, 'small'), { dataset, source: { path: source ?? path } });
}

const half = { width: 16, layers: 1, heads: 2 };
const short = { batchSize: 4, warmupSteps: 2, steps: 4 };
const sized = { imageSize: 16, codebookSize: 16 };
/** Trains a stage in a second. */
async function train(run: Run, stage: 'teacher' | 'warmup' | 'finetune' | 'generator', from = ''): Promise<void> {
  const start = {
    teacher: () =>
      run.train(teacher, {
        ...short,
        imageSize: 16,
        teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 },
        continuousSteps: 2,
      }),
    warmup: () =>
      run.train(warmup, {
        ...short,
        model: { ...sized, latentTokens: 4, encoder: half, decoder: half, init: 'fan-in' },
        continuousSteps: 2,
      }),
    finetune: () => run.train(finetune, { ...short, weights: { perceptual: 0, adversarial: 0 } }),
    generator: () =>
      run.train(generator, { ...short, from, generator: { ...half, mlpWidth: 32 }, sampling: { steps: 2 } }),
  };
  for await (const _ of start[stage]());
}

const says = (page: Page, hasText: RegExp) => page.locator('#watching p', { hasText }).waitFor();
const tokens = (page: Page): Promise<string[]> => page.locator('#touch .chip').allInnerTexts();
const model = (page: Page) => page.locator('#bar select').inputValue();

test('the exhibits follow the checkpoints of a run, and the visitor loses nothing', options, async (t) => {
  const folder = temporaryFolder(t);
  const run = await smallRun(folder);
  await train(run, 'teacher');
  await withPage(watchFiles(run.folder, built), { isolated: false }, async (page) => {
    const errors: Error[] = [];
    page.on('pageerror', (error) => errors.push(error));
    await ready(page);

    // No model yet: a sentence, the curves, and the model in the box.
    await says(page, /^teacher, update 4\. There is no model of this run yet\./);
    const curves = page.frameLocator('#watching iframe');
    await curves.locator('figure.chart', { hasText: /^loss/ }).first().waitFor();
    assert.equal(await model(page), 'emoji-64');

    // Nobody knows what the wall's emoji are to a run on other pictures.
    await page.locator('.tile').first().waitFor();
    assert.equal(await page.locator('#tokenize').getByText('held out').count(), 0);
    assert.equal(await page.locator('.tile.unseen').count(), 0);
    assert.equal(await page.getByText('never seen').isVisible(), false);

    // Stage 1 behind its teacher's decoder: the picture at hand becomes a row of its tokens.
    await page.fill('[type=search]', 'strawberry');
    await page.click('.tile');
    await train(run, 'warmup');
    await says(page, /^warmup, update 4\. The exhibits show small, warmup 4, /);
    await page.locator('#status', { hasText: /^Ready: 4 tokens of 16 codes, 16 × 16 pixels/ }).waitFor();
    await page.locator('#tokenize figcaption', { hasText: /^strawberry$/ }).waitFor();
    assert.match(await model(page), /^small, warmup 4, /);
    assert.equal(await page.innerText('h1'), 'An emoji is worth 4 tokens');

    // An edit and what undo goes back to outlive the next checkpoint.
    await page.locator('#touch').scrollIntoViewIfNeeded();
    await page.waitForFunction(() => document.querySelectorAll('#touch .code').length === 16); // of this model
    const encoded = await tokens(page);
    await page.click('#touch .code >> nth=-1');
    const edited = await tokens(page);
    assert.notDeepEqual(edited, encoded);
    const other = await model(page);
    await train(run, 'finetune');
    await train(run, 'generator');
    await says(page, /^generator, update 4\. The exhibits show small, generator 4, /);
    await page.waitForFunction(
      (other) => document.querySelector<HTMLSelectElement>('#bar select')!.value !== other,
      other,
    );
    await page.locator('#film').scrollIntoViewIfNeeded();
    await page.locator('#film').getByLabel('Class').waitFor();
    assert.deepEqual(await tokens(page), edited);
    await page.click('#bar >> text=Undo');
    assert.deepEqual(await tokens(page), encoded);

    // Checkpoints that cannot be read are a sentence; the model before them stays.
    const shown = await model(page);
    writeFileSync(join(run.folder, 'finetune.safetensors'), 'no');
    await says(page, /finetune\.safetensors: expected/);
    assert.equal(await model(page), shown);

    for (const width of [1500, 390]) {
      await page.setViewportSize({ width, height: 800 });
      assert.ok(
        await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        `no overflow at ${width}`,
      );
    }
    const { violations } = await new AxeBuilder({ page }).setLegacyMode().include('#watching').analyze();
    assert.deepEqual(
      violations.map(({ help }) => help),
      [],
    );
    if (errors.length > 0) throw errors[0];
  });
});

test('the wall marks what is held out for runs on the emoji, and for no other', async (t) => {
  const folder = temporaryFolder(t);
  const said = async (run: Run) => {
    const files = watchFiles(run.folder, built);
    const { emojiHeldOut } = JSON.parse(`${await files('/run.json')}`) as WatchedRun;
    const { heldOut } = JSON.parse(Buffer.from((await files('/emoji/wall.json'))!).toString());
    assert.equal(heldOut.length > 0, emojiHeldOut);
    return emojiHeldOut;
  };
  const own = await smallRun(join(folder, 'own'));
  assert.equal(await said(own), false, 'nothing is trained');
  for (const stage of ['teacher', 'warmup', 'finetune', 'generator'] as const) await train(own, stage);
  assert.equal(await said(own), false, 'own pictures');
  const emoji = await smallRun(join(folder, 'emoji'), 'emoji');
  await train(emoji, 'teacher');
  assert.equal(await said(emoji), true);
  const file = join(folder, 'own.safetensors');
  await exportModel(own, file);
  await train(emoji, 'generator', file);
  assert.equal(await said(emoji), false, 'its tokenizer has seen other pictures');
});
