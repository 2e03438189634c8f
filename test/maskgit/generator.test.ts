/** The two generators: names, sizes, dropout, and that they learn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad, noGrad, Rng, type Tensor, tensor, tensorScope } from '../../core/index.ts';
import {
  createGenerator,
  dropLabels,
  type ForwardOptions,
  type GeneratorConfig,
  inputSequence,
  maskedAccuracy,
  maskedTokenLoss,
  maskTokens,
  publishedGenerators,
} from '../../maskgit/index.ts';
import { AdamW, stateDict } from '../../nn/index.ts';

const small: GeneratorConfig = {
  architecture: 'bert',
  codebookSize: 10,
  latentTokens: 4,
  classes: 2,
  width: 16,
  layers: 2,
  heads: 2,
  mlpWidth: 32,
  dropout: 0.2,
  attentionDropout: 0.2,
  initializerRange: 0.25,
};

/** Numbers in a generator, by arithmetic. */
function parameterCount({
  architecture,
  codebookSize: V,
  latentTokens: K,
  classes,
  width: W,
  layers,
  mlpWidth: M,
}: GeneratorConfig): number {
  const embeddings = (V + 2 + classes) * W + (K + 1) * W;
  const head = W * V + V;
  const mlp = 2 * W * M + M + W;
  if (architecture === 'bert') return embeddings + 2 * W + 2 * W + head + layers * (4 * (W * W + W) + mlp + 4 * W);
  const block = 3 * W * W + W * W + W + mlp + 4 * W;
  return embeddings + 2 * W + head + (layers + 1) * block + (layers / 2) * (2 * W * W + W);
}

test('parameter counts are the published ones', () => {
  assert.equal(parameterCount(publishedGenerators.b64), 177_227_008);
  assert.equal(parameterCount(publishedGenerators.l32), 177_202_432);
  assert.equal(parameterCount(publishedGenerators.s128), 294_990_848);
  for (const architecture of ['bert', 'uvit'] as const) {
    const config = { ...small, architecture };
    const model = createGenerator(config, new Rng(0));
    const size = Object.values(stateDict(model)).reduce((n, t) => n + t.size, 0);
    assert.equal(size, parameterCount(config), architecture);
  }
});

test('dropout acts only where a generator of random numbers is passed', async () => {
  using _ = tensorScope();
  const model = createGenerator(small, new Rng(1));
  const sequence = inputSequence(small, [0, 1, 2, 10], [1]);
  const read = async (rng?: Rng) => Array.from(await noGrad(() => model.forward(sequence, { rng })).data());
  const still = await read();
  assert.deepEqual(await read(), still);
  assert.notDeepEqual(await read(new Rng(2)), still);
  assert.deepEqual(await read(new Rng(2)), await read(new Rng(2)));
});

test('logits at some positions are those among the logits of all', async () => {
  using _ = tensorScope();
  for (const [architecture, layers] of [
    ['bert', 2],
    ['uvit', 2],
    ['uvit', 0],
    ['bert', 0],
  ] as const) {
    const config = { ...small, architecture, layers };
    const { codebookSize: V, latentTokens: K } = config;
    const model = createGenerator(config, new Rng(1));
    const sequence = inputSequence(config, [0, 1, 2, 10, 3, 10, 10, 4], [1, 0]);
    const all = await noGrad(() => model.forward(sequence)).data();
    const chosen = [3, 0, 2, 3]; // two of each row
    const positions = tensor(
      Int32Array.from(chosen, (i, n) => Math.floor(n / 2) * (K + 1) + 1 + i),
      [2, 2],
      { dtype: 'int32' },
    );
    const some = await noGrad(() => model.forward(sequence, { positions })).data();
    chosen.forEach((i, n) => {
      const row = (Math.floor(n / 2) * K + i) * V;
      for (let v = 0; v < V; v++)
        assert.ok(Math.abs(some[n * V + v] - all[row + v]) < 1e-5, `${architecture} ${n} ${v}`);
    });
  }
});

test('tokens that enter alike may be projected once', async () => {
  using _ = tensorScope();
  const ints = (values: number[], shape: number[]) => tensor(Int32Array.from(values), shape, { dtype: 'int32' });
  const config = { ...small, layers: 2 };
  const model = createGenerator(config, new Rng(1));
  const sequence = inputSequence(config, [0, 10, 2, 10, 0, 1, 10, 10], [1, 1]); // 10 is the mask
  const kinds = { first: ints([0, 1, 2, 3, 4, 7, 8], [7]), of: ints([0, 1, 2, 3, 4, 0, 1, 5, 6, 4], [2, 5]) };
  const all = await noGrad(() => model.forward(sequence)).data();
  const once = await noGrad(() => model.forward(sequence, { kinds })).data();
  for (const [i, x] of all.entries()) assert.ok(Math.abs(x - once[i]) < 1e-5, `logit ${i}`);
  const drawn = (options: ForwardOptions) =>
    noGrad(() => model.forward(sequence, { rng: new Rng(3), ...options })).data();
  assert.deepEqual(await drawn({ kinds }), await drawn({})); // dropout makes equal tokens differ
});

