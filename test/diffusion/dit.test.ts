/** The diffusion transformer: gradients, its start, and what it reads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkGradients,
  defaultDevice,
  noGrad,
  openDevice,
  Rng,
  randn,
  setDefaultDevice,
  type Tensor,
  tensor,
  tensorScope,
} from '../../core/index.ts';
import { DiT, DiTBlock, type DiTConfig, tokensOf } from '../../diffusion/index.ts';
import { countParameters, stateDict } from '../../nn/index.ts';

const small: DiTConfig = {
  channels: 2,
  gridSize: 4,
  patchSize: 2,
  classes: 3,
  width: 8,
  layers: 2,
  heads: 2,
  mlpWidth: 12,
  prediction: 'noise',
};

const randomize = (model: object, rng: Rng) => {
  for (const p of Object.values(stateDict(model))) p.assign(rng.normals(p.size).map((x) => x * 0.3));
};

test('gradients of a block, with respect to tokens, condition and every weight', async () => {
  const before = defaultDevice();
  setDefaultDevice(await openDevice('reference'));
  try {
    const rng = new Rng(1);
    const block = new DiTBlock(8, 2, 12, rng);
    randomize(block, rng);
    const params = stateDict(block);
    await checkGradients((x, c) => block.forward(x, c), [randn([2, 3, 8], rng), randn([2, 8], rng)], { order: 2 });
    const [x, c] = [randn([2, 3, 8], rng), randn([2, 8], rng)];
    for (const name of Object.keys(params)) {
      const p = params[name];
      const withWeight = (value: Tensor) => withParameter(block, name, value, () => block.forward(x, c));
      await checkGradients(withWeight, [randn(p.shape, rng)]);
    }
  } finally {
    setDefaultDevice(before);
  }
});

/** Runs f with a parameter replaced. */
function withParameter<T>(model: object, name: string, value: Tensor, f: () => T): T {
  const path = name.split('.');
  const owner = path.slice(0, -1).reduce((at, key) => (at as Record<string, object>)[key], model) as Record<
    string,
    Tensor
  >;
  const key = path.at(-1)!;
  const original = owner[key];
  owner[key] = value;
  try {
    return f();
  } finally {
    owner[key] = original;
  }
}

test('at the start every block is the identity, whatever the condition, and the model predicts no noise', async () => {
  using _ = tensorScope();
  const rng = new Rng(2);
  const model = new DiT(small, rng);
  const [x, c] = [randn([2, 4, 8], rng), randn([2, 8], rng)];
  for (const block of model.blocks) assert.deepEqual(await block.forward(x, c).data(), await x.data());
  const noise = await model.forward(randn([2, 2, 4, 4], rng), [0, 999], [1, 3]).data();
  assert.ok(noise.every((value) => value === 0));
  const names = Object.keys(stateDict(model));
  assert.ok(
    names.includes('blocks.1.adaLN_modulation.1.weight') && names.includes('y_embedder.embedding_table.weight'),
  );
});

test('the noise depends on time, on class and on each place, and on no other row', async () => {
  using _ = tensorScope();
  const rng = new Rng(3);
  const model = new DiT(small, rng);
  randomize(model, rng);
  const rows = [0, 1].map(() => rng.normals(32));
  const noise = async (values: readonly Float32Array[], times: number[], labels: number[]) => {
    const x = tensor(Float32Array.from(values.flatMap((row) => Array.from(row))), [values.length, 2, 4, 4]);
    return Array.from(await noGrad(() => model.forward(x, times, labels)).data());
  };
  const both = await noise(rows, [5, 800], [0, 3]);
  const apart = [...(await noise([rows[0]], [5], [0])), ...(await noise([rows[1]], [800], [3]))];
  for (const [i, value] of both.entries()) assert.ok(Math.abs(value - apart[i]) < 1e-5);
  const [time, label] = [await noise([rows[0]], [6], [0]), await noise([rows[0]], [5], [1])];
  for (const changed of [time, label]) assert.ok(changed.some((value, i) => Math.abs(value - both[i]) > 1e-3));
  for (const place of rows[0].keys()) {
    const moved = rows[0].map((value, i) => (i === place ? value + 1 : value));
    assert.ok((await noise([moved], [5], [0])).every((value, i) => value !== both[i]));
  }
});

test('sizes: tokens, parameters, and those that do not fit', () => {
  assert.equal(tokensOf(small), 4);
  const { width: w, mlpWidth: m, channels: c, patchSize: p } = { ...small };
  const block = 3 * w * w + 3 * w + w * w + w + (w * m + m) + (m * w + w) + (6 * w * w + 6 * w);
  const out = p * p * c;
  const rest = out * w + w + (256 * w + w + w * w + w) + 4 * w + (w * out + out) + (2 * w * w + 2 * w);
  assert.equal(countParameters(new DiT(small, new Rng(0))), 2 * block + rest);
  const wrong = [
    [{ heads: 3 }, 'DiT heads: expected a divisor of the width 8, got 3.'],
    [{ width: 6, heads: 2 }, 'DiT width: expected a multiple of 4, for the position embedding, got 6.'],
    [{ patchSize: 3 }, "DiT patchSize: expected a divisor of the grid's side 4, got 3."],
    [{ layers: 0 }, 'DiT layers: expected a whole number above 0, got 0.'],
  ] as const;
  for (const [changes, message] of wrong)
    assert.throws(() => new DiT({ ...small, ...changes }, new Rng(0)), { name: 'OptionError', message });
  const model = new DiT(small, new Rng(0));
  assert.throws(() => model.forward(randn([2, 2, 4, 4], new Rng(0)), [1], [0, 1]), {
    name: 'ShapeError',
    message: 'DiT: expected 2 times and labels for x of batch 2, got 1 and 2.',
  });
});

test('another grid, which would be broadcast, and impossible times and labels are refused', () => {
  using _ = tensorScope();
  const rng = new Rng(0);
  const model = new DiT(small, rng);
  const x = randn([1, 2, 4, 4], rng);
  assert.throws(() => model.forward(randn([1, 2, 2, 2], rng), [0], [0]), {
    name: 'ShapeError',
    message: /expected x \[batch, 2, 4, 4\], as its config says, got \[1, 2, 2, 2\]/,
  });
  for (const t of [-1, Number.NaN, Infinity])
    assert.throws(() => model.forward(x, [t], [0]), { name: 'RangeError', message: new RegExp(`times ≥ 0, got ${t}`) });
  for (const label of [-1, 4, 0.5, Number.NaN])
    assert.throws(() => model.forward(x, [0], [label]), {
      name: 'RangeError',
      message: new RegExp(`0..3, got ${label}`),
    });
});
