/** Muon against float64 JavaScript, and what orthogonal means. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  openDevice,
  Rng,
  randn,
  ShapeError,
  symmetricEigen,
  type Tensor,
  tensor,
  tensorScope,
} from '../../core/index.ts';
import { isHiddenMatrix, Muon, orthogonalize, pick, stateDict } from '../../nn/index.ts';
import { presets, TiTok } from '../../titok/index.ts';

type Matrix = number[][];
const product = (a: Matrix, b: Matrix): Matrix => a.map((row) => b[0].map((_, j) => row.reduce((s, x, k) => s + x * b[k][j], 0))); // biome-ignore format: a formula
const transposed = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));

const eigen = (a: Matrix) => symmetricEigen(a.map((row) => Float64Array.from(row)));

/** U Vᵀ of a = U Σ Vᵀ, from the eigenvectors of a aᵀ: (a aᵀ)^(−1/2) a. */
function polar(a: Matrix): Matrix {
  const { values, vectors } = eigen(product(a, transposed(a)));
  const inverseRoot = a.map((_, i) =>
    a.map((_, j) => values.reduce((s, v, k) => s + (vectors[k][i] * vectors[k][j]) / Math.sqrt(v), 0)),
  );
  return product(inverseRoot, a);
}

const matrixOf = async (t: Tensor): Promise<Matrix> => (await t.tolist()) as Matrix;

test('orthogonalize: singular values come to about 1, whatever the scale of the matrix', async () => {
  const side = fc.integer({ min: 1, max: 24 });
  const scale = fc.double({ min: 1e-8, max: 1e4, noNaN: true });
  await fc.assert(
    fc.asyncProperty(side, side, scale, fc.integer(), async (rows, more, scale, seed) => {
      using _ = tensorScope();
      const x = randn([1, rows, rows + more + 2], new Rng(seed)).mul(scale);
      const y = await matrixOf(orthogonalize(x, 5).reshape([rows, rows + more + 2]));
      const singular = eigen(product(y, transposed(y))).values.map((v) => Math.sqrt(v));
      for (const s of singular) assert.ok(s > 0.6 && s < 1.3, `singular values ${singular}`);
    }),
    { numRuns: 30 },
  );
});

for (const name of ['cpu', 'reference', 'webasm']) {
  test(`an update moves along U Vᵀ of the momentum, on ${name}`, async () => {
    using _ = tensorScope();
    const device = await openDevice(name);
    const on = (t: Tensor) => tensor(t.dataSync(), t.shape, { device });
    const rng = new Rng(1);
    const shapes = { 'wide.weight': [3, 8], 'tall.weight': [9, 4], 'square.weight': [5, 5] } as const;
    const params = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, on(randn(shape, rng))]));
    const optimizer = new Muon({ params, lr: 0.1, weightDecay: 0.2, momentum: 0.9, iterations: 5 });
    const momenta: Record<string, Matrix> = {};
    for (let step = 0; step < 2; step++) {
      const grads = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, on(randn(shape, rng))]));
      const before = Object.fromEntries(
        await Promise.all(Object.entries(params).map(async ([key, p]) => [key, await matrixOf(p)])),
      );
      optimizer.step(grads, { scale: on(tensor([0.5], [])) });
      for (const [key, p] of Object.entries(params)) {
        const g = (await matrixOf(grads[key])).map((row) => row.map((v) => 0.5 * v));
        const m = g.map((row, i) => row.map((v, j) => 0.9 * (momenta[key]?.[i][j] ?? 0) + 0.1 * v));
        momenta[key] = m;
        const u = g.map((row, i) => row.map((v, j) => 0.9 * m[i][j] + 0.1 * v));
        const direction = g.length > g[0].length ? transposed(polar(transposed(u))) : polar(u);
        const factor = 0.1 * 0.2 * Math.sqrt(Math.max(g.length, g[0].length));
        const [got, want] = [[] as number[], [] as number[]]; // the directions that the update and the formula take
        for (const [i, row] of (await matrixOf(p)).entries())
          for (const [j, v] of row.entries()) {
            got.push((before[key][i][j] * (1 - 0.1 * 0.2) - v) / factor);
            want.push(direction[i][j]);
          }
        const dot = got.reduce((s, v, i) => s + v * want[i], 0);
        assert.ok(dot / Math.hypot(...got) / Math.hypot(...want) > 0.985, `${key}: not along U Vᵀ`);
        assert.ok(Math.abs(Math.hypot(...got) / Math.hypot(...want) - 1) < 0.2, `${key}: another length`);
      }
    }
  });
}

test('packed q, k and v are three matrices: each moves as it would alone', async () => {
  using _ = tensorScope();
  const rng = new Rng(2);
  const parts = Array.from({ length: 3 }, () => ({ p: randn([4, 4], rng), g: randn([4, 4], rng) }));
  const rows = async (name: 'p' | 'g') => (await Promise.all(parts.map((part) => matrixOf(part[name])))).flat();
  const packed = { 'attn.in_proj_weight': tensor(await rows('p')) };
  const apart = Object.fromEntries(parts.map(({ p }, i) => [`${i}.weight`, p]));
  new Muon({ params: packed }).step({ 'attn.in_proj_weight': tensor(await rows('g')) });
  new Muon({ params: apart }).step(Object.fromEntries(parts.map(({ g }, i) => [`${i}.weight`, g])));
  assert.deepEqual(await matrixOf(packed['attn.in_proj_weight']), await rows('p'));
});

test('goes on from its saved state as if never stopped', async () => {
  using _ = tensorScope();
  const gradient = (t: number) => ({ w: randn([3, 5], new Rng(100 + t)) });
  const start = () => {
    const params = { w: randn([3, 5], new Rng(1)) };
    return { params, optimizer: new Muon({ params }) };
  };
  const [through, first, second] = [start(), start(), start()];
  for (let t = 0; t < 4; t++) through.optimizer.step(gradient(t));
  for (let t = 0; t < 2; t++) first.optimizer.step(gradient(t));
  second.optimizer.loadStateDict(first.optimizer.stateDict());
  second.params.w.assign(first.params.w);
  for (let t = 2; t < 4; t++) second.optimizer.step(gradient(t));
  assert.deepEqual(await matrixOf(second.params.w), await matrixOf(through.params.w));
  assert.deepEqual(Object.keys(first.optimizer.stateDict().tensors), ['momentum_buffer.w']);
});

test('a gradient of zeros, and matrices only', async () => {
  using _ = tensorScope();
  const params = { w: randn([2, 3], new Rng(1)) };
  const before = await matrixOf(params.w);
  new Muon({ params }).step({ w: tensor([0, 0, 0, 0, 0, 0], [2, 3]) });
  assert.deepEqual(await matrixOf(params.w), before);
  assert.throws(
    () => new Muon({ params: { bias: randn([3], new Rng(1)) } }),
    (e: Error) => e instanceof ShapeError && /bias: expected a matrix, got \[3\]\. Train it with AdamW/.test(e.message),
  );
});

test('hidden matrices of a TiTok: those of its blocks', () => {
  using _ = tensorScope();
  const params = stateDict(new TiTok(presets.smoke, new Rng(0)));
  const hidden = Object.keys(pick(params, (name) => isHiddenMatrix(name, params[name].shape)));
  assert.equal(hidden.length, 4 * 4); // q k v, attention's output and two of the MLP, in 2 + 2 blocks
  for (const name of hidden) assert.match(name, /transformer\.\d\.(attn|mlp)\./);
});
