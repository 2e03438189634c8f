/** Layers: starts, equations of the transformer block, dropout, losses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  attention,
  gelu,
  linear,
  memory,
  noGrad,
  Rng,
  randn,
  relu,
  split,
  type Tensor,
  tensor,
  tensorScope,
  zeros,
} from '../../core/index.ts';
import { Conv2d, ConvTranspose2d, dropout, Embedding, GroupNorm, LayerNorm, Linear, l1, loadStateDict, MultiheadAttention, mse, Sequential, stateDict, TransformerBlock, truncatedNormal, xavierUniform } from '../../nn/index.ts'; // biome-ignore format: a list
import { close } from './golden.ts';
import { pytorch, tensorOf } from './pytorch.ts';

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
    [new ConvTranspose2d(200, 8, 3, rng, { groups: 2 }).weight, 1 / 6],
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
  for (const p of [1.5, -1, Number.NaN]) {
    assert.throws(() => dropout(x, p, new Rng(1)), /probability in 0\.\.1/);
    assert.throws(() => dropout(x, p, undefined), /probability in 0\.\.1/); // found in evaluation, too
  }
  assert.throws(() => dropout(x, 0.5, true as never), {
    name: 'OptionError',
    message: /^dropout: expected a generator/,
  });
});

test('losses by hand', async () => {
  using _ = tensorScope();
  const [a, b] = [tensor([0, 1, 2, 4]), zeros([4])];
  assert.equal(await mse(a, b).item(), 21 / 4);
  assert.equal(await l1(a, b).item(), 7 / 4);
  for (const loss of [mse, l1]) {
    assert.throws(() => loss(zeros([4]), zeros([4, 1])), {
      name: 'ShapeError',
      message: /expected a and b of one shape, got a \[4\] and b \[4, 1\]/,
    });
  }
});

test('PyTorch: ConvTranspose2d', async () => {
  using _ = tensorScope();
  const { state, x, y } = pytorch.convTranspose2d;
  const layer = new ConvTranspose2d(4, 6, 3, new Rng(0), { stride: 2, padding: 1, groups: 2 });
  loadStateDict(layer, state);
  const got = layer.forward(tensorOf(x));
  assert.deepEqual(got.shape, y.shape);
  close(await got.data(), y.data, 1e-6);
});

test('Sequential: keys of PyTorch, functions between layers, a tap by position', async () => {
  const rng = new Rng(1);
  const net = new Sequential(new Linear(2, 3, rng), relu, new Linear(3, 1, rng));
  assert.deepEqual(Object.keys(stateDict(net)), pytorch.sequential);
  using _ = tensorScope();
  const x = randn([5, 2], rng);
  const [first, , last] = [net[0], net[1], net[2]] as [Linear, unknown, Linear];
  const want = await last.forward(first.forward(x).relu()).data();
  assert.deepEqual(await net.forward(x).data(), want);
  const seen: string[] = [];
  net.forward(x, (name, y) => seen.push(`${name} ${y.shape}`));
  assert.deepEqual(seen, ['0 5,3', '1 5,3', '2 5,1']);
});

test('a layer that runs others in turn has its input freed after the first of them, in evaluation', async () => {
  using _ = tensorScope();
  const seen: Tensor[] = [];
  const look = (x: Tensor) => {
    seen.push(x);
    return x.mul(2);
  };
  let freed = false;
  const second = (x: Tensor) => {
    freed = seen[1].disposed; // what `look` within the layer read
    return x.add(1);
  };
  const inTurn = [look, second];
  const layer = { inTurn, forward: (x: Tensor) => second(look(x)) };
  const x = tensor([3], [1]);
  const run = async (f: () => Tensor) => {
    seen.length = 0;
    return [...(await f().data()), freed, x.disposed];
  };
  const net = new Sequential(look, layer);
  assert.deepEqual(await run(() => noGrad(() => net.forward(x))), [13, true, false]);
  assert.deepEqual(await run(() => net.forward(x)), [13, false, false]);
});

test('Sequential does not free a tensor that a layer owns and returns', () => {
  using _ = tensorScope();
  const owned = tensor([1, 2]);
  const net = new Sequential(
    (x) => x.add(1),
    () => owned,
    (x) => x.mul(2),
  );
  const y = noGrad(() => net.forward(tensor([0, 0])));
  assert.deepEqual([Array.from(y.dataSync()), owned.disposed], [[2, 4], false]);
});

test('Sequential frees activations in evaluation, and layers that return their input are safe', async () => {
  using _ = tensorScope();
  const rng = new Rng(1);
  const same = (x: Tensor) => x;
  const net = new Sequential(
    same,
    new Linear(2, 3, rng),
    same,
    relu,
    same,
    new Sequential(new Linear(3, 1, rng)),
    same,
  );
  const x = randn([5, 2], rng);
  const want = await net.forward(x).data();
  const before = memory().tensors;
  const y = noGrad(() => net.forward(x));
  assert.equal(memory().tensors, before + 1);
  assert.deepEqual(await y.data(), want);
  assert.equal(x.disposed, false);
});
