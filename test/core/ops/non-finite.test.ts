/** NaN and infinities through reductions, orders and normalizations: the same on all devices that keep them, as PyTorch. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  adaptiveMaxPool2d,
  argmax,
  argmin,
  argsort,
  attention,
  clamp,
  crossEntropy,
  cumsum,
  type Device,
  grad,
  l2Normalize,
  layerNorm,
  logSoftmax,
  logsumexp,
  max,
  maximum,
  maxPool2d,
  mean,
  metaDevice,
  min,
  minimum,
  nearestCode,
  ones,
  prod,
  softmax,
  sort,
  sum,
  sumOfSquares,
  type Tensor,
  tensor,
  tensorScope,
  topk,
  variance,
  zeros,
} from '../../../core/index.ts';
import { devicesUnderTest } from '../../devices.ts';

const [I, N] = [Infinity, Number.NaN];
type Nested = number | readonly Nested[];
/** What to compute, and PyTorch's result. */
type Case = readonly [of: string, (on: (values: Nested) => Tensor) => Tensor, Nested];

// biome-ignore format: a table
const cases: readonly Case[] = [
  ['max', (on) => max(on([[1, N, 3], [1, 2, 3]]), 1), [N, 3]],
  ['max over all', (on) => max(on([[1, 2, 3], [4, 5, N]])), N],
  ['min', (on) => min(on([[1, N, 3], [N, 2, 3], [3, 1, 2]]), 1), [N, N, 1]],
  ['max of columns', (on) => max(on([[N, 1], [2, 3]]), 0), [N, 3]],
  ['argmax: the first NaN', (on) => argmax(on([[1, N, 3], [1, N, N], [N, 9, 9], [1, I, 3]]), 1), [1, 1, 0, 1]],
  ['argmax of columns', (on) => argmax(on([[1, N], [N, 2], [3, N]]), 0), [1, 0]],
  ['argmin: the first NaN', (on) => argmin(on([[1, N, 0], [-I, N, N], [2, 1, 0]]), 1), [1, 1, 2]],
  ['argmax over all', (on) => argmax(on([[1, 2], [N, 5]])), 2],
  ['gradient of max', (on) => { const x = on([[1, N, 3]]); return grad(max(x), [x])[0]; }, [[0, 1, 0]]],
  ['argsort: NaN last', (on) => argsort(on([[N, 2, -I, N, 1, I]])), [[2, 4, 1, 5, 0, 3]]],
  ['sort: NaN last', (on) => sort(on([[N, 2, -I, N, 1, I]])), [[-I, 1, 2, I, N, N]]],
  ['topk: NaN first', (on) => topk(on([[1, N, 3, I, N]]), 4).values, [[N, N, I, 3]]],
  ['indices of topk', (on) => topk(on([[1, N, 3, I, N]]), 4).indices, [[1, 4, 3, 2]]],
  ['maxPool2d', (on) => maxPool2d(on([[[[1, N, 5, 6], [3, 4, 7, 8]]]]), 2), [[[[N, 8]]]]],
  ['adaptiveMaxPool2d', (on) => adaptiveMaxPool2d(on([[[[1, 2, N]]]]), [1, 2]), [[[[2, N]]]]],
  ['gradient of maxPool2d', (on) => { const x = on([[[[1, N], [3, N]]]]); return grad(maxPool2d(x, 2).sum(), [x])[0]; }, [[[[0, 1], [0, 0]]]]],
  ['nearestCode: NaN is never nearest', (on) => nearestCode(on([[1, 1], [N, 1]]), on([[N, 1], [5, 5], [1, 2]])), [2, 0]],
  ['nearestCode: all equal', (on) => nearestCode(on([[0, 0]]), on([[1, 0], [0, 1], [-1, 0]])), [0]],
  ['maximum', (on) => maximum(on([N, 1, N, I]), on([1, N, N, 2])), [N, N, N, I]],
  ['minimum', (on) => minimum(on([N, 1, N, -I]), on([1, N, N, 2])), [N, N, N, -I]],
  ['clamp', (on) => clamp(on([N, -I, I]), -1, 1), [N, -1, 1]],
  ['sum', (on) => sum(on([[1, N], [I, 2], [I, -I]]), 1), [N, I, N]],
  ['mean', (on) => mean(on([[1, N], [I, 2]]), 1), [N, I]],
  ['mean of nothing', (on) => mean(on([])), N],
  ['variance', (on) => variance(on([[1, N], [I, 2]]), 1), [N, N]],
  ['prod', (on) => prod(on([[0, N], [0, I], [2, I]]), 1), [N, N, I]],
  ['cumsum', (on) => cumsum(on([1, N, 2])), [1, N, N]],
  ['cumsum before an infinity', (on) => cumsum(on([1, 2, I, 1])), [1, 3, I, I]],
  ['sumOfSquares', (on) => sumOfSquares([on([1, 2]), on([N])]), N],
  ['softmax', (on) => softmax(on([[1, N], [-I, 0], [-I, -I], [I, 0]])), [[N, N], [0, 1], [N, N], [N, N]]],
  ['logSoftmax', (on) => logSoftmax(on([[1, N], [-I, 0], [-I, -I]])), [[N, N], [-I, 0], [N, N]]],
  ['logsumexp', (on) => logsumexp(on([[1, N], [-I, 0], [-I, -I], [I, 0], [I, -I]])), [N, 0, -I, I, I]],
  ['gradient of logsumexp', (on) => { const x = on([[-I, 0]]); return grad(logsumexp(x).sum(), [x])[0]; }, [[0, 1]]],
  ['crossEntropy', (on) => crossEntropy(on([[-I, 0], [-I, 0], [N, 0]]), tensor([0, 1, 1], [3], { dtype: 'int32', device: on(0).device })), [I, 0, N]],
  ['crossEntropy, all smoothed', (on) => crossEntropy(on([[-I, 0], [0, 0]]), tensor([0, 0], [2], { dtype: 'int32', device: on(0).device }), { smoothing: 1 }), [I, Math.LN2]],
  ['layerNorm', (on) => layerNorm(on([[1, N], [I, 0]]), on([1, 1]), on([0, 0])), [[N, N], [N, N]]],
  ['l2Normalize of zeros', (on) => l2Normalize(on([[0, 0], [3, 4]])), [[0, 0], [0.6, 0.8]]],
  ['attention: what no query may see does not count', (on) => attention(on([[1], [1]]), on([[1], [1]]), on([[I], [2]]), { mask: on([[0, 0], [0, 0]]) }), [[0], [0]]],
];

