/** Attention: masks, keys from elsewhere, and the fused kernel against the composite. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  attention,
  equal,
  grad,
  mergeHeads,
  observeOps,
  ones,
  openDevice,
  Rng,
  randn,
  selfAttention,
  splitHeads,
  type Tensor,
  tensor,
  tensorScope,
  tril,
  zeros,
} from '../../../core/index.ts';
import { devicesUnderTest } from '../../devices.ts';
import { unfusedSelfAttention } from './unfused.ts';

const largest = async (x: Tensor): Promise<number> => Math.max(...(await x.data()).map(Math.abs));

for (const { name, device } of await devicesUnderTest()) {
  test(`${name}: fused self-attention and its gradient as unfused`, async () => {
    using _ = tensorScope();
    const rng = new Rng(1);
    const qkv = randn([2, 9, 3 * 8], rng, { device });
    const seed = randn([2, 9, 8], rng, { device });
    const [fused, unfused] = [selfAttention(qkv, 2), unfusedSelfAttention(qkv, 2)];
    assert.ok((await largest(fused.sub(unfused))) < 1e-5);
    const [a, b] = [fused, unfused].map((y) => grad(y, [qkv], { seed })[0]);
    assert.ok((await largest(a.sub(b))) < 1e-5);
  });

  test(`${name}: a query whose keys are all masked gets zeros, and so do its gradients`, async () => {
    using _ = tensorScope();
    const rng = new Rng(2);
    const [q, k, v] = [randn([1, 2, 2, 3], rng, { device }), randn([1, 2, 4, 3], rng, { device }), randn([1, 2, 4, 5], rng, { device })]; // biome-ignore format: one thought
    const mask = tensor([[0, 0, 0, 0], [1, 0, 1, 1]], undefined, { device }); // biome-ignore format: a matrix
    const y = attention(q, k, v, { mask });
    assert.deepEqual(y.shape, [1, 2, 2, 5]);
    const rows = (await y.tolist()) as number[][][][];
    for (const head of rows[0]) {
      assert.ok(head[0].every((x) => x === 0));
      assert.ok(head[1].every((x) => Number.isFinite(x) && x !== 0));
    }
    const gradients = grad(y.sum(), { q, k, v }, { createGraph: true });
    const dq = (await gradients.q.tolist()) as number[][][][];
    assert.ok(dq[0].every((head) => head[0].every((x) => x === 0)));
    const dv = (await gradients.v.tolist()) as number[][][][];
    assert.ok(dv[0].every((head) => head[1].every((x) => x === 0), 'a masked key gets no gradient'));
    const [ddq] = grad(gradients.k.mul(gradients.k).sum(), [q]);
    assert.ok((await ddq.data()).every(Number.isFinite));
  });
}

test('a mask for everything is no mask', async () => {
  using _ = tensorScope();
  const qkv = randn([2, 5, 12], new Rng(3));
  const mask = ones([2, 1, 1, 5]);
  assert.ok((await largest(selfAttention(qkv, 2, { mask }).sub(selfAttention(qkv, 2)))) < 1e-6);
});

test('a causal mask hides what comes later', async () => {
  using _ = tensorScope();
  const rng = new Rng(4);
  const qkv = randn([1, 6, 12], rng);
  const [early] = [qkv.narrow(1, 0, 4)];
  const whole = selfAttention(qkv, 2, { mask: tril(ones([6, 6])) });
  const part = selfAttention(early, 2, { mask: tril(ones([4, 4])) });
  assert.ok((await largest(whole.narrow(1, 0, 4).sub(part))) < 1e-6);
});

test('a mask that would be added to scores, as PyTorch has them, is refused', async () => {
  using _ = tensorScope();
  const qkv = randn([1, 2, 6], new Rng(1));
  const causal = tensor([[0, Number.NEGATIVE_INFINITY], [0, 0]]); // biome-ignore format: a matrix
  for (const mask of [causal, tensor([[-1e9, 0]]), tensor([[Number.NaN, 1]]), tensor([[0.5, 1]])])
    assert.throws(() => selfAttention(qkv, 1, { mask }), {
      name: 'OptionError',
      message:
        /^attention, mask: expected 1 \(may attend\) and 0 \(may not\), got .*\. For a mask .* pass equal\(mask, 0\)\.$/,
    });
  const [a, b] = [equal(causal, 0), tril(ones([2, 2]))].map((mask) => selfAttention(qkv, 1, { mask }));
  assert.equal(await largest(a.sub(b)), 0);
  assert.throws(() => selfAttention(qkv, 1, { mask: [[1, 0]] as never }), {
    name: 'TypeError',
    message: /got an array/,
  });
});

test('without a mask selfAttention is one op', async () => {
  using _ = tensorScope();
  const qkv = randn([1, 4, 12], new Rng(5));
  const seen: string[] = [];
  observeOps(
    ({ op }) => seen.push(op),
    () => selfAttention(qkv, 2),
  );
  assert.deepEqual(seen, ['selfAttention']);
});

test('heads are split and merged', async () => {
  using _ = tensorScope();
  const x = tensor([[[1, 2, 3, 4], [5, 6, 7, 8]]]); // biome-ignore format: a matrix
  const heads = splitHeads(x, 2);
  assert.deepEqual(await heads.tolist(), [[[[1, 2], [5, 6]], [[3, 4], [7, 8]]]]); // biome-ignore format: matrices
  assert.deepEqual(await mergeHeads(heads).tolist(), await x.tolist());
  assert.throws(() => splitHeads(x, 3), /splitHeads: expected x \[batch, tokens, dim\] with dim divisible by 3 heads/);
  assert.throws(() => mergeHeads(x), /mergeHeads: expected x \[batch, heads, tokens, d\], got \[1, 2, 4\]/);
});

test('shapes that do not fit are named', async () => {
  using _ = tensorScope();
  const at = { device: await openDevice('reference') };
  const [q, k] = [zeros([1, 1, 2, 3], at), zeros([1, 1, 4, 3], at)];
  assert.throws(
    () => attention(q, k, q),
    /attention: expected q \[..., queries, d\].* got q \[1, 1, 2, 3\], k \[1, 1, 4, 3\] and v \[1, 1, 2, 3\]/,
  );
  assert.throws(
    () => attention(q, k, k, { mask: ones([4, 2], at) }),
    /expected a mask that broadcasts to the scores \[..., queries, keys\], \[1, 1, 2, 4\], got \[4, 2\]/,
  );
});
