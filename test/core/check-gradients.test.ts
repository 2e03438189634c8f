/** checkGradients finds wrong gradients and names the argument. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  checkGradients,
  defineOp,
  embedding,
  memory,
  mul,
  type Op,
  openDevice,
  Rng,
  randn,
  stopGradient,
  type Tensor,
  tensor,
} from '../../core/index.ts';

const device = await openDevice('reference');
const random = (shape: readonly number[], seed: number): Tensor => randn(shape, new Rng(seed), { device });

/** x²y, with a vjp that may be wrong. */
const xxy = (name: string, vjp: (g: Tensor, x: Tensor, y: Tensor) => Tensor[]): Op<[x: Tensor, y: Tensor]> =>
  defineOp({
    name,
    shape: (x) => x,
    vjp: ({ g }, x, y) => vjp(g, x, y),
    kernel: (_, x) => [
      {
        out: [x[0]],
        inputs: { x: 0, y: 1 },
        body: 'return x[this.thread.x] * x[this.thread.x] * y[this.thread.x];',
      },
    ],
  });

const right = xxy('xxy', (g, x, y) => [g.mul(x).mul(y).mul(2), g.mul(x.square())]);
const wrongAtY = xxy('xxy wrong at y', (g, x, y) => [g.mul(x).mul(y).mul(2), g.mul(x)]);
const wrongAtBoth = xxy('xxy wrong at both', (g, x, y) => [g.mul(x).mul(y), g.mul(x)]);
const wrongSlope = xxy('xxy with a constant slope', (g, x, y) => [
  g.mul(stopGradient(x)).mul(y).mul(2),
  g.mul(x.square()),
]);

test('right gradients pass, in both orders, on reference and in float32', async () => {
  await checkGradients(right, [random([5], 1), random([5], 2)], { order: 2 });
  await checkGradients(right, [randn([5], new Rng(1)), randn([5], new Rng(2))]);
  await checkGradients((x) => mul(x, x).sum(), [random([2, 3], 3)], { order: 2, rng: new Rng(9) });
});

test('a wrong gradient is named by its argument', async () => {
  const inputs = [random([5], 1), random([5], 2)];
  await assert.rejects(checkGradients(wrongAtY, inputs), (error: Error) => {
    assert.match(
      error.message,
      /^checkGradients: expected the gradient of argument 1, \[5\], to be -?[\d.]+ along a random direction \(finite differences\), got -?[\d.]+\. Check the vjp\.$/,
    );
    return true;
  });
  await assert.rejects(checkGradients(wrongAtBoth, inputs), /gradient of argument 0, .*; the gradient of argument 1, /);
});

test('a second derivative that is wrong alone is found by order 2', async () => {
  const inputs = [random([5], 1), random([5], 2)];
  await checkGradients(wrongSlope, inputs);
  await assert.rejects(checkGradients(wrongSlope, inputs, { order: 2 }), /the second derivative of argument 0, \[5\]/);
});

test('ids are held fixed, and nothing is left in memory', async () => {
  const ids = tensor([0, 2, 2], [3], { dtype: 'int32', device });
  const table = random([3, 4], 1);
  const before = memory();
  await checkGradients((t, i) => embedding(t, i), [table, ids], { order: 2 });
  assert.deepEqual(memory(), before);
});

test('an unknown option, or an order that nothing would check', async () => {
  for (const options of [{ ordre: 2 }, { order: 3 }])
    await assert.rejects(
      checkGradients((x) => mul(x, x), [random([2], 1)], options as object),
      { name: 'OptionError' },
    );
});
