/** The single stage with the published losses, of codes and of continuous tokens: trained in a run, measured, drawn and written to a file. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { loadImageFolder } from '../../data/index.ts';
import { publishedSingleStage, publishedVae } from '../../titok/index.ts';
import {
  exportModel,
  finetune,
  generator,
  loadModel,
  openRun,
  reconstruct,
  single,
  tokenize,
} from '../../train/index.ts';
import { probeLatents } from '../../train/latent-probe.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { useOneThread } from './recipes.ts';

before(useOneThread);

const half = { width: 16, layers: 1, heads: 2 };
const sizes = { imageSize: 16, latentTokens: 4, codebookSize: 16, encoder: half, decoder: half } as const;
const picture = { width: 16, height: 16, data: new Uint8Array(3 * 256).fill(200) };

async function trained(folder: string, changes: object) {
  const path = await writePictures(join(folder, 'pictures'));
  const run = await openRun(join(folder, 'run'), { dataset: (size) => loadImageFolder(path, size), source: { path } });
  const row = await run.fit(single, { batchSize: 4, steps: 12, warmupSteps: 2, continuousSteps: 0, ...changes });
  const file = join(folder, 'model.safetensors');
  await exportModel(run, file);
  return { row, tokenizer: (await loadModel(file)).tokenizer };
}

test('continuous tokens', async (t) => {
  const model = { ...sizes, quantizeMode: 'vae' } as const;
  const folder = temporaryFolder(t);
  const { row, tokenizer } = await trained(folder, { model, weights: publishedVae });
  assert.ok(row.psnr! > 0 && row.fd > 0, JSON.stringify(row));
  assert.deepEqual([row.codesUsed, row.perplexity], [null, null]);
  const [{ psnr }] = await reconstruct(tokenizer, [picture]);
  assert.ok(psnr > 0);
  const { latents } = await probeLatents(tokenizer, await loadImageFolder(join(folder, 'pictures'), 16));
  assert.equal(latents, 4 * tokenizer.config.tokenSize, 'their means, without the variances');
  await assert.rejects(tokenize(tokenizer, [picture]), /expected quantizeMode 'vq', got 'vae'/);
  const run = await openRun(join(folder, 'run'));
  for (const [stage, from] of [
    [generator, ''],
    [finetune, join(folder, 'model.safetensors')],
  ] as const)
    await assert.rejects(run.fit<typeof generator | typeof finetune>(stage, { from, steps: 1 }), {
      name: 'OptionError',
      message: `${stage.name}, tokenizer: expected one with codes, got one with continuous tokens (model.quantizeMode 'vae'). The stage \`single\` trains either.`,
    });
});

test('codes by their gradient', async (t) => {
  const { row, tokenizer } = await trained(temporaryFolder(t), {
    model: sizes,
    codebook: 'gradient',
    weights: publishedSingleStage,
  });
  assert.ok(row.codesUsed! >= 1);
  assert.equal((await tokenize(tokenizer, [picture]))[0].length, 4);
});