test('with dropout probabilities of zero, training and evaluation agree', async () => {
  using _ = tensorScope();
  const config = { ...small, dropout: 0, attentionDropout: 0 };
  const model = createGenerator(config, new Rng(1));
  const sequence = inputSequence(config, [0, 1, 2, 10], [1]);
  assert.deepEqual(await model.forward(sequence, { rng: new Rng(2) }).data(), await model.forward(sequence).data());
});

test('labels are dropped where the draw falls below the probability', () => {
  assert.deepEqual([...dropLabels(small, [0, 1, 1], [0.05, 0.1, 0.95], 0.1)], [2, 1, 1]);
});

for (const architecture of ['bert', 'uvit'] as const) {
  test(`${architecture}: learns two rows by heart from their class`, async () => {
    const config = { ...small, architecture, dropout: 0, attentionDropout: 0 };
    const model = createGenerator(config, new Rng(4));
    const params: Record<string, Tensor> = stateDict(model);
    const optimizer = new AdamW({ params, lr: 1e-2, betas: [0.9, 0.96], weightDecay: 0 });
    const rng = new Rng(5);
    const tokens = [1, 2, 3, 4, 9, 8, 7, 6];
    for (let step = 0; step < 80; step++) {
      using _ = tensorScope();
      const masked = maskTokens(tokens, { t: rng.uniforms(2), order: rng.uniforms(8) }, config.codebookSize);
      const logits = model.forward(inputSequence(config, masked.tokens, [0, 1]), { rng });
      optimizer.step(grad(maskedTokenLoss(logits, tokens, masked.masks), params));
    }
    using _ = tensorScope();
    const hidden = new Int32Array(8).fill(config.codebookSize);
    const logits = noGrad(() => model.forward(inputSequence(config, hidden, [0, 1])));
    assert.ok((await maskedAccuracy(logits, tokens, new Uint8Array(8).fill(1))) > 0.99);
  });
}

test('a token without weight does not count, even where the model forbids its id', async () => {
  using _ = tensorScope();
  const logits = tensor([[[1, 2, 0], [-Infinity, 0, 0]]]); // biome-ignore format: a matrix
  const loss = maskedTokenLoss(logits, [1, 0], [1, 0], { labelSmoothing: 0, unmaskedWeight: 0 });
  assert.ok(Math.abs((await loss.item()) - 0.4076059) < 1e-5);
  const dx = await grad(loss, [logits])[0].data();
  assert.ok(dx.every(Number.isFinite) && dx.subarray(3).every((g) => g === 0), String(dx));
});

test('impossible configurations, sequences, targets and probabilities are refused', async () => {
  using _ = tensorScope();
  const wrong: Partial<Record<keyof GeneratorConfig, unknown>>[] = [
    { architecture: 'vit' },
    { codebookSize: 0 },
    { latentTokens: 1.5 },
    { classes: Number.NaN },
    { heads: 3 },
    { layers: -1 },
    { dropout: 1 },
    { attentionDropout: Number.NaN },
    { initializerRange: -1 },
  ];
  for (const part of wrong) {
    const [name] = Object.keys(part);
    const config = { ...small, ...part } as GeneratorConfig;
    assert.throws(() => createGenerator(config, new Rng(0)), {
      name: 'OptionError',
      message: new RegExp(`^generator ${name}: expected `),
    });
  }
  for (const architecture of ['bert', 'uvit'] as const) {
    const model = createGenerator({ ...small, architecture }, new Rng(0));
    const ids = tensor([11, 12], [2, 1], { dtype: 'int32' }); // would be broadcast to all positions
    assert.throws(() => model.forward(ids), { name: 'ShapeError', message: /sequence \[batch, 5\], .*got \[2, 1\]/ });
  }
  const logits = tensor(new Float32Array(8), [1, 2, 4]);
  for (const [targets, masks] of [
    [[1], [1]],
    [[1, 2], [1]],
    [
      [1, 2, 3],
      [1, 1],
    ],
  ]) {
    assert.throws(() => maskedTokenLoss(logits, targets, masks), { name: 'ShapeError', message: /^maskedTokenLoss: / });
    await assert.rejects(maskedAccuracy(logits, targets, masks), { name: 'ShapeError', message: /^maskedAccuracy: / });
  }
  for (const options of [{ unmaskedWeight: -1 }, { unmaskedWeight: Number.NaN }, { labelSmoothing: 2 }])
    assert.throws(() => maskedTokenLoss(logits, [1, 2], [1, 1], options), { name: 'OptionError' });
  assert.throws(() => dropLabels(small, [0, 1], [0.5], 0.1), {
    name: 'ShapeError',
    message: /each of 2 labels, got 1/,
  });
  assert.throws(() => dropLabels(small, [0], [0.5], Number.NaN), { name: 'OptionError' });
});