const keepsThem = (device: Device): boolean => ['reference', 'cpu', 'webasm'].includes(device.name);

for (const { name, device } of (await devicesUnderTest()).filter(({ device }) => keepsThem(device))) {
  for (const [of, f, want] of cases) {
    test(`${name}: ${of}`, async () => {
      using _ = tensorScope();
      const y = f((values) => tensor(values as never, undefined, { device }));
      const wanted = ([want] as unknown[]).flat(Infinity) as number[];
      const got = Array.from(await y.data());
      const agrees = (w: number, g: number) => Object.is(w, g) || Math.abs(w - g) <= 1e-6;
      assert.ok(got.length === wanted.length && wanted.every((w, i) => agrees(w, got[i])), `${got}, want ${wanted}`);
    });
  }
}

for (const { name, device } of await devicesUnderTest()) {
  test(`${name}: an empty axis has no largest value`, () => {
    using _ = tensorScope();
    const empty = zeros([2, 0], { device });
    const message = (op: string) => ({
      name: 'ShapeError',
      message: new RegExp(`^${op}: expected .*(at least one|entries|pixels|values)`),
    });
    for (const [op, f] of [
      ['max', () => max(empty)],
      ['max', () => max(empty, 1)],
      ['min', () => min(empty, [0, 1])],
      ['argmax', () => argmax(empty, -1)],
      ['argmin', () => argmin(empty)],
      ['logsumexp', () => logsumexp(empty)],
      ['nearestCode', () => nearestCode(ones([2, 3], { device }), zeros([0, 3], { device }))],
      ['adaptiveMaxPool2d', () => adaptiveMaxPool2d(zeros([1, 1, 0, 4], { device }), [1, 1])],
    ] as const)
      assert.throws(f, message(op));
    assert.deepEqual(max(empty, 0).shape, [0]);
  });
}

test('positions beyond 2²⁴, which float32 does not hold, are refused', () => {
  const long = zeros([2 ** 24 + 1], { device: metaDevice });
  for (const f of [() => argmax(long), () => argmin(long), () => argsort(long), () => topk(long, 1)])
    assert.throws(f, { name: 'DeviceError', message: /expected at most 2\^24 positions.* got 16777217/ });
});
