/** Beyond 2²⁴ values, where float32 skips numbers: the last rows of large tensors are exact, and long sums are accurate. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  argmax,
  crossEntropy,
  cumsum,
  type Device,
  embedding,
  expand,
  gather,
  grad,
  layerNorm,
  linear,
  maxPool2d,
  mean,
  narrow,
  ones,
  pad,
  permute,
  reshape,
  softmax,
  sum,
  sumOfSquares,
  type Tensor,
  tensor,
  tensorScope,
} from '../../core/index.ts';
import { mse } from '../../nn/index.ts';
import { openOrSkip } from '../devices.ts';

const COLUMNS = 64;
const ROWS = 2 ** 24 / COLUMNS + 8;
const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => ((i * 31) % 251) / 16);
const ids = (list: readonly number[], shape: readonly number[], device: Device) =>
  tensor(list, shape, { dtype: 'int32', device });

/** Results of a few values from x [ROWS, COLUMNS]; each reads the last rows. */
const readers: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  embedding: (x) => embedding(x, ids([ROWS - 1, ROWS - 3], [2], x.device)),
  'gather down': (x) => gather(x, 0, ids([ROWS - 1, ROWS - 2, ROWS - 3], [1, 3], x.device)),
  'gradient of maxPool2d': (x) => {
    const images = reshape(x, [ROWS / 8, 1, 8, COLUMNS]);
    return narrow(grad(maxPool2d(images, 8).sum(), [images])[0], 0, ROWS / 8 - 1, 1);
  },
  'takeAlong a long row': (x) => gather(reshape(x, [2, -1]), 1, ids([2 ** 23 + 1, 2 ** 23 + 3], [2, 1], x.device)),
  'sum of rows': (x) => narrow(sum(x, 1), 0, ROWS - 8, 8),
  softmax: (x) => narrow(softmax(x), 0, ROWS - 2, 2),
  linear: (x) => narrow(linear(x, ones([1, COLUMNS], { device: x.device })), 0, ROWS - 2, 2),
  argmax: (x) => narrow(argmax(x, 1), 0, ROWS - 8, 8),
  layerNorm: (x) => {
    const [gain, bias] = [ones([COLUMNS], { device: x.device }), ones([COLUMNS], { device: x.device })];
    return narrow(layerNorm(x, gain, bias), 0, ROWS - 2, 2);
  },
  crossEntropy: (x) => narrow(crossEntropy(x, ids(new Array(ROWS).fill(7), [ROWS], x.device)), 0, ROWS - 2, 2),
  'pad and permute': (x) => narrow(narrow(permute(pad(x, [3, 0], [0, 0]), [1, 0]), 1, ROWS, 3), 0, 60, 4),
};
/** What a software driver has time for. */
const onWebGpu = ['embedding', 'gather down', 'gradient of maxPool2d', 'takeAlong a long row'];

const cpu = await openOrSkip('cpu');
for (const name of ['webasm', 'webgpu'] as const) {
  const device = await openOrSkip(name);
  if (!device || !cpu) continue;
  test(`${name}: the last rows of ${values.length} values`, async () => {
    using _ = tensorScope();
    const [x, reference] = [device, cpu].map((on) => tensor(values, [ROWS, COLUMNS], { device: on }));
    for (const [op, read] of Object.entries(readers)) {
      if (name === 'webgpu' && !onWebGpu.includes(op)) continue;
      using _ = tensorScope();
      const [got, want] = [await read(x).data(), await read(reference).data()];
      assert.equal(got.length, want.length);
      for (const [i, w] of want.entries())
        assert.ok(Math.abs(got[i] - w) <= 1e-5 * Math.max(1, Math.abs(w)), `${op}: got ${got[i]}, want ${w}, at ${i}`);
    }
  });

  test(`${name}: what float32 cannot count is refused`, async () => {
    using _ = tensorScope();
    const x = tensor(new Float32Array(2 ** 23 + 1), [2 ** 23 + 1, 1, 1, 1], { device });
    const repeated = expand(x, [2 ** 23 + 1, 2, 1, 1]);
    await assert.rejects(repeated.data(), { name: 'DeviceError', message: /expected at most .*8388608/ });
  });
}

for (const name of ['cpu', 'webasm'] as const) {
  const device = await openOrSkip(name);
  if (!device) continue;
  test(`${name}: long sums are accurate to float32`, async () => {
    const count = 20_000_000;
    const near = async (what: string, y: Tensor, want: number) => {
      const got = await y.item();
      assert.ok(Math.abs(got / want - 1) < 1e-6, `${what}: got ${got}, want ${want}`);
    };
    using _ = tensorScope();
    const x = tensor(new Float32Array(count).fill(0.1), [count], { device });
    const sums = 0.1 * count;
    await near('sum', sum(x), sums);
    await near('mean', mean(x), 0.1);
    await near('column', sum(reshape(x, [count, 1]), 0).reshape([]), sums);
    await near('one of five columns', narrow(sum(reshape(x, [-1, 5]), 0), 0, 3, 1), sums / 5);
    await near('one of many rows', narrow(sum(reshape(x, [5000, 4000]), 1), 0, 4999, 1), sums / 5000);
    await near('sumOfSquares', sumOfSquares([x]), 0.01 * count);
    await near('mse', mse(x, x.mul(0)), 0.01);
    await near('cumsum', narrow(cumsum(narrow(x, 0, 0, 10_000)), 0, 9_999, 1), 1000);
  });
}
