/** The gradient engine on its own: which tensors get gradients, what is freed and when, and what a vjp may return. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  add,
  concat,
  grad,
  layerNorm,
  logSoftmax,
  memory,
  mul,
  noGrad,
  ones,
  openDevice,
  outermostScope,
  outsideScopes,
  pad,
  softmax,
  type Tensor,
  tensor,
  tensorScope,
  tidy,
  valueAndGrad,
} from '../../core/index.ts';
import { makeOp } from '../../core/op.ts';
import type { Gradient } from '../../core/tensor.ts';

const values = (t: Tensor) => Array.from(t.dataSync());

/** 2 x, with any vjp. */
const double = (vjp: (g: Tensor, x: Tensor) => readonly Gradient[] | null) =>
  makeOp<[x: Tensor]>({
    name: 'double',
    shape: (x) => x,
    vjp: ({ g }, x) => vjp(g, x),
    kernel: (y) => [{ out: [y.reduce((n, d) => n * d, 1)], inputs: { x: 0 }, body: 'return 2.0 * x[this.thread.x];' }],
  });
const twice = double((g) => [mul(g, 2)]);

test('gradients come as a list or by name, zeros where the loss does not depend on a tensor', async () => {
  using _ = tensorScope();
  const [x, w, apart] = [tensor([1, 2]), tensor([3, 4]), ones([2, 3], { device: await openDevice('reference') })];
  const loss = x.mul(w).sum();
  const list = grad(loss, [x, w, apart]);
  assert.deepEqual(list.map(values), [[3, 4], [1, 2], new Array(6).fill(0)]);
  assert.deepEqual([list[2].shape, list[2].device], [[2, 3], apart.device]);
  const named = grad(loss, { w, apart, x });
  assert.deepEqual(Object.keys(named), ['w', 'apart', 'x']);
  assert.deepEqual([named.w, named.apart, named.x].map(values), [[1, 2], new Array(6).fill(0), [3, 4]]);
  assert.deepEqual(grad(loss, []), []);
  assert.deepEqual(values(grad(ones([1, 1]), [x])[0]), [0, 0]);
});

test('paths that meet are added, and what lies between counts as well as where they begin', () => {
  using _ = tensorScope();
  const x = tensor([1, 2, 3]);
  const y = x.square(); // dL/dy = y + 2 y = 3 x²
  const loss = y.mul(y).mul(0.5).add(y.square()).sum();
  assert.deepEqual(grad(loss, [loss, y, x]).map(values), [[1], [3, 12, 27], [6, 48, 162]]);
  assert.deepEqual(values(grad(add(x, x).add(x).sum(), [x])[0]), [3, 3, 3]);
});

test('a seed weighs the elements of a loss; its shape is that of the loss', () => {
  using _ = tensorScope();
  const x = tensor([1, 2, 3]);
  const seed = tensor([1, 10, 100]);
  assert.deepEqual(values(grad(x.square(), [x], { seed })[0]), [2, 40, 600]);
  assert.deepEqual(values(seed), [1, 10, 100], 'it is not freed with the other gradients');
  assert.deepEqual(values(grad(x.sum(), [x], { seed: tensor(5) })[0]), [5, 5, 5]);
  assert.throws(() => grad(x.square(), [x]), {
    name: 'ShapeError',
    message: 'grad: expected a loss with one element, got [3]. Take its mean or sum, or pass a seed.',
  });
  assert.throws(() => grad(x.square(), [x], { seed: ones([3, 1]) }), {
    name: 'ShapeError',
    message: 'grad: expected a seed shaped like the loss, [3], got [3, 1].',
  });
});

test('only with createGraph can a gradient be differentiated again', () => {
  using _ = tensorScope();
  const x = tensor([1, 2, 3]);
  const cubes = x.square().mul(x).sum();
  const [plain] = grad(cubes, [x]);
  assert.equal(plain.node, undefined);
  const [first] = grad(cubes, [x], { createGraph: true });
  const [second] = grad(first.sum(), [x], { createGraph: true });
  assert.deepEqual([first, second, grad(second.sum(), [x])[0]].map(values), [
    [3, 12, 27],
    [6, 12, 18],
    [6, 6, 6],
  ]);
  assert.deepEqual(
    noGrad(() => values(grad(cubes, [x])[0])),
    [3, 12, 27],
  );
  const [inside] = noGrad(() => grad(cubes, [x], { createGraph: true }));
  assert.deepEqual(values(grad(inside.sum(), [x])[0]), [6, 12, 18]);
});

