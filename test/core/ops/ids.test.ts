/** Ids out of range: an error where they can be read at once, and one and the same result on all other devices. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  crossEntropy,
  type Device,
  embedding,
  gather,
  grad,
  numel,
  oneHot,
  type Shape,
  ShapeError,
  scatterAdd,
  show,
  type Tensor,
  takeAlong,
  tensor,
  tensorScope,
} from '../../../core/index.ts';
import { Embedding } from '../../../nn/index.ts';
import { devicesUnderTest } from '../../devices.ts';

/** An op that takes ids in 0..count−1. */
interface Taker {
  /** Shape of the ids, and of a float argument, for axes of these lengths. */
  shapes(count: number, m: number, n: number): { ids: Shape; x: Shape };
  call(x: Tensor, ids: Tensor, count: number): Tensor;
}
const takers: Readonly<Record<string, Taker>> = {
  embedding: { shapes: (count, m, n) => ({ ids: [m, n], x: [count, 2] }), call: embedding },
  'nn.Embedding': {
    shapes: (count, m, n) => ({ ids: [m, n], x: [count, 2] }),
    call: (x, ids) => Embedding.prototype.forward.call({ weight: x }, ids),
  },
  takeAlong: { shapes: (count, m, n) => ({ ids: [m, n], x: [m, count] }), call: takeAlong },
  'gather 0': { shapes: (count, m, n) => ({ ids: [m, n], x: [count, n] }), call: (x, ids) => gather(x, 0, ids) },
  'gather 1': { shapes: (count, m, n) => ({ ids: [m, n], x: [m, count] }), call: (x, ids) => gather(x, 1, ids) },
  scatterAdd: {
    shapes: (count, m, n) => ({ ids: [m, n], x: [m, count] }),
    call: (x, ids) =>
      scatterAdd(x, 1, ids, tensor(new Float32Array(ids.size).fill(3), ids.shape, { device: x.device })),
  },
  oneHot: { shapes: (_, m, n) => ({ ids: [m, n], x: [1] }), call: (x, ids, count) => oneHot(ids, count).mul(x) },
  crossEntropy: {
    shapes: (count, m, n) => ({ ids: [m, n], x: [m, n, count] }),
    call: (x, ids) => crossEntropy(x, ids),
  },
  'crossEntropy smoothing': {
    shapes: (count, m, n) => ({ ids: [m, n], x: [m, n, count] }),
    call: (x, ids) => crossEntropy(x, ids, { smoothing: 0.1 }),
  },
};

const int32 = (values: readonly number[], shape: Shape, device?: Device) =>
  tensor(values, shape, { dtype: 'int32', ...(device && { device }) });

/** Axes, ids of which one is out of range, and where it stands. */
const cases = fc
  .record({
    count: fc.integer({ min: 1, max: 6 }),
    m: fc.integer({ min: 1, max: 3 }),
    n: fc.integer({ min: 1, max: 4 }),
    place: fc.nat(),
    beyond: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 4, max: 2 ** 23 })),
    below: fc.boolean(),
    seed: fc.array(fc.nat(), { minLength: 12, maxLength: 12 }),
  })
  .map(({ count, m, n, place, beyond, below, seed }) => {
    const wrong = below ? -1 - beyond : count + beyond;
    const at = place % (m * n);
    const ids = seed.slice(0, m * n).map((s, i) => (i === at ? wrong : s % count));
    return { count, m, n, wrong, at, ids };
  })
  .filter(({ wrong }) => wrong !== -100); // crossEntropy's ignoreIndex

const devices = await devicesUnderTest();

for (const { name, device } of devices.filter(({ device }) => device.synchronous)) {
  for (const [op, { shapes, call }] of Object.entries(takers)) {
    test(`${name}: ${op} names an id out of range, its place and the range`, () => {
      const property = fc.property(cases, ({ count, m, n, wrong, at, ids }) => {
        using _ = tensorScope();
        const { ids: shape, x } = shapes(count, m, n);
        const float = tensor(new Float32Array(numel(x)), x, { device });
        assert.throws(
          () => call(float, int32(ids, shape, device), count),
          (error: Error) => {
            assert.ok(error instanceof ShapeError, String(error));
            assert.ok(error.message.includes(`expected ids in 0..${count - 1} of`), error.message);
            assert.ok(error.message.includes(`got ${wrong} at ${show([Math.floor(at / n), at % n])}`), error.message);
            return true;
          },
        );
      });
      fc.assert(property, { numRuns: 60, seed: 1 });
    });
  }
}

