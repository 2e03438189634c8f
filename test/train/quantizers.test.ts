/** A tokenizer with each quantizer through everything that is done with one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { grad, noGrad, Rng, randn, tensorScope, uniform } from '../../core/index.ts';
import { loadImageFolder } from '../../data/index.ts';
import { type QuantizerName, quantizerNames, stateDict } from '../../nn/index.ts';
import {
  checkConfig,
  codebookComponents,
  fitTokens,
  nearestCodes,
  presets,
  TiTok,
  type TiTokConfig,
  tokenHeatMap,
  withTokenSize,
} from '../../titok/index.ts';
import { latentFigures } from '../../train/diagnostics.ts';
import {
  exportModel,
  finetune,
  generate,
  generator,
  loadModel,
  openRun,
  parseSettings,
  type Run,
  single,
  teacher,
  tokenize,
  warmup,
} from '../../train/index.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { recipes, useOneThread } from './recipes.ts';

before(useOneThread);

const half = { width: 16, layers: 1, heads: 2 };
const short = { batchSize: 4, warmupSteps: 2 };
const model = { imageSize: 16, latentTokens: 4, codebookSize: 64, encoder: half, decoder: half } as const;
const once = async (training: AsyncIterable<unknown>) => {
  for await (const _ of training);
};

async function newRun(t: TestContext): Promise<{ run: Run; said: string[] }> {
  const folder = temporaryFolder(t);
  const path = await writePictures(join(folder, 'pictures'));
  const said: string[] = [];
  const run = await openRun(join(folder, 'runs/small'), {
    dataset: (size) => loadImageFolder(path, size),
    source: { path },
    notify: (text) => said.push(text),
  });
  return { run, said };
}

for (const quantizer of quantizerNames) {
  test(`${quantizer}: a single stage and a generator, exported and loaded; codes, maps and fits`, async (t) => {
    const { run, said } = await newRun(t);
    const weights = { perceptual: 0 };
    await once(run.train(single, { ...short, model: { ...model, quantizer }, steps: 12, continuousSteps: 4, weights }));
    const small = { ...half, mlpWidth: 32 };
    await once(run.train(generator, { ...short, steps: 4, generator: small, sampling: { steps: 2 } }));
    const sizes: Partial<Record<QuantizerName, number>> = { fsq: 2, ifsq: 2, lfq: 6, bsq: 6 };
    assert.equal(
      said.some((text) => text.startsWith(`quantizer ${quantizer}: a token of 64 codes has`)),
      quantizer in sizes,
    );
    const trained = run.pixelTokenizer();
    assert.equal(trained.config.quantizer, quantizer);
    assert.equal(trained.config.tokenSize, sizes[quantizer] ?? 12);

    const path = join(run.folder, 'model.safetensors');
    await exportModel(run, path);
    const loaded = await loadModel(path);
    const { tokenizer } = loaded;
    assert.deepEqual(tokenizer.config, trained.config);
    using _ = tensorScope();
    const images = uniform([3, 3, 16, 16], 0, 1, new Rng(1));
    const { indices, zQuantized } = noGrad(() => tokenizer.encode(images));
    assert.deepEqual(await indices.data(), await noGrad(() => trained.encode(images)).indices.data());
    const [a, b] = noGrad(() => [tokenizer.decodeTokens(indices), tokenizer.decode(zQuantized)]);
    const difference = await a.sub(b).abs().max().item();
    assert.ok(difference < 1e-4, `${difference}`);

    const picture = { width: 16, height: 16, data: Uint8Array.from({ length: 768 }, (_, i) => (i * 37) % 256) };
    const [ids] = await tokenize(tokenizer, [picture]);
    assert.ok(ids.length === 4 && ids.every((id) => id >= 0 && id < 64));
    assert.equal((await generate(loaded, 'cats', { count: 2 })).length, 2);
    const near = await nearestCodes(tokenizer, 5);
    assert.equal(new Set(near.ids).size, 63);
    assert.ok(near.distances.every((d, i) => i === 0 || d >= near.distances[i - 1]));
    assert.equal((await codebookComponents(tokenizer, 2)).length, 128);
    for (const map of [await tokenHeatMap(tokenizer, ids)]) {
      assert.equal(map.length, 4 * 256);
      assert.ok(map.every((x) => x >= 0 && x <= 1));
    }
    const image = images.narrow(0, 0, 1);
    const start = [...ids].reverse(); // ids that the encoder gives: of equal codes only one is nearest
    for (const options of [{}, { start }]) {
      const first = 'start' in options ? start : [...(await indices.data()).slice(0, 4)];
      let [psnr, count] = [-Infinity, 0];
      for await (const state of fitTokens(tokenizer, image, { steps: 5, learningRate: 0.3, ...options })) {
        if (state.step === 0) assert.deepEqual([...state.ids], first);
        assert.ok(state.psnr >= psnr && state.ids.every((id) => id >= 0 && id < 64));
        psnr = state.psnr;
        count++;
      }
      assert.equal(count, 6);
    }
  });
}

test('two stages with fsq; a training does not go on with another quantizer', async (t) => {
  const { run } = await newRun(t);
  const config = { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 } as const;
  const stage1 = { ...short, model: { ...model, quantizer: 'fsq' }, steps: 12, continuousSteps: 4 } as const;
  await once(run.train(teacher, { ...short, imageSize: 16, teacher: config, steps: 8, continuousSteps: 4 }));
  await once(run.train(warmup, stage1));
  await once(run.train(finetune, { ...short, steps: 4, weights: { perceptual: 0, adversarial: 0 } }));
  assert.deepEqual([run.pixelTokenizer().config.quantizer, run.pixelTokenizer().config.tokenSize], ['fsq', 2]);
  const again = await openRun(run.folder);
  const longer = { ...stage1, steps: 14 };
  await assert.rejects(once(again.train(warmup, { ...longer, model: { ...model, quantizer: 'lfq' } })), {
    name: 'OptionError',
    message: /^warmup settings, model\.(tokenSize|quantizer): expected (2|"fsq"), with which .* began, got/,
  });
  await once(again.train(warmup, longer));
});

test('numbers of codes that a quantizer cannot have are refused with the settings', () => {
  const parse = (quantizer: QuantizerName, codebookSize: number, stage: typeof warmup | typeof single) =>
    parseSettings(stage.settings, { model: { quantizer, codebookSize } }, 'settings');
  assert.throws(() => parse('fsq', 509, warmup), {
    name: 'OptionError',
    message: 'settings, model.codebookSize: expected 504 or 512 for model.quantizer fsq, got 509.',
  });
  assert.throws(() => parse('bsq', 500, single), {
    name: 'OptionError',
    message: 'settings, model.codebookSize: expected 256 or 512 for model.quantizer bsq, got 500.',
  });
  parse('vq', 500, warmup);
  parse('fsq', 512, single);
});

test('a configuration says which numbers per token its quantizer needs; without one it is as published', () => {
  const fsq: TiTokConfig = { ...presets.tiny, quantizer: 'fsq' };
  assert.throws(() => checkConfig(fsq), {
    name: 'OptionError',
    message:
      'tokenSize: expected 3 numbers per token for quantizer fsq with 512 codes, got 12. withTokenSize(config) sets it.',
  });
  checkConfig(withTokenSize(fsq));
  assert.throws(
    () => checkConfig({ ...presets.bl64vae, quantizer: 'fsq' }),
    /quantizer: expected 'vq' with quantizeMode/,
  );
  const keys = (config: TiTokConfig) => Object.keys(stateDict(new TiTok(config, new Rng(0))));
  const own = (name: QuantizerName) =>
    keys(withTokenSize({ ...presets.smoke, quantizer: name })).filter((key) => key.startsWith('quantize'));
  assert.deepEqual(keys(presets.smoke), keys({ ...presets.smoke, quantizer: 'vq' }));
  assert.deepEqual(own('rotation'), ['quantize.embedding.weight']);
  assert.deepEqual(own('clustering'), ['quantize.embedding.weight', 'quantize.embed_prob']);
  assert.deepEqual(own('simvq'), ['quantize.embedding.weight', 'quantize.embedding_proj.weight']);
  for (const name of ['fsq', 'ifsq', 'lfq', 'bsq'] as const) assert.deepEqual(own(name), []);
});

test('a training leaves fixed codes alone, and moves SimVQ’s matrix', async () => {
  const training = await recipes['single, simvq']();
  const { model } = training.state.groups();
  const read = async () => [
    [...(await model['quantize.embedding.weight'].data())],
    [...(await model['quantize.embedding_proj.weight'].data())],
  ];
  const [codes, matrix] = await read();
  while (training.state.done < training.steps) await training.step();
  const [codesAfter, matrixAfter] = await read();
  assert.deepEqual(codesAfter, codes);
  assert.notDeepEqual(matrixAfter, matrix);
});

test('the spread of latents compares them with their own length, whatever the quantizer', async () => {
  for (const name of ['warmup, fsq', 'warmup, lfq', 'single, bsq', 'warmup']) {
    const training = await recipes[name]();
    for (let n = 0; n < 6; n++) {
      const { spread, codeUse } = await training.step();
      assert.ok(spread >= -1e-6 && spread <= 1, `${name}: ${spread}`);
      assert.equal(codeUse !== undefined, n >= 4);
    }
  }
});

test('the latents of a single picture have no spread, rather than none', async () => {
  const model = new TiTok({ ...presets.smoke, head: 'pixels' }, new Rng(1));
  const latents = (count: number) => ({ z: randn([count, model.config.tokenSize, 1, model.config.latentTokens], new Rng(2)) }); // biome-ignore format: one thought
  assert.deepEqual(await latentFigures(model, latents(1)), {});
  assert.ok((await latentFigures(model, latents(8))).spread! > 0.5);
});

test('the encoder of a model with each quantizer gets a gradient', async () => {
  for (const quantizer of quantizerNames) {
    using _ = tensorScope();
    const titok = new TiTok(withTokenSize({ ...presets.smoke, head: 'pixels', quantizer }), new Rng(1));
    const images = randn([2, 3, 32, 32], new Rng(2));
    const { output, quantizerLoss } = titok.forward(images);
    const g = grad(output.square().mean().add(quantizerLoss), [titok.encoder.patch_embed.weight])[0];
    const largest = await g.abs().max().item();
    assert.ok(largest > 0 && Number.isFinite(largest), quantizer);
  }
});