test('with createGraph, a gradient can be differentiated by its seed', () => {
  using _ = tensorScope();
  const [x, seed] = [tensor([1, 2, 3]), tensor([1, 10, 100])];
  const [dx] = grad(x.square(), [x], { seed, createGraph: true });
  assert.deepEqual(grad(dx.square().sum(), [x, seed]).map(values), [
    [8, 1600, 240000],
    [8, 320, 7200],
  ]);
});

test('third derivatives of ops whose gradient is stated as that of others are those of a composite', () => {
  using _ = tensorScope();
  const [gain, bias] = [ones([3]), ones([3])];
  const centered = (x: Tensor) => x.sub(x.mean());
  const pairs: [op: (x: Tensor) => Tensor, composite: (x: Tensor) => Tensor][] = [
    [softmax, (x) => x.exp().div(x.exp().sum())],
    [logSoftmax, (x) => x.sub(x.exp().sum().log())],
    [(x) => layerNorm(x, gain, bias, 1), (x) => centered(x).div(centered(x).square().mean().add(1).sqrt()).add(1)],
  ];
  const third = (f: (x: Tensor) => Tensor): number[] => {
    const x = tensor([0.1, 0.7, -0.4]);
    let loss = f(x)
      .mul(tensor([1, -2, 3]))
      .sum();
    for (let order = 1; order < 3; order++) loss = grad(loss, [x], { createGraph: true })[0].square().sum();
    return values(grad(loss, [x])[0]);
  };
  for (const [op, composite] of pairs) {
    const [got, want] = [third(op), third(composite)];
    const error = Math.max(...got.map((g, i) => Math.abs(g - want[i])));
    assert.ok(error <= 1e-4 * Math.max(...want.map(Math.abs)), `${got} and ${want}`);
  }
});

test('under noGrad an op that changes nothing returns a constant too, which can be freed on its own', () => {
  using _ = tensorScope();
  const x = tensor([[1, 2]]);
  const ops: ((x: Tensor) => Tensor)[] = [
    (x) => x.permute([0, 1]),
    (x) => x.slice([0, 0], [1, 2]),
    (x) => x.expand([1, 2]),
    (x) => pad(x, [0, 0], [0, 0]),
    (x) => concat([x]),
  ];
  for (const op of ops) {
    const y = noGrad(() => op(x));
    assert.deepEqual(values(grad(x.mul(y).sum(), [x])[0]), [1, 2], `${op}`);
    y.dispose();
    assert.deepEqual(values(x), [1, 2], `${op}`);
    assert.deepEqual(values(grad(x.mul(op(x)).sum(), [x])[0]), [2, 4], `${op}`);
  }
});

test('grad leaves its result in memory and nothing else', () => {
  using _ = tensorScope();
  const [x, w] = [ones([4]), ones([4])];
  const y = x.mul(w).square();
  const loss = y.add(x).exp().sum();
  const before = memory();
  const gradients = grad(loss, [x, w, y]);
  assert.deepEqual(memory(), { tensors: before.tensors + 3, bytes: before.bytes + 3 * 16 });
  for (const g of gradients) g.dispose();
  assert.deepEqual(memory(), before);
});

test('a loss that depends on nothing leaves zeros, and one elsewhere is differentiated there', async () => {
  const x = ones([4]);
  const loss = ones([]);
  const before = memory().tensors;
  const [zeros] = grad(loss, [x]);
  assert.deepEqual([values(zeros), memory().tensors], [[0, 0, 0, 0], before + 1]);
  using _ = tensorScope();
  const there = ones([2], { device: await openDevice('reference') });
  assert.deepEqual(values(grad(there.exp().log().sum(), [there])[0]), [1, 1]);
});

test('a long row of sums of a tensor with itself takes no longer than it is', () => {
  using _ = tensorScope();
  const x = ones([1]);
  let y = x;
  for (let i = 0; i < 40; i++) y = add(y, y);
  assert.deepEqual(values(grad(y, [x])[0]), [2 ** 40]);
});

test('what the loss has from elsewhere is not differentiated', () => {
  using _ = tensorScope();
  const x = tensor([1, 2]);
  const apart = double(() => assert.fail('nobody wants this gradient'));
  assert.deepEqual(
    values(
      grad(
        apart(ones([2]))
          .mul(x)
          .sum(),
        [x],
      )[0],
    ),
    [2, 2],
  );
});

