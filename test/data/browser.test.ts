/** The data door in headless Chromium. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { bundle } from '../../tools/browser/bundle.ts';
import { callPage, missingChromium, scriptPage, withPage } from '../../tools/browser/chromium.ts';
import type { api } from './browser-page.ts';
import { emojiSha256 } from './emoji-sha256.ts';

const options = missingChromium ? { skip: missingChromium } : {};
const assets = new URL('../../data/assets', import.meta.url);

async function inPage(use: (page: Page) => Promise<void>): Promise<void> {
  const script = await bundle(new URL('./browser-page.ts', import.meta.url));
  const files = scriptPage(script, (path) => readFile(new URL(assets + path)).catch(() => undefined));
  await withPage(files, { isolated: false, gpu: false }, use);
}

test('Chromium: the emoji have the bytes that they have in Node', options, async () => {
  await inPage(async (page) => {
    for (const size of [32, 64] as const) {
      assert.equal(await callPage<typeof api, 'emojiSha256'>(page, 'emojiSha256', size, '/emoji'), emojiSha256[size]);
    }
    await assert.rejects(callPage<typeof api, 'emojiSha256'>(page, 'emojiSha256', 32, '/nowhere/'), {
      name: 'DataError',
      message: /^emoji: expected \/nowhere\/index\.json, got HTTP 404\. Serve a copy of the package's folder/,
    });
  });
});

test('Chromium: images are decoded on white, and unreadable ones are named', options, async () => {
  const pixels = Uint8Array.from([255, 0, 0, 255, 0, 0, 0, 0]); // red, then transparent black
  const png = await sharp(pixels, { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  await inPage(async (page) => {
    assert.deepEqual(await callPage<typeof api, 'decode'>(page, 'decode', [...png]), {
      width: 2,
      height: 1,
      data: [255, 0, 0, 255, 255, 255],
    });
    await assert.rejects(callPage<typeof api, 'decode'>(page, 'decode', [1, 2, 3]), {
      name: 'DataError',
      message: /^image 3 bytes in memory: expected a picture that this browser can read, got /,
    });
  });
});
