/** Tensors from numbers. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { eye, full, onesLike, openDevice, type Tensor, tensor, tensorScope, zerosLike } from '../../core/index.ts';

const shown = (t: Tensor): unknown[] => [t.shape, t.dtype, t.device.name, Array.from(t.dataSync())];

test('tensor reads the shape off nested arrays, and the dtype off an Int32Array', () => {
  using _ = tensorScope();
  assert.deepEqual(shown(tensor(3)), [[], 'float32', 'cpu', [3]]);
  assert.deepEqual(shown(tensor([[[1], [2]]])), [[1, 2, 1], 'float32', 'cpu', [1, 2]]);
  assert.deepEqual(shown(tensor([1, 2], [2, 1])), [[2, 1], 'float32', 'cpu', [1, 2]]);
  assert.deepEqual(shown(tensor(Int32Array.of(7))), [[1], 'int32', 'cpu', [7]]);
  assert.deepEqual(shown(tensor([])), [[0], 'float32', 'cpu', []]);
});

test('zerosLike and onesLike take shape, dtype and device of their source', async () => {
  using _ = tensorScope();
  const device = await openDevice('reference');
  const ids = tensor([1, 2], [2], { dtype: 'int32', device });
  assert.deepEqual(shown(zerosLike(ids)), [[2], 'int32', 'reference', [0, 0]]);
  assert.deepEqual(shown(onesLike(ids)), [[2], 'int32', 'reference', [1, 1]]);
  assert.deepEqual(shown(onesLike(full([1, 2], 5))), [[1, 2], 'float32', 'cpu', [1, 1]]);
});

test('an unknown option, and ids that float32 cannot hold, are errors', () => {
  using _ = tensorScope();
  assert.throws(() => full([2], 1, { dtyp: 'int32' } as never), {
    name: 'OptionError',
    message: "tensor: expected options dtype, device, got 'dtyp' (did you mean 'dtype'?).",
  });
  assert.throws(() => full([1], 2 ** 24 + 1, { dtype: 'int32' }), /whole numbers within ±2\^24, got 16777217/);
});

test('eye is the identity', () => {
  using _ = tensorScope();
  assert.deepEqual(shown(eye(3)), [[3, 3], 'float32', 'cpu', [1, 0, 0, 0, 1, 0, 0, 0, 1]]);
  assert.deepEqual(shown(eye(0))[0], [0, 0]);
});

test('assign takes ids only in a tensor of ids', () => {
  using _ = tensorScope();
  const ids = tensor([1, 2], [2], { dtype: 'int32' });
  for (const wrong of [0.5, Number.NaN, 2 ** 24 + 2])
    assert.throws(() => ids.assign([3, wrong]), {
      name: 'DeviceError',
      message: `assign: expected int32 ids as whole numbers within ±2^24, got ${wrong} at position 1.`,
    });
  assert.deepEqual(shown(ids)[3], [1, 2]);
  assert.throws(() => ids.assign(tensor([3, 0.5])), {
    name: 'DeviceError',
    message: 'assign: expected int32 ids as whole numbers within ±2^24, got 0.5 at position 1.',
  });
  assert.deepEqual(shown(ids.assign([3, 4]))[3], [3, 4]);
  assert.deepEqual(shown(ids.assign(ids.add(1)))[3], [4, 5]);
});

test('assign takes no tensor of another shape, whose values would come in another order', () => {
  using _ = tensorScope();
  const w = tensor([[1, 2, 3], [4, 5, 6]]); // biome-ignore format: a matrix
  assert.throws(() => w.assign(w.transpose()), {
    name: 'ShapeError',
    message: 'assign: expected a tensor of shape [2, 3], got [3, 2]. Transpose or reshape it.',
  });
  assert.deepEqual(shown(w.assign(w.mul(2)))[3], [2, 4, 6, 8, 10, 12]);
});

test('an alias of another size is an error that names reshape, and there is no view that would stop gradients', () => {
  using _ = tensorScope();
  for (const shape of [[2, -1], [-1, -4], [3]]) // biome-ignore format: a list
    assert.throws(() => full([2, 2], 1).alias(shape), {
      name: 'ShapeError',
      message: /^alias: expected a shape of 4 values, .* Use reshape\.$/,
    });
  assert.ok(!('view' in full([2, 2], 1)));
});

test('assign calls a function for its values', () => {
  using _ = tensorScope();
  assert.deepEqual(shown(eye(1).assign(() => [4]))[3], [4]);
  assert.throws(() => eye(1).assign(() => [4, 5]), /assign: expected 1 values for \[1, 1\], got 2/);
});
