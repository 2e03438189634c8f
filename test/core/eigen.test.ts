/** The symmetric eigen-solver against matrices with known eigenvalues. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rng, symmetricEigen } from '../../core/index.ts';

test('eigenvalues survive rotations of the axes, and A v = λ v', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer(), (n, seed) => {
      const rng = new Rng(seed);
      const want = Float64Array.from({ length: n }, () => Math.round(3 * rng.normal())); // some of them equal
      const a = Array.from(want, (value, i) => Float64Array.from(want, (_, j) => (i === j ? value : 0)));
      for (let turn = 0; turn < 3 * n && n > 1; turn++) {
        const p = rng.int(n);
        rotate(a, p, (p + 1 + rng.int(n - 1)) % n, 6 * rng.uniform());
      }
      const before = a.map((row) => row.slice());
      const { values, vectors } = symmetricEigen(a);
      assert.deepEqual(a, before);
      const sorted = Float64Array.from(values).sort();
      for (const [i, value] of want.sort().entries())
        assert.ok(Math.abs(sorted[i] - value) < 1e-12, `${sorted} ${want}`);
      for (const [k, v] of vectors.entries()) {
        for (const [l, w] of vectors.entries()) assert.ok(Math.abs(dot(v, w) - (k === l ? 1 : 0)) < 1e-12);
        for (const [i, row] of a.entries()) assert.ok(Math.abs(dot(row, v) - values[k] * v[i]) < 1e-11);
      }
    }),
    { numRuns: 50, seed: 3 },
  );
  assert.deepEqual(symmetricEigen([new Float64Array(2), new Float64Array(2)]).values, [0, 0]);
  assert.throws(() => symmetricEigen([Float64Array.of(Number.NaN)]), /expected finite values/);
  assert.throws(() => symmetricEigen([new Float64Array(3), new Float64Array(3)]), /2 rows of 2 values, got a row of 3/);
});

const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, v, i) => sum + v * y[i], 0);

/** R A Rᵀ for the rotation R by an angle in the plane of axes p and q. */
function rotate(a: Float64Array[], p: number, q: number, angle: number): void {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [a[p], a[q]];
  [a[p], a[q]] = [x.map((v, i) => c * v - s * y[i]), x.map((v, i) => s * v + c * y[i])];
  for (const row of a) [row[p], row[q]] = [c * row[p] - s * row[q], s * row[p] + c * row[q]];
}