test('with createGraph, gradients that were added to others stay', () => {
  using _ = tensorScope();
  const x = tensor([0, 1]);
  const growing = double((_, x) => [x.exp()]); // made last, so differentiated first; exp needs its own result again
  const [first] = grad(add(x.square(), growing(x)).sum(), [x], { createGraph: true });
  const e = Math.fround(Math.E);
  assert.deepEqual([first, grad(first.sum(), [x])[0]].map(values), [
    [1, 2 + e],
    [3, 2 + e],
  ]);
});

test('valueAndGrad keeps what f returns, frees what f made, and touches nothing from before', () => {
  const params = { w: tensor([2, 3]), unused: ones([2]) };
  const made: Tensor[] = [];
  const note = (t: Tensor) => {
    made.push(t);
    return t;
  };
  const before = tensor([5, 7]);
  const product = noGrad(() => before.mul(1));
  const { value, grads } = noGrad(() =>
    valueAndGrad(params, () => {
      const y = note(params.w.mul(product));
      const inner = note(y.square());
      return { loss: inner.sum(), y, note: 'text' };
    }),
  );
  assert.deepEqual(
    made.map((t) => t.disposed),
    [false, true],
  );
  assert.deepEqual(values(value.y), [10, 21]);
  assert.deepEqual([value.note, values(value.loss)], ['text', [541]]);
  assert.deepEqual(Object.keys(grads), ['w', 'unused']);
  assert.deepEqual([grads.w, grads.unused].map(values), [
    [100, 294],
    [0, 0],
  ]);
  assert.deepEqual(values(product), [5 * 1, 7]);
  const [direct] = [valueAndGrad(params, () => params.w.sum())];
  assert.deepEqual([direct.value, direct.grads.w].map(values), [[5], [1, 1]]);
});

test('valueAndGrad closes its scope, also when f throws', () => {
  const w = ones([2]);
  const before = memory();
  let lost: Tensor | undefined;
  const fail = () => {
    lost = w.mul(2);
    throw new Error('no loss');
  };
  assert.throws(() => valueAndGrad({ w }, fail), /no loss/);
  assert.equal(lost!.disposed, true);
  assert.throws(() => valueAndGrad({ w }, () => w.mul(2)), /expected a loss with one element, got \[2\]/);
  tidy(() => valueAndGrad({ w }, () => w.mul(2).sum()));
  assert.deepEqual(memory().tensors, before.tensors + 2, 'value and gradient are nested too deep for tidy to free');
});

test('a backward pass that throws leaves no scope open', () => {
  const w = ones([2]);
  using outer = tensorScope();
  const before = memory();
  const freedEarly = () => {
    const doubled = w.mul(2);
    const squares = doubled.mul(w);
    doubled.dispose();
    return squares.sum();
  };
  assert.throws(() => valueAndGrad({ w }, freedEarly), /expected a live tensor/);
  assert.deepEqual(memory(), before);
  assert.equal(outer.owns(w.mul(2)), true, 'the scope around it is the innermost again');
});

test('values that were overwritten have no gradient any more', () => {
  using _ = tensorScope();
  const w = tensor([1, 2]);
  const before = w.square().sum();
  w.assign([10, 20]);
  const message =
    'grad: expected the values that square was computed from, got [2] as argument 1 that was overwritten since, by assign or an optimizer. Take the gradients before the update, or compute the loss again after it.';
  assert.throws(() => grad(before, [w]), { message });
  const after = w.square().sum();
  assert.deepEqual(values(grad(after, [w])[0]), [20, 40]);
});

test('scopes that end in another order than they began are left one by one', () => {
  const [first, second] = [tensorScope(), tensorScope()]; // of two asynchronous functions
  first[Symbol.dispose]();
  const kept = second.keep(ones([1]));
  second[Symbol.dispose]();
  assert.equal(kept.disposed, false);
  const free = ones([1]);
  assert.equal(first.owns(free) || second.owns(free) || first.owns(kept), false);
  for (const t of [kept, free]) t.dispose();
});

test('what the backward pass has left behind is freed before it goes on', () => {
  using _ = tensorScope();
  const x = ones([2]);
  const states: boolean[][] = [];
  const made: Tensor[] = [];
  const spy = double((g) => {
    states.push(made.map((t) => t.disposed));
    return [mul(g, 2)];
  });
  valueAndGrad({ x }, () => {
    for (let i = 0; i < 3; i++) made.push(spy(made.at(-1) ?? x));
    return made[2].sum();
  });
  assert.deepEqual(states, [
    [false, false, false],
    [false, false, true],
    [false, true, true],
  ]);
});

