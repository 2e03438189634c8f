/** console.log(tensor) shows shape, dtype, device and values, or why it cannot. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import {
  arange,
  metaDevice,
  openDevice,
  Rng,
  randn,
  type Tensor,
  tensor,
  tensorScope,
  zeros,
} from '../../core/index.ts';

const lines = (...text: string[]): string => text.join('\n');
function prints(t: Tensor, ...text: string[]): void {
  assert.equal(inspect(t), lines(...text));
  assert.equal(`${t}`, lines(...text));
}

test('values stand in rows, numbers aligned in one notation', () => {
  using _ = tensorScope();
  prints(tensor(3), 'Tensor([], float32, cpu) 3');
  prints(tensor([1, -0.5]), 'Tensor([2], float32, cpu) [ 1.0000, -0.5000]');
  prints(tensor([1, 1e-7]), 'Tensor([2], float32, cpu) [1.0000e+0, 1.0000e-7]');
  prints(tensor([Number.NaN, -Infinity, 2]), 'Tensor([3], float32, cpu) [      NaN, -Infinity,         2]');
  prints(tensor([[1, -2, 3], [40, 5, 6]]), 'Tensor([2, 3], float32, cpu)', '[[ 1, -2,  3],', ' [40,  5,  6]]'); // biome-ignore format: rows
  prints(
    arange(4).reshape([2, 2, 1]),
    'Tensor([2, 2, 1], int32, cpu, reshape)',
    '[[[0],',
    '  [1]],',
    '',
    ' [[2],',
    '  [3]]]',
  );
  prints(zeros([0, 3]), 'Tensor([0, 3], float32, cpu)', '[]');
});

test('long rows continue on the next line, and large tensors show their corners', () => {
  using _ = tensorScope();
  const [first, ...rest] = inspect(arange(100)).split('\n');
  assert.match(first, /^Tensor\(\[100\], int32, cpu\) \[ 0, {2}1, {2}2,/);
  assert.match(rest.at(-1) ?? '', /^ .*99\]$/);
  assert.ok([first, ...rest].every((line) => line.length <= 130));
  prints(arange(2000), 'Tensor([2000], int32, cpu) [   0,    1,    2, ..., 1997, 1998, 1999]');
  prints(
    arange(20000).reshape([2, 10000]),
    'Tensor([2, 10000], int32, cpu, reshape)',
    '[[    0,     1,     2, ...,  9997,  9998,  9999],',
    ' [10000, 10001, 10002, ..., 19997, 19998, 19999]]',
  );
  const cube = inspect(randn([100, 100, 100], new Rng(1))).split('\n');
  assert.equal(cube.filter((line) => line.split(',').length >= 7).length, 6 * 6, 'six rows of six blocks');
});

test('without values it says why', async () => {
  using _ = tensorScope();
  const t = tensor([1, 2]).mul(2);
  t.dispose();
  prints(t, 'Tensor([2], float32, cpu, mul, disposed)');
  prints(zeros([2], { device: metaDevice }), 'Tensor([2], float32, meta)');
  const webasm = await openDevice('webasm');
  prints(zeros([2], { device: webasm }), "Tensor([2], float32, webasm) with values to await: 'await t.data()'");
  await webasm.close();
});

test('inside of an object only what fits on its line is shown', () => {
  using _ = tensorScope();
  assert.equal(
    inspect({ loss: tensor(0.5), weight: zeros([2, 2]) }),
    '{\n  loss: Tensor([], float32, cpu) 0.5000,\n  weight: Tensor([2, 2], float32, cpu)\n}',
  );
});

test('a tensor of many short axes, of which none is left out, can be printed', () => {
  using _ = tensorScope();
  const text = zeros([6, 6, 6, 6, 6, 6, 6]).toString(); // more values than a function takes arguments
  assert.equal(text.match(/0/g)?.length, 6 ** 7);
});
