/** Ops that read tensors without values and return some, or gradients of some: sums of nothing are 0. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  conv2d,
  convTranspose2d,
  crossEntropy,
  gather,
  grad,
  layerNorm,
  linear,
  linears,
  ones,
  type Tensor,
  takeAlong,
  tensor,
  tensorScope,
  withDevice,
  zeros,
} from '../../../core/index.ts';
import { devicesUnderTest } from '../../devices.ts';

const int32 = { dtype: 'int32' } as const;

/** The result of f and its gradients by all of xs. */
const withGradients = <Xs extends Tensor[]>(xs: [...Xs], f: (...xs: Xs) => Tensor): Tensor[] => {
  const y = f(...xs);
  return [y, ...grad(y.sum(), xs)];
};

const cases: Record<string, { run: () => Tensor[]; values: number[][] }> = {
  'layer norm of rows without values': {
    run: () => withGradients([zeros([2, 0]), ones([0]), ones([0])], layerNorm),
    values: [[], [], [], []],
  },
  'a convolution of no channels is its bias': {
    run: () => withGradients([ones([1, 0, 1, 2]), ones([2, 0, 1, 1]), tensor([3, 4])], conv2d),
    values: [[3, 3, 4, 4], [], [], [2, 2]],
  },
  'a convolution to no channels': {
    run: () => withGradients([ones([1, 1, 1, 2]), ones([0, 1, 1, 1]), zeros([0])], conv2d),
    values: [[], [0, 0], [], []],
  },
  'a convolution of padding': {
    run: () =>
      withGradients([ones([1, 1, 0, 0]), ones([1, 1, 1, 2]), tensor([3])], (x, w, b) =>
        conv2d(x, w, b, { padding: 1 }),
      ),
    values: [[3, 3], [], [0, 0], [2]],
  },
  'a transposed convolution of no channels': {
    run: () => withGradients([ones([1, 0, 1, 1]), ones([0, 1, 1, 2])], convTranspose2d),
    values: [[0, 0], [], []],
  },
  'an affine map of no values is its bias': {
    run: () => withGradients([ones([2, 0]), ones([1, 0]), tensor([3])], linear),
    values: [[3, 3], [], [], [2]],
  },
  'an affine map to no values': {
    run: () => withGradients([ones([2, 1]), ones([0, 1]), ones([0])], linear),
    values: [[], [0, 0], [], []],
  },
  'several affine maps of no values': {
    run: () => withGradients([ones([2, 0]), ones([1, 0]), tensor([3])], (x, w, b) => linears(x, [w, w], [b, b])),
    values: [[3, 3, 3, 3], [], [], [4]],
  },
  'second derivatives of a layer norm of no rows': {
    run: () => {
      const [x, gain, bias] = [ones([0, 2]), ones([2]), ones([2])];
      const [dgain] = grad(layerNorm(x, gain, bias).sum(), [gain], { createGraph: true });
      return grad(dgain.sum(), [x]);
    },
    values: [[]],
  },
  'no entries by index': {
    run: () => withGradients([ones([1, 3])], (x) => takeAlong(x, tensor([], [1, 0], int32))),
    values: [[], [0, 0, 0]],
  },
  'no rows by index': {
    run: () => withGradients([ones([2, 1])], (x) => gather(x, 0, tensor([], [0, 1], int32))),
    values: [[], [0, 0]],
  },
  'cross-entropy of no classes, ignored': {
    run: () => withGradients([ones([2, 0])], (x) => crossEntropy(x, tensor([-100, -100], [2], int32))),
    values: [[0, 0], []],
  },
};

test('flatten joins axes of a batch without entries', () => {
  assert.deepEqual(zeros([0, 3, 2]).flatten(1).shape, [0, 6]);
  assert.deepEqual(zeros([2, 0, 3]).flatten().shape, [0]);
});

for (const { name, device } of await devicesUnderTest())
  for (const [what, { run, values }] of Object.entries(cases))
    test(`${name}: ${what}`, async () => {
      using _ = tensorScope();
      ones([8], { device }).dispose(); // the memory that is used next holds no zeros
      const results = await Promise.all(withDevice(device, run).map(async (t) => Array.from(await t.data())));
      assert.deepEqual(results, values);
      assert.deepEqual(Array.from(await ones([2], { device }).data()), [1, 1], 'the device is in order after it');
    });
