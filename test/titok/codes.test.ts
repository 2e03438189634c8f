/** Nearest codes and the map of a codebook, against plain float64 and codebooks of known shape. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memory, Rng } from '../../core/index.ts';
import { stateDict } from '../../nn/index.ts';
import { codebookComponents, nearestCodes, TiTok } from '../../titok/index.ts';
import { forms } from './configs.ts';

const V = 9;
const C = 5;

/** A model whose codes are the given rows. */
function withCodes(form: 'pixels' | 'corrected', rows: readonly (readonly number[])[]): TiTok {
  const model = new TiTok(forms[form], new Rng(1));
  stateDict(model)['quantize.embedding.weight'].assign(rows.flat());
  return model;
}
const randomRows = (seed: number): number[][] => {
  const rng = new Rng(seed);
  return Array.from({ length: V }, () => [...rng.normals(C)]);
};
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);

test('nearest codes: by Euclidean distance, or by angle where codes have length 1', async () => {
  const rows = randomRows(3);
  const euclidean = (a: number[], b: number[]) => Math.hypot(...a.map((x, i) => x - b[i]));
  const cosine = (a: number[], b: number[]) => 1 - dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  for (const [form, distance] of [
    ['pixels', euclidean],
    ['corrected', cosine],
  ] as const) {
    const model = withCodes(form, rows);
    assert.equal(model.config.l2Norm, form === 'corrected');
    for (let id = 0; id < V; id++) {
      const { ids, distances } = await nearestCodes(model, id);
      const expected = rows.map((row, i) => ({ i, d: distance(row, rows[id]) })).filter(({ i }) => i !== id);
      expected.sort((a, b) => a.d - b.d);
      assert.deepEqual(
        [...ids],
        expected.map(({ i }) => i),
      );
      for (const [n, { d }] of expected.entries())
        assert.ok(Math.abs(distances[n] - d) < 1e-5, `${distances[n]}, ${d}`);
      const first = await nearestCodes(model, id, 3);
      assert.deepEqual([...first.ids], [...ids.subarray(0, 3)]);
      assert.equal(first.distances.length, 3);
    }
  }
});

test('components recover the axes along which codes were spread, in the order of their extent', async () => {
  const places = [-1, 0, 1].flatMap((x) => [-1, 0, 1].map((y) => [x, y])); // a 3 × 3 board in two directions of 5
  const rows = places.map(([x, y]) => [2 + 3 * y, 7, x, -1, 3 * y]);
  const coordinates = await codebookComponents(withCodes('pixels', rows), 2);
  assert.equal(coordinates.length, 2 * V);
  const [signY, signX] = [Math.sign(coordinates[2 * 8]), Math.sign(coordinates[2 * 8 + 1])];
  for (const [v, [x, y]] of places.entries()) {
    assert.ok(Math.abs(coordinates[2 * v] * signY - y) < 1e-5);
    assert.ok(Math.abs(coordinates[2 * v + 1] * signX - x) < 1e-5);
  }
});

test('components fill −1..1, and alike codes get alike ones', async () => {
  for (const form of ['pixels', 'corrected'] as const) {
    const rows = randomRows(5);
    rows[4] = rows[7].map((x) => x + 1e-4);
    const coordinates = await codebookComponents(withCodes(form, rows));
    assert.equal(coordinates.length, 3 * V);
    for (let j = 0; j < 3; j++) {
      const along = Array.from({ length: V }, (_, v) => coordinates[3 * v + j]);
      assert.ok(Math.abs(Math.max(...along.map(Math.abs)) - 1) < 1e-6);
      assert.ok(Math.abs(along[4] - along[7]) < 1e-3);
      assert.ok(Math.abs(along.reduce((a, b) => a + b)) < 1e-5, 'centered');
    }
  }
  const same = await codebookComponents(
    withCodes(
      'pixels',
      randomRows(1).map(() => [1, 2, 3, 4, 5]),
    ),
  );
  assert.ok(same.every((x) => x === 0));
});

test('tensors are freed; the codebook stays', async () => {
  for (const form of ['pixels', 'corrected'] as const) {
    const model = withCodes(form, randomRows(2));
    const before = memory();
    await nearestCodes(model, 1);
    await codebookComponents(model);
    assert.deepEqual(memory(), before);
    assert.equal(stateDict(model)['quantize.embedding.weight'].disposed, false);
  }
});

test('mistakes are named', async () => {
  const model = new TiTok(forms['pixels'], new Rng(1));
  for (const id of [-1, V, 0.5, Number.NaN]) {
    await assert.rejects(nearestCodes(model, id), {
      name: 'OptionError',
      message: `nearestCodes id: expected a whole number from 0 to 8, got ${id}.`,
    });
  }
  await assert.rejects(nearestCodes(model, 0, V), /nearestCodes count: expected a whole number from 1 to 8, got 9/);
  await assert.rejects(
    codebookComponents(model, 6),
    /codebookComponents n: expected a whole number from 1 to 5, got 6/,
  );
  const vae = new TiTok(forms['vae'], new Rng(1));
  for (const call of [nearestCodes(vae, 0), codebookComponents(vae)])
    await assert.rejects(call, /^OptionError: \w+: expected a model with a codebook, quantizeMode 'vq', got 'vae'\.$/);
});
