/** Wrong shapes, types and values are told at the door: what was expected, what came, and a repair when one is likely. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  batchNorm,
  concat,
  conv2d,
  convTranspose2d,
  crossEntropy,
  embedding,
  grad,
  groupNorm,
  layerNorm,
  maxPool2d,
  nearestCode,
  oneHot,
  ones,
  Rng,
  selfAttention,
  type Tensor,
  takeAlong,
  tensor,
  tensorScope,
  tidy,
  zeros,
} from '../core/index.ts';
import { AdamW, Linear, VectorQuantizer } from '../nn/index.ts';
import { checkConfig, presets, TiTok } from '../titok/index.ts';

const int32 = { dtype: 'int32' } as const;
const freed = (): Tensor => {
  const t = ones([2]);
  t.dispose();
  return t;
};

const mistakes: [name: string, run: () => unknown, message: string][] = [
  [
    'ShapeError',
    () => tensor([[1, 2, 3], [4, 5, 6]]).matmul(ones([4, 3])), // biome-ignore format: a matrix
    'matmul: expected a [m, k] and b [k, n], got a [2, 3] and b [4, 3]. Did you mean matmul(a, transpose(b))?',
  ],
  [
    'ShapeError',
    () => ones([2]).matmul(ones([2, 2])),
    'matmul: expected a [m, k] and b [k, n], got a [2] and b [2, 2]. Give vectors a second axis with unsqueeze.',
  ],
  [
    'ShapeError',
    () => ones([2, 3]).add(ones([2, 4])),
    'add: expected shapes that broadcast, got a [2, 3] and b [2, 4]: axis -1 is 3 in one and 4 in the other.',
  ],
  [
    'ShapeError',
    () => batchNorm(ones([2, 1, 1, 1]), ones([3]), null),
    'batchNorm: expected x [N, C, ...] and gain [C], got x [2, 1, 1, 1] and gain [3].',
  ],
  [
    'ShapeError',
    () => batchNorm(ones([2, 4]), null, null, 1e-5, { mean: ones([4]), variance: ones([1]) }),
    'batchNorm: expected x [N, C, ...] and variance [C], got x [2, 4] and variance [1].',
  ],
  [
    'ShapeError',
    () => batchNorm(ones([2]), null, null),
    'batchNorm: expected x [N, C, ...] and gain [C], got x [2] and gain none.',
  ],
  [
    'ShapeError',
    () => convTranspose2d(ones([1, 3, 2, 2]), ones([3, 2, 2, 2]), null, { groups: 2 }),
    'convTranspose2d: expected x [N, C, H, W], weight [C, O/groups, kh, kw] and bias [O], with groups that divide C, got x [1, 3, 2, 2], weight [3, 2, 2, 2], bias none and 2 groups.',
  ],
  [
    'ShapeError',
    () => convTranspose2d(ones([1, 1, 2, 3]), ones([1, 1, 1, 1]), null, { padding: 2 }),
    'convTranspose2d: expected a result of at least one pixel, got [-2, -1] from x [1, 1, 2, 3] and weight [1, 1, 1, 1]. Use less padding.',
  ],
  [
    'ShapeError',
    () => conv2d(ones([1, 3, 2, 2]), ones([3, 3, 1, 1]), ones([3, 7])),
    'conv2d: expected x [N, C, H, W], weight [O, C/groups, kh, kw] and bias [O], got x [1, 3, 2, 2], weight [3, 3, 1, 1], bias [3, 7] and 1 groups.',
  ],
  [
    'ShapeError',
    () => groupNorm(ones([1, 4, 2]), ones([4, 2]), ones([4]), 2),
    'groupNorm: expected x [N, C, ...] with C divisible by 2 groups, gain [C] and bias [C], got x [1, 4, 2], gain [4, 2] and bias [4].',
  ],
  ['ShapeError', () => ones([2, 3]).reshape([4, -1]), 'reshape: expected a shape of 6 values for [2, 3], got [4, -1].'],
  [
    'ShapeError',
    () => ones([2, 3]).permute([0, 0]),
    'permute: expected each of the 2 axes of [2, 3] once, got [0, 0].',
  ],
  ['ShapeError', () => ones([2, 3]).sum(2), 'sum: expected an axis in -2..1 for a tensor of rank 2, got 2.'],
  [
    'ShapeError',
    () => concat([ones([2, 3]), ones([3, 4])], 0),
    'concat: expected shapes that agree outside axis 0, got [2, 3], [3, 4].',
  ],
  [
    'ShapeError',
    () => ones([2, 3]).slice([0, 2], [2, 2]),
    'slice: expected a block inside [2, 3], got starts [0, 2] and sizes [2, 2].',
  ],
  [
    'ShapeError',
    () => conv2d(ones([1, 3, 8, 8]), ones([4, 5, 3, 3]), null),
    'conv2d: expected x [N, C, H, W], weight [O, C/groups, kh, kw] and bias [O], got x [1, 3, 8, 8], weight [4, 5, 3, 3]',
  ],
  [
    'ShapeError',
    () => maxPool2d(ones([1, 3, 5, 5]), 2),
    'maxPool2d: expected x [N, C, H, W] with sides divisible by 2, got [1, 3, 5, 5].',
  ],
  [
    'ShapeError',
    () => layerNorm(ones([2, 4]), ones([3]), zeros([3]), 1e-5),
    'layerNorm: expected x [..., D], gain [D] and bias [D], got x [2, 4], gain [3] and bias [3].',
  ],
  [
    'ShapeError',
    () => selfAttention(ones([1, 4, 10]), 2),
    'selfAttention: expected qkv [batch, tokens, 3·dim] with dim divisible by 2 heads, got [1, 4, 10].',
  ],
  [
    'ShapeError',
    () => nearestCode(ones([3, 4]), ones([5, 6])),
    'nearestCode: expected z [rows, dim] and codebook [entries, dim], got z [3, 4] and codebook [5, 6].',
  ],
  [
    'ShapeError',
    () => crossEntropy(ones([2, 5]), tensor([0, 1, 2], [3], int32)),
    'crossEntropy: expected logits [..., V] and target [...], got logits [2, 5] and target [3].',
  ],
  [
    'ShapeError',
    () => new Linear(3, 4, new Rng(0)).forward(ones([2, 5])),
    'linear: expected x [..., in], weight [out, in] and bias [out], got x [2, 5], weight [4, 3] and bias [4].',
  ],
  [
    'ShapeError',
    () => new VectorQuantizer(8, 4, new Rng(0)).encode(ones([2, 5, 1, 3])),
    'VectorQuantizer: expected z [batch, 4, 1, tokens], got [2, 5, 1, 3].',
  ],
  ['ShapeError', () => tensor([1, 2, 3], [2, 2]), 'tensor: expected 4 values for shape [2, 2], got 3.'],
  ['ShapeError', () => tensor([[1, 2], [3]]), 'tensor: expected rows of equal shape, got [2] and [1].'],
  ['ShapeError', () => ones([2]).assign([1, 2, 3]), 'assign: expected 2 values for [2], got 3.'],
  [
    'ShapeError',
    () => grad(ones([2]).mul(2), []),
    'grad: expected a loss with one element, got [2]. Take its mean or sum, or pass a seed.',
  ],
  // Types of values.
  [
    'TypeError',
    () => embedding(ones([4, 2]), tensor([0, 1])),
    "embedding: expected int32 ids, got float32. Make them with tensor(values, shape, { dtype: 'int32' }).",
  ],
  ['TypeError', () => oneHot(tensor([0]), 3), 'oneHot: expected int32 ids, got float32.'],
  ['TypeError', () => takeAlong(ones([1, 4]), tensor([[0]])), 'takeAlong: expected int32 ids, got float32.'],
  [
    'ShapeError',
    () => embedding(ones([4, 2]), tensor([[0, 1, 2], [3, 4, 0]], undefined, int32)), // biome-ignore format: a matrix
    'embedding: expected ids in 0..3 of table [4, 2], got 4 at [1, 1] of ids [2, 3].',
  ],
  [
    'ShapeError',
    () => takeAlong(ones([1, 4]), tensor([[-1]], undefined, int32)),
    'takeAlong: expected ids in 0..3 of the last axis of x [1, 4], got -1 at [0, 0] of ids [1, 1].',
  ],
  ['TypeError', () => crossEntropy(ones([2, 5]), tensor([0, 1])), 'crossEntropy: expected int32 ids, got float32.'],
  [
    'DeviceError',
    () => tensor([0.5], [1], int32),
    'tensor: expected int32 ids as whole numbers within ±2^24, got 0.5 at position 0.',
  ],
  // Lifetimes.
  ['DeviceError', () => freed().add(1), 'add: expected a live tensor, got Tensor([2], float32, cpu) that was freed'],
  [
    'TypeError',
    () => new AdamW({ params: { weight: ones([2]) } }).step({ wieght: ones([2]) }),
    "optimizer.step: expected a gradient for 'weight', got none (did you mean 'wieght'?).",
  ],
  // Settings.
  [
    'OptionError',
    () => checkConfig({ ...presets.tiny, encoder: { ...presets.tiny.encoder, heads: 5 } }),
    'encoder.heads: expected a divisor of the width 128, got 5.',
  ],
  [
    'OptionError',
    () => checkConfig({ ...presets.tiny, imageSize: 30 }),
    'encoder.patchSize: expected a divisor of imageSize 30, got 8.',
  ],
  [
    'OptionError',
    () => new TiTok(presets.tiny, new Rng(0)).decodeTokens(tensor([1, 2, 3], [1, 3], int32)),
    'decodeTokens: expected 16 tokens per image, got 3.',
  ],
];

for (const [name, run, message] of mistakes) {
  test(message, () => {
    using _ = tensorScope();
    assert.throws(run, (error: Error) => {
      assert.equal(error.name, name);
      assert.ok(error.message.startsWith(message), error.message);
      return true;
    });
  });
}

test('a tensor that has left its scope without keep says so when it is read', async () => {
  let leaked: Tensor | undefined;
  tidy(() => {
    leaked = ones([3]);
  });
  await assert.rejects(leaked!.data(), { name: 'DeviceError', message: /freed with its scope\. keep\(\) what leaves/ });
});
