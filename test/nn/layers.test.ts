/** Layers: starts, equations of the transformer block, dropout, losses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  attention,
  gelu,
  grad,
  linear,
  Rng,
  randn,
  split,
  type Tensor,
  tensor,
  tensorScope,
  zeros,
} from '../../core/index.ts';
import { Conv2d, discriminatorFactor, dropout, Embedding, GroupNorm, gradientL1, hingeDiscriminatorLoss, hingeGeneratorLoss, initializeWeights, LayerNorm, LeCam, Linear, l1, MultiheadAttention, mse, stateDict, TransformerBlock, truncatedNormal, xavierUniform } from '../../nn/index.ts'; // biome-ignore format: a list
import { close } from './golden.ts';

const moments = async (t: Tensor) => {
  const values = Array.from(await t.data());
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  return { mean, std, largest: values.reduce((a, b) => Math.max(a, Math.abs(b)), 0) };
};

test('layers start as PyTorch starts them', async () => {
  const rng = new Rng(1);
  const bounds: [Tensor | null, number][] = [
    [new Linear(64, 100, rng).weight, 1 / 8],
    [new Linear(64, 3000, rng).bias, 1 / 8],
    [new Conv2d(8, 200, 3, rng, { groups: 2 }).weight, 1 / 6],
    [new MultiheadAttention(32, 4, rng).in_proj_weight, Math.sqrt(6 / 128)],
    [xavierUniform([50, 100], rng), Math.sqrt(6 / 150)],
  ];
  for (const [t, bound] of bounds) {
    const { std, largest } = await moments(t!);
    assert.ok(largest <= bound && largest > 0.98 * bound, `largest ${largest}, bound ${bound}`);
    assert.ok(Math.abs(std / (bound / Math.sqrt(3)) - 1) < 0.05, `std ${std}`);
  }
  close([(await moments(new Embedding(100, 50, rng).weight)).std], [1], 0.05, 'std');
  const cut = await moments(truncatedNormal([5000], 1.5, rng));
  assert.ok(cut.largest <= 2 && cut.std < 1.2, `${cut.largest} ${cut.std}`);
  assert.equal(new Linear(2, 2, rng, { bias: false }).bias, null);
  const { in_proj_bias, out_proj } = new MultiheadAttention(4, 2, rng);
  for (const bias of [in_proj_bias, out_proj.bias!]) close(await bias.data(), new Float32Array(bias.size), 0, 'bias');
});

test('initializeWeights touches layers, and neither in_proj_weight nor embeddings', async () => {
  const model = { block: new TransformerBlock(8, 2, new Rng(1)), mask_token: randn([1, 1, 8], new Rng(2)) };
  const before = Object.fromEntries(
    await Promise.all(Object.entries(stateDict(model)).map(async ([k, t]) => [k, await t.data()] as const)),
  );
  model.block.attn.in_proj_bias.assign(new Float32Array(24).fill(1));
  initializeWeights(stateDict(model), new Rng(3), 0.5);
  assert.deepEqual(await model.mask_token.data(), before['mask_token']);
  assert.deepEqual(await model.block.attn.in_proj_weight.data(), before['block.attn.in_proj_weight']);
  for (const bias of [model.block.mlp.c_fc.bias!, model.block.attn.in_proj_bias]) {
    close(await bias.data(), new Float32Array(bias.size), 0, 'bias');
  }
  close([(await moments(model.block.mlp.c_fc.weight)).std], [0.5], 0.2, 'std');
});

test('the transformer block is its two equations', async () => {
  using _ = tensorScope();
  const rng = new Rng(4);
  const block = new TransformerBlock(6, 3, rng, 2);
  for (const p of Object.values(stateDict(block))) p.assign(rng.normals(p.size));
  const x = randn([2, 5, 6], rng);
  const { ln_1, attn, ln_2, mlp } = block;
  const [q, k, v] = split(linear(ln_1.forward(x), attn.in_proj_weight, attn.in_proj_bias), 3, -1).map(
    (t) => t.reshape([2, 5, 3, 2]).permute([0, 2, 1, 3]), // [batch, heads, tokens, headDim]
  ) as [Tensor, Tensor, Tensor];
  const mixed = attention(q, k, v).permute([0, 2, 1, 3]).reshape([2, 5, 6]);
  const y = x.add(linear(mixed, attn.out_proj.weight, attn.out_proj.bias));
  const z = y.add(
    linear(gelu(linear(ln_2.forward(y), mlp.c_fc.weight, mlp.c_fc.bias)), mlp.c_proj.weight, mlp.c_proj.bias),
  );
  close(await block.forward(x).data(), await z.data(), 1e-5);
  assert.throws(() => new MultiheadAttention(6, 4, rng), /a width that 4 heads divide, got 6/);
});

test('norms: mean 0 and variance 1, by token or by group', async () => {
  using _ = tensorScope();
  const x = randn([2, 4, 3], new Rng(5)).mul(3).add(1);
  for (const [y, rows] of [
    [new LayerNorm(3).forward(x), 8],
    [new GroupNorm(2, 4).forward(x), 4],
  ] as const) {
    const flat = y.reshape([rows, -1]);
    close(await flat.mean(1).add(1).data(), new Array(rows).fill(1), 1e-4);
    close(await flat.square().mean(1).data(), new Array(rows).fill(1), 1e-3);
  }
});

test('dropout keeps the mean, drops the share p, and is off without a generator', async () => {
  using _ = tensorScope();
  const x = tensor(new Float32Array(4000).fill(1));
  assert.equal(dropout(x, 0.3, undefined), x);
  const values = await dropout(x, 0.3, new Rng(1)).data();
  const dropped = Array.from(values).filter((v) => v === 0).length / 4000;
  assert.ok(Math.abs(dropped - 0.3) < 0.03, `${dropped}`);
  close(
    values,
    Array.from(values, (v) => (v === 0 ? 0 : 1 / 0.7)),
    1e-6,
  );
  assert.throws(() => dropout(x, 1.5, new Rng(1)), /probability in 0\.\.1/);
});

test('losses by hand', async () => {
  using _ = tensorScope();
  const a = tensor([
    [
      [
        [0, 1],
        [2, 4],
      ],
    ],
  ]);
  const b = zeros([1, 1, 2, 2]);
  assert.equal(await mse(a, b).item(), 21 / 4);
  assert.equal(await l1(a, b).item(), 7 / 4);
  assert.equal(await gradientL1(a, b).item(), (1 + 2) / 2 + (2 + 3) / 2);
  const [real, fake] = [tensor([2, 0.5]), tensor([-2, 0])];
  assert.equal(await hingeDiscriminatorLoss(real, fake).item(), 0.5 * (0.25 + 0.5));
  assert.equal(await hingeGeneratorLoss(fake).item(), 1);
  assert.deepEqual(
    [19, 20, 21].map((step) => discriminatorFactor(step, 20)),
    [0, 1, 1],
  );
});

test('LeCam: penalty against the running means, which move afterwards', async () => {
  using _ = tensorScope();
  const term = new LeCam(0.9);
  loadMeans(term, 0.5, -0.25);
  const [real, fake] = [tensor([1, 2]), tensor([-1, 0])]; // means 1.5 and −0.5
  const loss = term.loss(real, fake);
  close(await loss.data(), [1.75 ** 2 + 1 ** 2]);
  close(await grad(loss, [real])[0].data(), [1.75, 1.75]);
  term.update(real, fake);
  close(await term.ema_real_logits_mean.data(), [0.6]);
  close(await term.ema_fake_logits_mean.data(), [-0.275]);
  assert.deepEqual(Object.keys(stateDict(term)), ['ema_real_logits_mean', 'ema_fake_logits_mean']);
});

function loadMeans(term: LeCam, real: number, fake: number): void {
  term.ema_real_logits_mean.assign([real]);
  term.ema_fake_logits_mean.assign([fake]);
}
