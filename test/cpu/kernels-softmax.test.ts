/** Softmax, log-softmax, cross-entropy and their gradients against float64. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertClose, harness, randomValues } from './harness.ts';

const random = randomValues(2);
const { run } = harness({ threads: 2 });
const SIZES = [[1, 1], [3, 2], [5, 7], [4, 8], [2, 97], [3, 1027]] as const; // biome-ignore format: a table

const logSoftmax = (x: ArrayLike<number>): number[] => {
  const top = Math.max(...Array.from(x));
  const lse = top + Math.log(Array.from(x).reduce((s, xi) => s + Math.exp(xi - top), 0));
  return Array.from(x, (xi) => xi - lse);
};
const perRow = (n: number, data: Float32Array, f: (row: Float32Array, i: number) => ArrayLike<number>): number[] =>
  Array.from({ length: data.length / n }, (_, i) => Array.from(f(data.subarray(i * n, i * n + n), i))).flat();
const sum = (x: ArrayLike<number>): number => Array.from(x).reduce((s, xi) => s + xi, 0);

test('softmax and log-softmax, logits shifted by 100', () => {
  for (const [rows, n] of SIZES) {
    const x = random([rows, n], (u) => 10 * u + 100);
    const want = perRow(n, x.data, logSoftmax);
    assertClose(run('softmax', [rows, n], x), want.map(Math.exp), 1e-6, `softmax ${[rows, n]}`);
    assertClose(run('logSoftmax', [rows, n], x), want, 2e-6, `logSoftmax ${[rows, n]}`);
  }
});

test('gradients of softmax and log-softmax', () => {
  for (const [rows, n] of SIZES) {
    const [y, g] = [random([rows, n]), random([rows, n])];
    const row = (i: number) => g.data.subarray(i * n, i * n + n);
    const grad = perRow(n, y.data, (yr, i) => {
      const s = sum(yr.map((yj, j) => yj * row(i)[j]));
      return Array.from(yr, (yj, j) => yj * (row(i)[j] - s));
    });
    assertClose(run('softmaxGrad', [rows, n], y, g), grad, 1e-5, `softmaxGrad ${[rows, n]}`);
    const logGrad = perRow(n, y.data, (yr, i) => Array.from(yr, (yj, j) => row(i)[j] - Math.exp(yj) * sum(row(i))));
    assertClose(run('logSoftmaxGrad', [rows, n], y, g), logGrad, 1e-5, `logSoftmaxGrad ${[rows, n]}`);
  }
});

test('cross-entropy and its gradient', () => {
  for (const [rows, n] of SIZES)
    for (const smoothing of [0, 0.1]) {
      const x = random([rows, n], (u) => 5 * u - 1000);
      const target = random([rows], (u) => Math.floor(((u + 1) / 2) * n));
      const g = random([rows]);
      const want = perRow(n, x.data, (xr, i) => {
        const logp = logSoftmax(xr);
        return [-(1 - smoothing) * logp[target.data[i]] - (smoothing / n) * sum(logp)];
      });
      assertClose(run('crossEntropy', [rows], x, target, { smoothing }), want, 2e-5, `crossEntropy ${[rows, n]}`);
      const grad = perRow(n, x.data, (xr, i) =>
        logSoftmax(xr).map(
          (l, j) => g.data[i] * (Math.exp(l) - (j === target.data[i] ? 1 - smoothing : 0) - smoothing / n),
        ),
      );
      assertClose(run('crossEntropyGrad', [rows, n], x, target, g, { smoothing }), grad, 1e-6, `grad ${[rows, n]}`);
    }
});

test('−Inf masks an entry, NaN and +Inf spoil their row only', () => {
  const x = random([4, 6], (u, i) => (i === 1 ? -Infinity : i === 8 ? NaN : i === 17 ? Infinity : u));
  const y = run('softmax', [4, 6], x);
  assert.equal(y[1], 0);
  assert.ok(Math.abs(sum(y.subarray(0, 6)) - 1) < 1e-6);
  assert.ok(y.subarray(6, 18).every((p) => Number.isNaN(p)));
  assert.ok(y.subarray(18).every((p) => p > 0 && p < 1));
  const target = { shape: [4], data: new Float32Array([0, 0, 0, 0]) };
  const losses = run('crossEntropy', [4], x, target, { smoothing: 0 });
  assert.deepEqual(Array.from(losses, Number.isNaN), [false, true, true, false]);
  assert.ok(Number.isFinite(losses[0]) && Number.isFinite(losses[3]));
});