test('a vjp may leave gradients out, or say how to compute them', () => {
  using _ = tensorScope();
  const x = tensor([1, 2]);
  const none: (readonly Gradient[] | null)[] = [null, [], [null], [() => null]];
  for (const gradients of none) assert.deepEqual(values(grad(double(() => gradients)(x).sum(), [x])[0]), [0, 0]);
  assert.deepEqual(values(grad(double((g) => [() => mul(g, 2)])(x).sum(), [x])[0]), [2, 2]);

  let asked = 0;
  const either = makeOp<[a: Tensor, b: Tensor, scale: number]>({
    name: 'either',
    shape: (a) => a,
    vjp: ({ g }) => [
      () => {
        asked++;
        return mul(g, 3);
      },
      () => mul(g, 5),
      () => assert.fail('a number has no gradient'),
    ],
    kernel: (y) => [{ out: [y[0]], inputs: { a: 0, b: 1 }, body: 'return a[this.thread.x] + b[this.thread.x];' }],
  });
  const b = tensor([3, 4]);
  assert.deepEqual(values(grad(either(x, b, 1).sum(), [b])[0]), [5, 5]);
  assert.equal(asked, 0, 'nobody wants the gradient of a');
  assert.deepEqual(grad(either(x, b, 1).sum(), [x, b]).map(values), [
    [3, 3],
    [5, 5],
  ]);
  assert.equal(asked, 1);
});

test('a vjp that returns another shape is named', () => {
  using _ = tensorScope();
  const x = tensor([1, 2]);
  assert.throws(() => grad(double((g) => [g.sum()])(x).sum(), [x]), {
    name: 'ShapeError',
    message: 'double: expected the gradient of argument 0 to be shaped [2], got [] from its vjp.',
  });
});

test('a vjp that hands on its own gradient or an argument does not have it freed', () => {
  using _ = tensorScope();
  const x = tensor([1, 2]);
  const passing = double((g) => [g]);
  assert.deepEqual(values(grad(passing(passing(x)).sum(), [x])[0]), [1, 1]);
  const argument = double((_, x) => [x]);
  assert.deepEqual(values(grad(argument(x).sum(), [x])[0]), [1, 2]);
  assert.deepEqual(values(x), [1, 2]);
  assert.deepEqual(values(grad(add(passing(x), passing(x)).sum(), [x])[0]), [2, 2]);
});

test('a gradient stated as that of other ops can be differentiated again, where that is wanted', () => {
  using _ = tensorScope();
  const cube = makeOp<[x: Tensor]>({
    name: 'cube',
    shape: (x) => x,
    vjp: ({ through }, x) => through((x) => x.square().mul(x), x),
    kernel: (y) => [{ out: [y[0]], inputs: { x: 0 }, body: 'const v = x[this.thread.x]; return v * v * v;' }],
  });
  const x = tensor([1, 2, 3]);
  const y = cube(x).sum();
  const before = memory().tensors;
  assert.deepEqual(values(grad(y, [x])[0]), [3, 12, 27]);
  assert.equal(memory().tensors, before + 1);
  const [first] = grad(y, [x], { createGraph: true });
  assert.deepEqual(values(grad(first.sum(), [x])[0]), [6, 12, 18]);
});

test('the walk stops at tensors that are older than all that are asked for', () => {
  using _ = tensorScope();
  const old = ones([2]);
  const counted = { calls: 0 };
  const spy = double((g) => {
    counted.calls++;
    return [mul(g, 2)];
  });
  const x = twice(spy(old));
  assert.deepEqual(values(grad(twice(x).sum(), [x])[0]), [2, 2]);
  assert.equal(counted.calls, 0);
  assert.deepEqual(values(grad(spy(old).sum(), [old])[0]), [2, 2]);
});

test('outermostScope frees also what outsideScopes makes in it, and nothing else', () => {
  const before = outsideScopes(() => ones([2]));
  const [inner, outer] = [{}, {}] as { x: Tensor }[];
  {
    using _ = outermostScope();
    outer.x = outsideScopes(() => tidy(() => outsideScopes(() => ones([3]))));
    {
      using __ = outermostScope();
      inner.x = outsideScopes(() => ones([4]));
    }
    assert.ok(inner.x.disposed && !outer.x.disposed);
  }
  const after = outsideScopes(() => ones([5]));
  assert.deepEqual(
    [before, outer.x, after].map((t) => t.disposed),
    [false, true, false],
  );
  before.dispose();
  after.dispose();
});