for (const { name, device } of devices.filter(({ device }) => !device.synchronous)) {
  test(`${name}: an id out of range reads 0, adds nothing, and has loss and gradient 0`, async () => {
    using _ = tensorScope();
    const on = (values: Parameters<typeof tensor>[0]) => tensor(values, undefined, { device });
    const x = on([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: a matrix
    const table = on([[1, 2], [3, 4], [5, 6]]); // biome-ignore format: a matrix
    const ids = int32([3, 1, -1, 0], [2, 2], device);
    const both = async (y: Tensor, wrt: Tensor) => [await y.tolist(), await grad(y.sum(), [wrt])[0].tolist()];
    assert.deepEqual(await both(embedding(table, ids), table), [
      [[[0, 0], [3, 4]], [[0, 0], [1, 2]]],
      [[1, 1], [1, 1], [0, 0]],
    ]); // biome-ignore format: matrices
    assert.deepEqual(await both(takeAlong(x, ids), x), [[[0, 2], [0, 4]], [[0, 1, 0], [1, 0, 0]]]); // biome-ignore format: matrices
    assert.deepEqual(await both(gather(x, 1, ids), x), [[[0, 2], [0, 4]], [[0, 1, 0], [1, 0, 0]]]); // biome-ignore format: matrices
    assert.deepEqual(await scatterAdd(x, 1, ids, on([[10, 20], [30, 40]])).tolist(), [[1, 22, 3], [44, 5, 6]]); // biome-ignore format: matrices
    assert.deepEqual(await oneHot(ids, 3).tolist(), [[[0, 0, 0], [0, 1, 0]], [[0, 0, 0], [1, 0, 0]]]); // biome-ignore format: matrices
    for (const smoothing of [0, 0.1]) {
      const [y, dx] = await both(crossEntropy(x, int32([3, -1], [2], device), { smoothing }), x);
      assert.deepEqual([y, dx], [[0, 0], [[0, 0, 0], [0, 0, 0]]]); // biome-ignore format: matrices
    }
  });
}

for (const { name, device } of devices) {
  test(`${name}: ignoreIndex leaves positions out, as in PyTorch`, async () => {
    using _ = tensorScope();
    const x = tensor([[1, 2, 3], [3, 1, 0], [0, 0, 1]], undefined, { device }); // biome-ignore format: a matrix
    const [first, , last] = [2.4076059, 0, 0.5514447]; // −log softmax(x)₀ of row 0, −log softmax(x)₂ of row 2
    for (const [ids, options] of [
      [[0, -100, 2], {}],
      [[0, -1, 2], { ignoreIndex: -1 }],
      [[0, 1, 2], { ignoreIndex: 1 }],
      [[0, 7, 2], { ignoreIndex: 7 }],
    ] as const) {
      const y = crossEntropy(x, int32(ids, [3], device), options);
      const [dx] = grad(y.sum(), [x]);
      const got = await y.data();
      for (const [i, want] of [first, 0, last].entries()) assert.ok(Math.abs(got[i] - want) < 1e-5, `${ids}: ${got}`);
      const rows = (await dx.tolist()) as number[][];
      assert.deepEqual(rows[1], [0, 0, 0]);
      assert.ok(Math.abs(rows[0][0] - (Math.exp(-first) - 1)) < 1e-5 && rows[2][2] < 0);
    }
  });

  test(`${name}: a class with logit −∞ has probability 0`, async () => {
    using _ = tensorScope();
    const x = tensor([[1, -Infinity, 2]], undefined, { device });
    const y = crossEntropy(x, int32([0], [1], device));
    assert.ok(Math.abs((await y.item()) - 1.3132617) < 1e-5);
    const dx = await grad(y.sum(), [x])[0].data();
    for (const [i, want] of [-0.7310586, 0, 0.7310586].entries()) assert.ok(Math.abs(dx[i] - want) < 1e-5, String(dx));
    const all = crossEntropy(x, int32([0], [1], device), { smoothing: 0.1 }); // every class counts: as in PyTorch
    if (device.name !== 'webgpu') assert.equal(await all.item(), Infinity);
  });
}

test('wrong options and ids of crossEntropy are named', () => {
  using _ = tensorScope();
  const x = tensor([[1, 2, 3]]);
  const t = int32([0], [1]);
  const wrong: [() => unknown, string, RegExp][] = [
    [() => crossEntropy(x, t, { smoothing: 1.5 }), 'OptionError', /crossEntropy, smoothing: expected a number in 0\.\.1, got 1\.5/],
    [() => crossEntropy(x, t, { smoothing: Number.NaN }), 'OptionError', /smoothing/],
    [() => crossEntropy(x, t, { ignoreIndex: 0.5 }), 'OptionError', /ignoreIndex: expected a whole number, got 0\.5/],
    [() => crossEntropy(x, tensor([0])), 'TypeError', /crossEntropy: expected int32 ids, got float32\. Make them with tensor/],
    [() => crossEntropy(x, [0] as never), 'TypeError', /crossEntropy: expected int32 ids, got an array\./],
    [() => embedding(x, [0] as never), 'TypeError', /embedding: expected int32 ids, got an array\./],
    [() => gather(x, 0, undefined as never), 'TypeError', /gather: expected int32 ids, got undefined\./],
  ]; // biome-ignore format: a table
  for (const [f, name, message] of wrong) assert.throws(f, { name, message });
});
