/** Small things that visitors feel: undo, strokes, Stop, shortcuts, the focus, and what a bad file leaves. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { Trainer } from '../../web/training/trainer.ts';
import { openPage, options } from './open.ts';

const tokens = (page: Page, exhibit = '#tokenize'): Promise<string[]> =>
  page.locator(`${exhibit} .chip`).allTextContents();
const caption = (page: Page, hasText: RegExp) => page.locator('#tokenize figcaption', { hasText }).first().waitFor();
const undo = (page: Page) => page.locator('#bar').getByRole('button', { name: 'Undo' });

test('undo brings a row back with its original; films have none; the latest choice wins', options, async () => {
  await openPage(async (page) => {
    await page.locator('#film').scrollIntoViewIfNeeded();
    await page.locator('#fit').scrollIntoViewIfNeeded();
    const fit = page.locator('#fit').getByRole('button', { name: 'Fit', exact: true });
    await page.waitForFunction(() => {
      const fit = [...document.querySelectorAll<HTMLButtonElement>('#fit button')].find((b) => b.textContent === 'Fit');
      return fit && !fit.disabled;
    });
    const input = () => page.$eval('#tokenize canvas.drawing', (canvas: HTMLCanvasElement) => canvas.toDataURL());
    const heart = await input();
    const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#c33' } })
      .png()
      .toBuffer();
    await page.evaluate((base64) => {
      // a file that is read slowly
      const real = window.createImageBitmap;
      window.createImageBitmap = (async (source: Blob, ...rest: []) => {
        if (source instanceof File) await new Promise((resolve) => addEventListener('read on', resolve));
        return real(source, ...rest);
      }) as typeof real;
      const { close } = ImageBitmap.prototype;
      ImageBitmap.prototype.close = function () {
        document.body.dataset['read'] = '';
        close.call(this);
      };
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], 'red.png'));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    }, png.toString('base64'));
    await page.fill('[type=search]', 'strawberry');
    await page.click('#tokenize .tile');
    await caption(page, /^strawberry \(held out\)$/);
    const strawberry = await input();
    await page.evaluate(() => dispatchEvent(new Event('read on')));
    await page.locator('body[data-read]').waitFor();
    await page.evaluate(() => new Promise((frame) => requestAnimationFrame(frame)));
    assert.equal(await input(), strawberry, 'the file came too late');

    await undo(page).click();
    await caption(page, /^growing heart \(held out\)$/);
    assert.equal(await input(), heart);
    await page.locator('#film').getByRole('button', { name: 'Another' }).click();
    await page.locator('#status', { hasText: /^Drawn/ }).waitFor();
    await page.locator('#tokenize figcaption', { hasText: /^40 bytes$/ }).waitFor();
    assert.equal(await page.locator('#tokenize figcaption').first().innerText(), '');
    assert.ok(await fit.isDisabled());
    await undo(page).click();
    await caption(page, /^growing heart \(held out\)$/);
    assert.ok(await fit.isEnabled());
  });
});

test('the row follows a stroke while it grows, and undo takes the whole stroke back', options, async () => {
  await openPage(async (page) => {
    const { changes, undone, isBack } = await page.evaluate(async () => {
      const canvas = document.querySelector<HTMLCanvasElement>('#tokenize canvas.drawing')!;
      canvas.setPointerCapture = () => {};
      const { left, top, width } = canvas.getBoundingClientRect();
      const [row] = [() => [...document.querySelectorAll('#tokenize .chip')].map((chip) => chip.textContent).join()];
      const before = row();
      let [last, changes, undone] = [before, 0, 0];
      for (let n = 0; changes < 4 && n < 60; n++) {
        const clientX = left + width * (0.5 + 0.3 * Math.cos(n / 10)); // a circle: each step draws something new
        const clientY = top + width * (0.5 + 0.3 * Math.sin(n / 10));
        const how = { clientX, clientY, buttons: 1, isPrimary: true };
        canvas.dispatchEvent(new PointerEvent(n === 0 ? 'pointerdown' : 'pointermove', how));
        const until = performance.now() + 1000; // a step may be too small for other tokens, or the machine slow
        do await new Promise((frame) => requestAnimationFrame(frame));
        while (row() === last && performance.now() < until);
        if (row() !== last) changes++;
        last = row();
      }
      canvas.dispatchEvent(new PointerEvent('pointerup'));
      const undo = [...document.querySelectorAll<HTMLButtonElement>('#bar button')].find(
        ({ textContent }) => textContent === 'Undo',
      )!;
      for (; !undo.disabled; undone++) {
        const shown = row();
        undo.click();
        while (row() === shown) await new Promise((frame) => requestAnimationFrame(frame));
      }
      return { changes, undone, isBack: row() === before };
    });
    assert.deepEqual({ changes, undone, isBack }, { changes: 4, undone: 1, isBack: true });
  });
});

test('a second finger ends no stroke, and the right button drags no rectangle', options, async () => {
  await openPage(async (page) => {
    await page.locator('#film').scrollIntoViewIfNeeded();
    await page.locator('#film .lasso canvas').waitFor({ state: 'attached' });
    const { color, isDragged } = await page.evaluate(() => {
      const [send] = [
        (canvas: HTMLCanvasElement, type: string, x: number, how: PointerEventInit) => {
          canvas.setPointerCapture = () => {};
          const { left, top, width } = canvas.getBoundingClientRect();
          const at = { clientX: left + x * width, clientY: top + width / 2 };
          canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, isPrimary: true, ...at, ...how }));
        },
      ];
      const drawing = document.querySelector<HTMLCanvasElement>('#tokenize canvas.drawing')!;
      send(drawing, 'pointerdown', 0.1, { buttons: 1 });
      send(drawing, 'pointerup', 0.5, { pointerId: 2, isPrimary: false });
      send(drawing, 'pointermove', 0.9, { buttons: 1 });
      send(drawing, 'pointerup', 0.9, {});
      const picture = document.querySelector<HTMLCanvasElement>('#film .lasso canvas')!;
      send(picture, 'pointerdown', 0.1, { button: 2, buttons: 2 });
      send(picture, 'pointermove', 0.9, { buttons: 2 });
      return {
        color: [...drawing.getContext('2d')!.getImageData(200, 128, 1, 1).data].join(),
        isDragged: !document.querySelector<HTMLElement>('#film .lasso-box')!.hidden,
      };
    });
    assert.deepEqual({ color, isDragged }, { color: '217,72,15,255', isDragged: false });
  });
});

test('Undo that is pressed before a stroke has its row takes back the stroke and no more', options, async () => {
  await openPage(async (page) => {
    await page.fill('[type=search]', 'strawberry');
    await page.click('#tokenize .tile');
    await caption(page, /^strawberry \(held out\)$/);
    const input = () => page.$eval('#tokenize canvas.drawing', (canvas: HTMLCanvasElement) => canvas.toDataURL());
    const [before, strawberry] = [await tokens(page), await input()];
    await page.evaluate(async () => {
      const canvas = document.querySelector<HTMLCanvasElement>('#tokenize canvas.drawing')!;
      canvas.setPointerCapture = () => {};
      const { left, top, width } = canvas.getBoundingClientRect();
      for (const [i, type] of ['pointerdown', 'pointermove', 'pointerup'].entries()) {
        const [clientX, clientY] = [left + width * (0.2 + 0.3 * i), top + width / 2];
        canvas.dispatchEvent(new PointerEvent(type, { clientX, clientY, buttons: 1, isPrimary: true }));
      }
      const caption = document.querySelector('#tokenize figcaption')!;
      const drawn = new Promise((resolve) =>
        new MutationObserver((changes) => {
          if (changes.some(({ addedNodes: [added] }) => added?.textContent === 'drawing')) resolve(undefined);
        }).observe(caption, { childList: true }),
      );
      const buttons = [...document.querySelectorAll<HTMLButtonElement>('#bar button')];
      buttons.find(({ textContent }) => textContent === 'Undo')!.click();
      await drawn;
      await new Promise((frame) => requestAnimationFrame(frame));
    });
    await caption(page, /^strawberry \(held out\)$/);
    assert.deepEqual([await tokens(page), await input()], [before, strawberry]);
    const redo = page.locator('#bar').getByRole('button', { name: 'Redo' });
    await redo.click();
    await caption(page, /^drawing$/);
    for (const name of [/^strawberry/, /^growing heart/]) {
      await undo(page).click();
      await caption(page, name);
    }
  });
});

test(
  'Fit, pressed while a model loads, fits the picture that the model sees, and can be stopped',
  options,
  async () => {
    await openPage(async (page) => {
      const press = (name: string) => page.locator('#fit').getByRole('button', { name, exact: true }).click();
      await page.locator('#fit').scrollIntoViewIfNeeded();
      await page.locator('#fit figcaption', { hasText: /^The tokens at hand/ }).waitFor();
      let release = () => {};
      const hold = () => {
        const held = new Promise<void>((resolve) => {
          release = resolve;
        });
        return page.route('**/models/emoji-32*', (route) => held.then(() => route.continue()), { times: 1 });
      };
      await hold();
      await page.selectOption('#bar select', 'emoji-32');
      await press('Fit');
      await press('Stop');
      release();
      await page.locator('#fit').getByRole('button', { name: 'Fit', exact: true }).waitFor();
      assert.equal(await page.locator('#fit figcaption', { hasText: /^Encoder/ }).count(), 0);

      await page.selectOption('#bar select', 'emoji-64');
      await page.locator('#status', { hasText: /^Ready: 32 tokens of 1,024/ }).waitFor();
      await page.evaluate(() => caches.delete('titok-models'));
      await hold();
      await page.selectOption('#bar select', 'emoji-32');
      await press('Fit');
      release();
      const encoder = page.locator('#fit figcaption', { hasText: /^Encoder: / });
      await encoder.waitFor();
      const [quality] = /[\d.]+/.exec(await encoder.innerText())!;
      assert.ok(Number(quality) > 15, `${quality} dB`);
      await press('Stop');
      assert.equal(await page.locator('#error').isVisible(), false);
    });
  },
);

