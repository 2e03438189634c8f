/** Single values where an op has a corner: ties, halves, zeros, empty axes, ids. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  adaptiveAvgPool2d,
  argmax,
  argmin,
  argsort,
  concat,
  crossEntropy,
  expand,
  gather,
  grad,
  max,
  min,
  narrow,
  ones,
  pad,
  prod,
  resizeBilinear,
  round,
  samePadding,
  scatterAdd,
  sign,
  slice,
  sort,
  stack,
  std,
  type Tensor,
  tensor,
  tensorScope,
  topk,
  transpose,
  unsqueeze,
  variance,
  zeros,
} from '../../../core/index.ts';
import { devicesUnderTest } from '../../devices.ts';

const int32 = { dtype: 'int32' } as const;

for (const { name, device } of await devicesUnderTest()) {
  const on = (values: Parameters<typeof tensor>[0], options = {}) => tensor(values, undefined, { device, ...options });

  test(`${name}: round takes halves to the even number; sign`, async () => {
    using _ = tensorScope();
    const x = on([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 0.49999997, -0.49999997, 0.75, -1.25, 8388609, -8388609]);
    assert.deepEqual([...(await round(x).data())].map((v) => v + 0), [-2, -2, 0, 0, 2, 2, 4, 0, 0, 1, -1, 8388609, -8388609]); // biome-ignore format: pairs
    assert.deepEqual(await sign(on([-3, 0, 0.25])).tolist(), [-1, 0, 1]);
  });

  test(`${name}: std of equal values, products of no matrices, images of their own size`, async () => {
    using _ = tensorScope();
    const x = on([[2, 2, 2], [1, 2, 3]]); // biome-ignore format: a matrix
    const spread = std(x, 1);
    assert.deepEqual(await spread.tolist(), [0, 1]);
    const [[...equal], [...rising]] = (await grad(spread.sum(), [x])[0].tolist()) as number[][];
    assert.deepEqual(equal.map(Math.abs), [0, 0, 0]);
    assert.ok(rising.every((g, i) => Math.abs(g - (i - 1) / 2) < 1e-6));
    assert.deepEqual(ones([2, 3], { device }).matmul(ones([0, 3, 4], { device })).shape, [0, 2, 4]);
    const image = on([1, 2, 3, Infinity]).reshape([1, 1, 2, 2]);
    for (const same of [resizeBilinear(image, [2, 2]), adaptiveAvgPool2d(image, [2, 2])])
      assert.deepEqual([...(await same.data())], [1, 2, 3, Infinity]);
  });

  test(`${name}: max, min and their indices take the first of equals, over all axes in row-major order`, async () => {
    using _ = tensorScope();
    const x = on([[[1, 5], [2, 5]], [[5, 0], [0, 3]]]); // biome-ignore format: matrices
    assert.equal(await max(x).item(), 5);
    assert.equal(await argmax(x).item(), 1);
    assert.equal(await argmin(x).item(), 5);
    assert.equal(argmax(x).dtype, 'int32');
    assert.deepEqual(argmax(x).shape, []);
    assert.deepEqual(await argmax(x, -1).tolist(), [[1, 1], [0, 1]]); // biome-ignore format: a matrix
    assert.deepEqual(max(x, [0, 2], true).shape, [1, 2, 1]);
    const first = [[[0, 1], [0, 0]], [[0, 0], [0, 0]]]; // biome-ignore format: matrices
    assert.deepEqual(await grad(max(x), [x])[0].tolist(), first);
    const byColumns = [[[0, 1], [0, 1]], [[0, 0], [0, 0]]]; // biome-ignore format: matrices
    assert.deepEqual(await grad(max(x, [0, 2]).sum(), [x])[0].tolist(), byColumns);
    assert.deepEqual(await grad(min(x), [x])[0].add(0).tolist(), [[[0, 0], [0, 0]], [[0, 1], [0, 0]]]); // biome-ignore format: matrices
  });

  test(`${name}: topk of equal values takes the first, from large to small`, async () => {
    using _ = tensorScope();
    const x = on([[1, 4, 2, 4], [0, 0, 0, 0]]); // biome-ignore format: a matrix
    const { values, indices } = topk(x, 3);
    assert.deepEqual(await values.tolist(), [[4, 4, 2], [0, 0, 0]]); // biome-ignore format: a matrix
    assert.deepEqual(await indices.tolist(), [[1, 3, 2], [0, 1, 2]]); // biome-ignore format: a matrix
    assert.equal(indices.dtype, 'int32');
    assert.deepEqual(await grad(values.sum(), [x])[0].tolist(), [[0, 1, 1, 1], [1, 1, 1, 0]]); // biome-ignore format: a matrix
  });

  test(`${name}: the gradient of a product is that of the other factors, also at zeros`, async () => {
    using _ = tensorScope();
    const x = on([[2, 3, 4], [2, 0, 4], [0, 3, 0]]); // biome-ignore format: a matrix
    const y = prod(x, 1);
    assert.deepEqual(await y.tolist(), [24, 0, 0]);
    const [dx] = grad(y.sum(), [x], { createGraph: true });
    assert.deepEqual(await dx.tolist(), [[12, 8, 6], [0, 8, 0], [0, 0, 0]]); // biome-ignore format: a matrix
    // of the sum of all second derivatives of a row, by its entries: 2 (a + b + c) without the own one
    assert.deepEqual(await grad(dx.sum(), [x])[0].tolist(), [[7, 6, 5], [4, 6, 2], [3, 0, 3]]); // biome-ignore format: a matrix
  });

  test(`${name}: gather and scatterAdd, indices used twice`, async () => {
    using _ = tensorScope();
    const x = on([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: a matrix
    const rows = on([[1, 0], [1, 1], [0, 0]], int32); // biome-ignore format: a matrix
    assert.deepEqual(await gather(x, 0, rows).tolist(), [[4, 2], [4, 5], [1, 2]]); // biome-ignore format: a matrix
    const source = on([[1, 10], [100, 1000], [5, 7]]); // biome-ignore format: a matrix
    const y = scatterAdd(x, 0, rows, source);
    assert.deepEqual(await y.tolist(), [[6, 19, 3], [105, 1005, 6]]); // biome-ignore format: a matrix
    const [dx, ds] = grad(y.mul(x).sum(), [x, source]);
    assert.deepEqual(await ds.tolist(), [[4, 2], [4, 5], [1, 2]]); // biome-ignore format: a matrix
    assert.deepEqual(dx.shape, [2, 3]);
  });
}

test('ids stay ids when they are moved', async () => {
  using _ = tensorScope();
  const ids = tensor([[3, 1, 2], [0, 2, 1]], undefined, int32); // biome-ignore format: a matrix
  const moved: Tensor[] = [
    transpose(ids),
    narrow(ids, 1, 0, 2),
    expand(unsqueeze(ids, 0), [2, 2, 3]),
    concat([ids, ids]),
    stack([ids, ids], -1),
    sort(ids),
    gather(ids, 0, tensor([[1, 0, 1]], undefined, int32)),
    argsort(ids, 0),
  ];
  for (const t of moved) assert.equal(t.dtype, 'int32');
  assert.equal(concat([ids, ones([1, 3])]).dtype, 'float32');
  assert.equal(crossEntropy(zeros([2, 5]), narrow(ids, 1, 0, 1).squeeze(1)).dtype, 'float32');
});

test('shapes and starts that their owner changes later are those of the call, also for the gradient', async () => {
  using _ = tensorScope();
  const [starts, counts, shape] = [[0], [0], [2, 2]];
  const x = tensor([1, 2, 3]);
  const parts: Tensor[] = [];
  for (let i = 0; i < 3; i++) {
    [starts[0], counts[0]] = [i, i];
    parts.push(slice(x, starts, [1]).mul(i + 1), pad(narrow(x, 0, i, 1), counts, [2 - i]).mul(tensor([10, 20, 30])));
  }
  [starts[0], counts[0]] = [0, 0];
  assert.deepEqual(await grad(concat(parts).sum(), [x])[0].tolist(), [11, 22, 33]);
  const made = [zeros(shape), ones([4]).reshape(shape), ones([1, 2]).expand(shape)];
  shape[0] = 9;
  for (const t of made) assert.deepEqual(t.shape, [2, 2]);
});

test('reductions of nothing', async () => {
  using _ = tensorScope();
  const empty = zeros([2, 0]);
  assert.deepEqual(await prod(empty, 1).tolist(), [1, 1]);
  assert.deepEqual(prod(empty, 1, true).shape, [2, 1]);
  assert.equal(await prod(tensor(3)).item(), 3);
  for (const [op, f] of [
    ['max', () => max(empty)],
    ['min', () => min(empty, 1)],
    ['argmax', () => argmax(empty, 1)],
    ['argmin', () => argmin(empty)],
  ] as const)
    assert.throws(f, { name: 'ShapeError', message: new RegExp(`^${op}: expected at least one value along axis`) });
  assert.deepEqual(max(empty, 0).shape, [0]);
});

test('variance of no more values than the correction is infinite or NaN, never negative', async () => {
  using _ = tensorScope();
  for (const correction of [2, 3]) assert.equal(await variance(tensor([1, 2]), 0, false, correction).item(), Infinity);
  for (const correction of [1, 2]) assert.equal(await variance(tensor([1]), 0, false, correction).item(), Number.NaN);
});

test('std is the root of variance, with the same corrections', async () => {
  using _ = tensorScope();
  const x = tensor([1, 2, 3, 6]);
  for (const correction of [0, 1])
    assert.equal(await std(x, 0, false, correction).item(), Math.fround(Math.sqrt(await variance(x, 0, false, correction).item()))); // biome-ignore format: one thought
  assert.ok(Math.abs((await std(x).item()) - Math.sqrt(14 / 3)) < 1e-6);
});

test('"same" padding puts the odd zero after', () => {
  assert.deepEqual(
    [samePadding(8, 4, 2), samePadding(7, 4, 2), samePadding(5, 3, 1)],
    [
      [1, 1],
      [1, 2],
      [1, 1],
    ],
  );
});

test('wrong arguments are named', () => {
  using _ = tensorScope();
  const x = zeros([2, 3]);
  const ids = zeros([2, 3]);
  const wrong: [() => unknown, RegExp][] = [
    [() => topk(x, 4), /topk: expected k in 0..3, the length of axis -1 of \[2, 3\], got 4/],
    [() => gather(x, 0, ids), /gather: expected int32 ids, got float32/],
    [() => gather(x, 0, tensor([[1, 1, 1, 1]], undefined, int32)), /gather: expected indices of rank 2, up to as long as x \[2, 3\] outside axis 0, got \[1, 4\]/],
    [() => gather(x, 1, tensor([[3]], undefined, int32)), /gather: expected ids in 0..2 of axis 1 of x \[2, 3\], got 3 at \[0, 0\]/],
    [() => scatterAdd(x, 1, tensor([[0, 1]], undefined, int32), zeros([1, 1])), /scatterAdd: expected indices of rank 2.* got x \[2, 3\], indices \[1, 2\] and source \[1, 1\]/],
    [() => unsqueeze(x, 4), /unsqueeze: expected an axis/],
  ]; // biome-ignore format: a table
  for (const [f, message] of wrong) assert.throws(f, message);
});
