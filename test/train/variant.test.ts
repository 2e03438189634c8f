/** A 2-D TiTok goes the way of a 1-D one: all stages, tokens, a file. What a run began as, it stays. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { exportModel, generate, loadModel, openRun, reconstruct, tokenize, warmup } from '../../train/index.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { useOneThread } from './recipes.ts';
import { trainedRun } from './trained-run.ts';

before(useOneThread);

test('2-D: trained, tokenized, reconstructed, exported and sampled', async (t) => {
  const folder = temporaryFolder(t);
  const run = await trainedRun(folder, '2d');
  const path = join(folder, 'model.safetensors');
  const { figures } = await exportModel(run, path, { precision: 'int8' });
  assert.deepEqual(
    figures.map(({ name }) => name),
    ['finetune', 'generator'],
  );
  const model = await loadModel(path);
  assert.equal(model.tokenizer.config.variant, '2d');
  const picture = { width: 16, height: 16, data: new Uint8Array(3 * 256).fill(200) };
  const [row] = await tokenize(model.tokenizer, [picture]);
  assert.equal(row.length, 4);
  const [{ output }] = await reconstruct(model.tokenizer, [picture]);
  assert.deepEqual([output.width, output.height], [16, 16]);
  const drawn = await generate(model, 'cats', { count: 2 });
  assert.equal(drawn.length, 2);

  const again = await openRun(run.folder);
  await assert.rejects(again.fit(warmup, { steps: 24, model: { variant: '1d' } }), {
    name: 'OptionError',
    message: /model\.variant: expected "2d", with which .*warmup\.safetensors began, got "1d"/,
  });
});