test('shortcuts pass chips, the focus stays, and a mouse draws with its button down only', options, async () => {
  await openPage(async (page) => {
    const focus = () => page.evaluate(() => document.activeElement?.closest('.codes, .tiles, .chips')?.className);
    const drawing = page.locator('#tokenize canvas.drawing');
    await drawing.press(' '); // the pen is down
    const input = () => drawing.evaluate((canvas: HTMLCanvasElement) => canvas.toDataURL());
    const before = await input();
    await drawing.hover({ position: { x: 12, y: 12 } });
    await drawing.hover({ position: { x: 40, y: 20 } });
    assert.equal(await input(), before);
    await drawing.press(' ');
    await caption(page, /^drawing$/); // its row is there

    await page.locator('#touch').scrollIntoViewIfNeeded();
    await page.locator('#touch .code').first().waitFor();
    const row = await tokens(page, '#touch');
    await page.focus('#touch .chip[aria-pressed=true]');
    await page.keyboard.press('Control++');
    assert.deepEqual(await tokens(page, '#touch'), row);
    await page.locator('#touch').getByRole('button', { name: 'More' }).press('Enter');
    assert.equal(await focus(), 'codes');

    await page.locator('#tokenize .wall [type=checkbox]').uncheck();
    await page.fill('[type=search]', 't-rex');
    assert.equal(await page.locator('#tokenize .tile').count(), 1, 'the name as it is written');
    await page.fill('[type=search]', 'woman');
    await page.locator('#tokenize').getByRole('button', { name: 'More' }).press('Enter');
    assert.equal(await focus(), 'tiles', 'where More has gone');

    const codes = page.locator('#codes');
    await codes.scrollIntoViewIfNeeded();
    await codes.locator('.tile').first().waitFor();
    const [name] = (await codes.locator('.tile').first().getAttribute('aria-label'))!.split(',');
    await codes.locator('.tile').first().press('Enter');
    await page.locator('#status', { hasText: `${name} is the picture at hand` }).waitFor();
    assert.equal(await focus(), 'tiles');
    const next = codes.locator('.chip').first();
    const code = await next.innerText();
    await next.press('Enter');
    await page.waitForFunction((code) => document.querySelector('#codes .chip')!.textContent !== code, code);
    assert.equal(await focus(), 'chips');
  });
});

