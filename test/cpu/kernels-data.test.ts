/** Kernels that move, reduce and look up values, against the float64 reference device at odd sizes. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CpuDevice } from '../../core/cpu/device.ts';
import { Rng, type Shape } from '../../core/index.ts';
import { opTable } from '../../core/op.ts';
import { ReferenceDevice } from '../../core/reference.ts';
import { numel } from '../../core/shape.ts';

interface Values {
  readonly shape: Shape;
  readonly values: Float32Array;
}
type Arg = Values | Readonly<Record<string, unknown>>;
const hasValues = (a: Arg): a is Values => 'values' in a;

const rng = new Rng(1);
const x = (...shape: number[]): Values => ({ shape, values: rng.uniforms(numel(shape), -1, 1) });
const ids = (below: number, ...shape: number[]): Values => ({
  shape,
  values: rng.uniforms(numel(shape), 0, below).map(Math.floor),
});

const reference = new ReferenceDevice();
const devices = [new CpuDevice({ threads: 1 }), new CpuDevice({ threads: 2 })];
await devices[1].sync();

/** @param tolerance  per unit of the result, and of 1 */
function check(op: string, args: readonly Arg[], tolerance = 0): void {
  const spec = opTable.get(op)!;
  const shapes = args.map((a) => (hasValues(a) ? a.shape : a)) as never[];
  const shape = spec.shape(...shapes);
  const call = (device: ReferenceDevice | CpuDevice) => ({
    op,
    shape,
    args: args.map((a) => (hasValues(a) ? { handle: device.upload(a.values), shape: a.shape } : a)),
    passes: () => spec.kernel!(shape, ...shapes),
  });
  const want = reference.read(reference.run(call(reference)), numel(shape));
  for (const device of devices) {
    const got = device.read(device.run(call(device)), numel(shape));
    for (let i = 0; i < want.length; i++) {
      const close = Math.abs(got[i] - want[i]) <= tolerance * Math.max(1, Math.abs(want[i]));
      if (!close) {
        const where = `${op} ${JSON.stringify(shapes)}, ${device.threads} threads, value ${i}`;
        assert.fail(`${where}: expected ${want[i]}, got ${got[i]}`);
      }
    }
  }
}

test('permute', () => {
  check('permute', [x(5, 7), { axes: [1, 0] }]);
  check('permute', [x(97, 193), { axes: [1, 0] }]);
  check('permute', [x(512, 513), { axes: [1, 0] }]);
  check('permute', [x(3, 64, 50), { axes: [0, 2, 1] }]);
  check('permute', [x(2, 3, 4, 5), { axes: [3, 1, 0, 2] }]);
  check('permute', [x(2, 3, 8, 16, 8, 16), { axes: [0, 2, 4, 1, 3, 5] }]); // images to patches
  check('permute', [x(2, 6, 97, 32), { axes: [0, 2, 1, 3] }]); // heads
  check('permute', [x(2, 3, 2, 3, 2, 3, 2, 3), { axes: [7, 5, 3, 1, 0, 2, 4, 6] }]);
});
test('slice', () => {
  check('slice', [x(5, 7, 9), { starts: [1, 2, 3], sizes: [3, 4, 5] }]);
  check('slice', [x(3000, 20), { starts: [0, 5], sizes: [3000, 1] }]);
  check('slice', [x(5, 70000), { starts: [1, 3], sizes: [1, 60001] }]); // one long row
});
test('expand', () => {
  check('expand', [x(5, 1, 9), { shape: [5, 7, 9] }]);
  check('expand', [x(1, 1), { shape: [501, 301] }]);
  check('expand', [x(33, 1), { shape: [33, 11] }]);
  check('expand', [x(2, 1, 3, 1), { shape: [2, 5, 3, 6] }]);
});
test('pad and concat', () => {
  check('pad', [x(3, 5, 7), { before: [0, 1, 2], after: [1, 0, 3] }]);
  check('concat', [x(3, 5), x(3, 1), x(3, 8), { axis: 1 }]);
  check('concat', [x(30, 1), x(30, 1), { axis: 1 }]);
  check('concat', [x(2, 300, 70), x(2, 31, 70), { axis: 1 }]);
});

test('sum over rows, columns and long axes', () => {
  check('sum', [x(3, 5), { from: 1, to: 2 }], 1e-6);
  check('sum', [x(3, 5, 7), { from: 1, to: 2 }], 1e-6);
  check('sum', [x(4, 3, 40), { from: 0, to: 2 }], 5e-6);
  check('sum', [x(200_003), { from: 0, to: 1 }], 5e-5);
  check('sum', [x(7, 9001), { from: 1, to: 2 }], 2e-5);
  check('sum', [x(1030, 37), { from: 0, to: 1 }], 2e-5);
  check('sum', [x(3, 0, 7), { from: 1, to: 2 }]);
});
test('a long sum of equal values keeps its digits', () => {
  const values = new Float32Array(2 ** 20).fill(0.1);
  check(
    'sum',
    [
      { shape: [2 ** 20], values },
      { from: 0, to: 1 },
    ],
    1e-6,
  );
  check(
    'sum',
    [
      { shape: [2 ** 18, 4], values },
      { from: 0, to: 1 },
    ],
    1e-6,
  );
});
test('max and argmax: first maximum, also among equals', () => {
  const shapes: [number[], number][] = [
    [[3, 5], 1],
    [[3, 97], 1],
    [[3, 5, 7], 1],
    [[1030, 37], 0],
    [[10_003], 0],
  ];
  for (const [shape, axis] of shapes) {
    const coarse = x(...shape);
    for (const values of [x(...shape), { ...coarse, values: coarse.values.map((v) => Math.round(3 * v)) }]) {
      check('max', [values, { axis }]);
      check('argmax', [values, { axis }]);
    }
  }
});
test('NaN is the largest value', () => {
  for (const device of devices) {
    const args = [{ handle: device.upload([1, NaN, 3, NaN, 5, 6]), shape: [1, 6] }, { axis: 1 }];
    const run = (op: string, shape: Shape) => device.read(device.run({ op, shape, args, passes: () => [] }), 1)[0];
    assert.equal(run('argmax', [1]), 1);
    assert.equal(run('max', [1, 1]), NaN);
  }
});

test('embedding and takeAlong, with gradients', () => {
  check('embedding', [x(10, 7), ids(10, 3, 5)]);
  check('embeddingGrad', [x(3, 5, 7), ids(10, 3, 5), { rows: 10 }], 1e-6);
  check('embeddingGrad', [x(500, 130), ids(90, 500), { rows: 90 }], 5e-6);
  check('takeAlong', [x(3, 5, 7), ids(7, 3, 5, 2)]);
  check('takeAlongGrad', [x(3, 5, 2), ids(7, 3, 5, 2), { size: 7 }], 1e-6);
});
test('upsampling and pooling', () => {
  for (const scale of [2, 3]) check('upsampleNearest', [x(2, 3, 5, 7), { scale }]);
  check('upsampleNearest', [x(2, 32, 32, 32), { scale: 2 }]);
  check('avgPool2d', [x(2, 3, 4, 22), { size: 2 }], 1e-6);
  check('avgPool2d', [x(2, 3, 6, 9), { size: 3 }], 1e-6);
});
