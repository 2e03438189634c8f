/** Recomputation: the same gradients from fewer tensors. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  grad,
  memory,
  noGrad,
  ones,
  Rng,
  randn,
  recompute,
  type Tensor,
  tensor,
  tensorScope,
  tidy,
  valueAndGrad,
} from '../../core/index.ts';
import { dropout } from '../../nn/index.ts';
import { devicesUnderTest } from '../devices.ts';

type Segment = (f: () => Tensor, rng?: Rng) => Tensor;
const kept: Segment = (f) => f();

/** A net whose layers share a weight and a skip, with dropout; the second layer holds another segment. */
function net(segment: Segment, { x, w, u }: Record<'x' | 'w' | 'u', Tensor>): Tensor {
  const rng = new Rng(3);
  const first = segment(() => dropout(x.matmul(w).tanh(), 0.3, rng).mul(u), rng);
  const second = segment(() =>
    segment(() => first.matmul(w).tanh().add(first))
      .exp()
      .mul(x),
  );
  return segment(() => dropout(second.add(first), 0.5, rng).mul(u), rng)
    .add(first.square())
    .mean();
}

for (const { name, device } of await devicesUnderTest()) {
  test(`recomputed gradients are the same to the bit on ${name}`, async () => {
    const rng = new Rng(1);
    const of = (...shape: number[]) => randn(shape, rng, { device });
    const params = { x: of(3, 4), w: of(4, 4), u: of(4) };
    const run = (segment: Segment) => valueAndGrad(params, () => net(segment, params));
    const [plain, again] = [run(kept), run(recompute)];
    for (const [a, b] of [
      [plain.value, again.value],
      ...Object.keys(params).map((key) => [plain.grads[key as 'x'], again.grads[key as 'x']]),
    ])
      assert.deepEqual(await b.data(), await a.data());
    const [w] = tidy(() => grad(net(recompute, params), [params.w])); // others are not wanted
    assert.deepEqual(await w.data(), await plain.grads.w.data());
  });
}

test('only inputs and results stay, and the backward pass holds one segment at a time', () => {
  const x = ones([1000]);
  const peak = (segment: Segment) => {
    let most = 0;
    const layer = (x: Tensor) => {
      for (let i = 0; i < 8; i++) x = x.tanh();
      most = Math.max(most, memory().bytes);
      return x;
    };
    const before = memory();
    using _ = tensorScope();
    const { grads } = valueAndGrad({ x }, () => {
      let y = x;
      for (let i = 0; i < 8; i++) {
        const input = y;
        y = segment(() => layer(input));
      }
      return y.sum();
    });
    assert.equal(memory().tensors, before.tensors + 2, 'loss and gradient are all that is left');
    return { bytes: (most - before.bytes) / 4000, x: grads.x.dataSync() };
  };
  const [plain, again] = [peak(kept), peak(recompute)];
  assert.deepEqual(again.x, plain.x);
  assert.equal(plain.bytes, 64);
  assert.ok(again.bytes < 20, `${again.bytes} tensors`);
});

test('second derivatives, inputs as results, frozen inputs, and no gradients at all', () => {
  using _ = tensorScope();
  const [x, frozen] = [tensor([1, 2, 3]), tensor([2, 2, 2])];
  const cubes = () => recompute(() => x.square().mul(x).mul(frozen)).sum();
  const [first] = grad(cubes(), [x], { createGraph: true });
  assert.deepEqual(
    [first, grad(first.sum(), [x])[0]].map((t) => [...t.dataSync()]),
    [
      [6, 24, 54],
      [12, 24, 36],
    ],
  );
  assert.equal(
    recompute(() => x),
    x,
  );
  const before = memory().tensors;
  const y = noGrad(() => recompute(() => x.exp().log()));
  assert.deepEqual([y.node, memory().tensors], [undefined, before + 1]);
});

test('a function that changes is refused', () => {
  using _ = tensorScope();
  const x = ones([2, 3]);
  let calls = 0;
  const y = recompute(() => x.exp().reshape(calls++ === 0 ? [6] : [3, 2]));
  assert.throws(() => grad(y.sum(), [x]), {
    name: 'ShapeError',
    message: 'recompute: expected a function that gives [6] again, got [3, 2]. It may depend on its arguments only.',
  });
});