test('files that are no training and no picture leave the run that is there', options, async () => {
  await openPage(async (page) => {
    const train = page.locator('#train');
    const status = (hasText: RegExp) => train.locator('.training-status', { hasText }).waitFor({ timeout: 240_000 });
    await train.scrollIntoViewIfNeeded();
    await train.getByLabel('Train', { exact: true }).selectOption('teacher');
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    await train.getByRole('button', { name: 'One update' }).press('Enter');
    await status(/^Paused after update 1 /);
    assert.equal(await focused(), 'One update', 'a button that could not be pressed meanwhile');
    const going = await page.evaluate(() => {
      const buttons = [...document.querySelectorAll<HTMLButtonElement>('#train button')];
      buttons.find(({ textContent }) => textContent === 'Play')!.click();
      const text = document.querySelector('.training-status')!.textContent;
      buttons.find(({ textContent }) => textContent === 'Pause')!.click();
      return text;
    });
    assert.match(going, /^Going on/, 'and no longer paused');
    await status(/^Paused after update/);
    await train.getByRole('button', { name: 'Stop' }).click();
    await status(/^Stopped after update \d/);
    await train.getByRole('button', { name: /^Go on from update/ }).press('Enter');
    await train.getByRole('button', { name: 'Pause' }).and(page.locator(':enabled')).waitFor();
    assert.equal(await focused(), 'Pause', 'where Go on has gone');
    await train.getByRole('button', { name: 'Stop' }).click();
    await status(/^Stopped after update \d/);
    const before = await train.locator('.training-status').innerText();
    await train
      .getByLabel('A training that was downloaded here')
      .setInputFiles({ name: 'other.safetensors', mimeType: 'application/octet-stream', buffer: Buffer.from('no') });
    await train.locator('.problem', { hasText: /^This file is no training/ }).waitFor();
    assert.ok(await train.getByRole('button', { name: /^Go on from update/ }).isVisible());
    assert.equal(await train.locator('.training-status').innerText(), before);
    await train
      .getByLabel('Pictures to train on')
      .setInputFiles({ name: 'other.png', mimeType: 'image/png', buffer: Buffer.from('no') });
    await train.locator('.problem', { hasText: /^other\.png: no picture .* Nothing has changed\.$/ }).waitFor();
    assert.ok(await train.getByRole('button', { name: /^Go on from update/ }).isVisible());
    await train.locator('[name=seed]').evaluate((seed: HTMLInputElement) => {
      seed.value = '-1'; // in what is folded
    });
    await train.getByRole('button', { name: 'Start anew' }).click();
    assert.ok(await train.locator('[name=seed]').isVisible());
  });
});

test('a pause that is reported after Play was pressed is no pause', (t) => {
  const { Worker } = globalThis;
  t.after(() => {
    globalThis.Worker = Worker;
  });
  let worker!: { onmessage(event: { data: unknown }): void };
  globalThis.Worker = class {
    constructor() {
      worker = this as unknown as typeof worker;
    }
    postMessage(): void {}
    terminate(): void {}
  } as unknown as typeof Worker;
  const heard: string[] = [];
  const trainer = new Trainer(
    { kind: 'start', device: 'cpu', plan: { kind: 'teacher', steps: 9, seed: 1 }, pictures: [], tokenizer: '' },
    { report: ({ kind }) => heard.push(kind), ended: () => heard.push('ended') },
  );
  trainer.tell({ kind: 'play', updates: 1 });
  trainer.tell({ kind: 'play', updates: Number.POSITIVE_INFINITY });
  worker.onmessage({ data: { kind: 'paused' } });
  trainer.tell({ kind: 'pause' });
  worker.onmessage({ data: { kind: 'paused' } });
  worker.onmessage({ data: { kind: 'finished', done: 9 } });
  assert.deepEqual(heard, ['paused', 'finished', 'ended']);
});
