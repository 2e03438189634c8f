/** Options and inputs that layers, quantizers and schedules refuse, where they gave NaN, hung or were ignored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ones, Rng, tensorScope, zeros } from '../../core/index.ts';
import {
  BinaryQuantizer,
  Conv2d,
  ConvTranspose2d,
  constantSchedule,
  cosineSchedule,
  FiniteScalarQuantizer,
  GroupNorm,
  kMeans,
  LayerNorm,
  Linear,
  MultiheadAttention,
  Sequential,
  stateDict,
  truncatedNormal,
  VectorQuantizer,
} from '../../nn/index.ts';

const rng = new Rng(0);
const refused: Record<string, [what: RegExp, f: () => unknown]> = {
  'LayerNorm with a negative eps': [/^LayerNorm, eps/, () => new LayerNorm(3, -1)],
  'GroupNorm with eps NaN': [/^GroupNorm, eps/, () => new GroupNorm(1, 3, Number.NaN)],
  'Conv2d without a kernel': [/^Conv2d, kernel/, () => new Conv2d(1, 1, 0, rng)],
  'ConvTranspose2d without a kernel': [/^ConvTranspose2d, kernel/, () => new ConvTranspose2d(1, 1, 0, rng)],
  'an unknown option of attention': [
    /^MultiheadAttention\.forward: expected options keyValue, mask, rows, got 'attnMask'/,
    () => new MultiheadAttention(4, 2, rng).forward(ones([1, 3, 4]), { attnMask: ones([3, 3]) } as object),
  ],
  'truncatedNormal of std NaN': [/^truncatedNormal, std/, () => truncatedNormal([3], Number.NaN, rng)],
  'truncatedNormal that would draw for ever': [/^truncatedNormal, std/, () => truncatedNormal([3], 1e9, rng)],
  'VectorQuantizer without codes': [/^VectorQuantizer, codebookSize/, () => new VectorQuantizer(0, 2, rng)],
  'VectorQuantizer of dimension 0': [/^VectorQuantizer, dim/, () => new VectorQuantizer(4, 0, rng)],
  'BinaryQuantizer with a cost of NaN': [/, entropyCost/, () => new BinaryQuantizer(3, { entropyCost: Number.NaN })],
  'BinaryQuantizer with a negative cost': [/, commitmentCost/, () => new BinaryQuantizer(3, { commitmentCost: -1 })],
  'BinaryQuantizer of infinite temperature': [/ temperature/, () => new BinaryQuantizer(3, { temperature: Infinity })],
  'more codes than a table can hold': [/a product of at most 1048576/, () => new FiniteScalarQuantizer([2000, 2000])],
  'an unknown option of cosineSchedule': [
    /^cosineSchedule: .*got 'warmup'/,
    () => cosineSchedule({ lr: 1, totalSteps: 9, warmup: 5 } as never),
  ],
  'an unknown option of constantSchedule': [
    /^constantSchedule: /,
    () => constantSchedule({ lr: 1, warmup: 5 } as never),
  ],
};

for (const [name, [message, f]] of Object.entries(refused))
  test(name, () => {
    using _ = tensorScope();
    assert.throws(f, { name: 'OptionError', message });
  });

test('truncatedNormal of a large std stays within ±2', async () => {
  using _ = tensorScope();
  for (const value of await truncatedNormal([50], 500, rng).data()) assert.ok(Math.abs(value) <= 2);
});

test('kMeans: numbers and points that it cannot have', async () => {
  const points = Float32Array.of(1, 2, 3, 4);
  const nan = Float32Array.of(1, Number.NaN, 3, 4);
  await assert.rejects(kMeans(nan, 1, 2, rng), {
    name: 'OptionError',
    message: /points: expected finite numbers, got NaN/,
  });
  for (const k of [0, 1.5, Number.NaN]) await assert.rejects(kMeans(points, 1, k, rng), { message: /^kMeans, k: / });
  await assert.rejects(kMeans(points, 0, 2, rng), { message: /^kMeans, dim: / });
  await assert.rejects(kMeans(points, 1, 2, rng, { iters: 3 } as object), {
    name: 'OptionError',
    message: /got 'iters'/,
  });
  for (const iterations of [-1, Number.NaN])
    await assert.rejects(kMeans(points, 1, 2, rng, { iterations }), { message: /^kMeans, iterations: / });
});

test('layers in an array or in a Map, whose tensors nothing would train', () => {
  using _ = tensorScope();
  const linear = new Linear(1, 1, rng);
  assert.throws(() => new Sequential([linear] as never), {
    name: 'TypeError',
    message:
      'Sequential: expected layers or functions, got an array at position 0. Pass them one by one: new Sequential(a, b).',
  });
  assert.throws(() => new Sequential(undefined as never), {
    name: 'TypeError',
    message: /got undefined at position 0/,
  });
  for (const layers of [new Map([['a', linear]]), new Set([zeros([1])])])
    assert.throws(() => stateDict({ layers }), { name: 'TypeError', message: /some in a (Map|Set), 'layers'/ });
  assert.deepEqual(Object.keys(stateDict({ names: new Map([['a', 1]]), linear })), ['linear.weight', 'linear.bias']);
});
