/** An exported model in headless Chromium: the tokens and pictures that it gives in Node. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tensor } from '../../core/index.ts';
import { bundle } from '../../tools/browser/bundle.ts';
import { callPage, missingChromium, scriptPage, withPage } from '../../tools/browser/chromium.ts';
import { exportModel, generate, loadModel, tokenize } from '../../train/index.ts';
import { temporaryFolder } from '../data/temporary.ts';
import type { api } from './model-page.ts';
import { useOneThread } from './recipes.ts';
import { trainedRun } from './trained-run.ts';

const options = missingChromium ? { skip: missingChromium } : {};

test('Chromium: a model by its URL and in the box gives what it gives in Node', options, async (t) => {
  await useOneThread();
  const folder = temporaryFolder(t);
  const path = join(folder, 'small.safetensors');
  await exportModel(await trainedRun(folder), path, { precision: 'float16' });
  const models = [{ name: 'small', file: 'small.safetensors', about: 'cats and dogs' }];
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ default: 'small', models }));

  const { tokenizer, ...model } = await loadModel(path);
  const data = Uint8Array.from({ length: 3 * 16 * 16 }, (_, i) => Math.floor(i / 3) % 256);
  const [tokens] = await tokenize(tokenizer, [{ width: 16, height: 16, data }]);
  const image = await tokenizer.decodeTokens(tensor(tokens, [1, 4], { dtype: 'int32' })).data();
  const [sample] = await generate({ tokenizer, ...model }, 'cats');

  const script = await bundle(new URL('./model-page.ts', import.meta.url));
  const files = scriptPage(script, async (name) =>
    name.startsWith('/box/') ? readFileSync(join(folder, name.slice(5))) : undefined,
  );
  await withPage(files, { isolated: false, gpu: false }, async (page) => {
    for (const name of [undefined, 'small', '/box/small.safetensors']) {
      const found = await callPage<typeof api, 'use'>(page, 'use', name, '/box');
      assert.deepEqual(found.tokens, tokens);
      assert.ok(found.image.every((x, i) => Math.abs(x - image[i]) < 1e-4));
      assert.ok(found.sample.every((x, i) => Math.abs(x - sample.data[i]) <= 1));
    }
  });
});
