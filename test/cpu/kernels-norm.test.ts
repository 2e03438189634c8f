/** Layer norm, group norm and their gradients against float64. */
import { test } from 'node:test';
import { assertClose, harness, randomValues } from './harness.ts';

const random = randomValues(3);
const { run } = harness({ threads: 2 });

/** xhat and 1/std of each group of n values. */
function standardize(x: Float32Array, n: number, eps: number) {
  const rstd: number[] = [];
  const xhat = new Float64Array(x.length);
  for (let i = 0; i < x.length; i += n) {
    const row = Array.from(x.subarray(i, i + n));
    const mean = row.reduce((s, u) => s + u, 0) / n;
    const r = 1 / Math.sqrt(row.reduce((s, u) => s + (u - mean) ** 2, 0) / n + eps);
    rstd.push(r);
    row.forEach((u, j) => {
      xhat[i + j] = (u - mean) * r;
    });
  }
  return { xhat, rstd };
}
/** gain of value i → dx */
function gradient(x: Float32Array, g: Float32Array, gain: (i: number) => number, n: number, eps: number) {
  const { xhat, rstd } = standardize(x, n, eps);
  return Array.from(x, (_, i) => {
    const first = Math.floor(i / n) * n;
    let [u, ux] = [0, 0];
    for (let j = first; j < first + n; j++) {
      u += (g[j] * gain(j)) / n;
      ux += (g[j] * gain(j) * xhat[j]) / n;
    }
    return rstd[first / n] * (g[i] * gain(i) - u - xhat[i] * ux);
  });
}

test('layer norm and its gradients', () => {
  for (const [rows, n, eps] of [
    [1, 1, 1e-5],
    [3, 2, 1e-5],
    [5, 7, 1e-12],
    [150, 12, 1e-6],
    [70, 192, 1e-5],
  ] as const) {
    const [x, g, gain, bias] = [random([rows, n]), random([rows, n]), random([n]), random([n])];
    const { xhat } = standardize(x.data, n, eps);
    const what = `${[rows, n]}`;
    const y = Array.from(xhat, (u, i) => u * gain.data[i % n] + bias.data[i % n]);
    assertClose(run('layerNorm', [rows, n], x, gain, bias, { eps }), y, 2e-5, what);
    const dx = gradient(x.data, g.data, (i) => gain.data[i % n], n, eps);
    assertClose(run('layerNormGrad', [rows, n], x, gain, g, { eps }), dx, 1e-4, `${what} dx`);
    const [dGain, dBias] = [new Float64Array(n), new Float64Array(n)];
    xhat.forEach((u, i) => {
      dGain[i % n] += u * g.data[i];
      dBias[i % n] += g.data[i];
    });
    assertClose(run('layerNormGradAffine', [2, n], x, g, { eps }), [...dGain, ...dBias], 2e-5, `${what} gain and bias`);
  }
});

test('layer norm where the mean is far above the deviation', () => {
  const one = { shape: [96], data: new Float32Array(96).fill(1) };
  const zero = { shape: [96], data: new Float32Array(96) };
  for (const mean of [3000, 1e7]) {
    const x = random([4, 96], (u) => mean + 4 * u);
    const { xhat } = standardize(x.data, 96, 1e-5);
    assertClose(run('layerNorm', [4, 96], x, one, zero, { eps: 1e-5 }), xhat, 2e-5, `mean ${mean}`);
  }
});

test('group norm and its gradients', () => {
  for (const [N, C, S, groups] of [
    [1, 1, 1, 1],
    [2, 6, 5, 3],
    [3, 4, 49, 4],
    [1, 8, 64, 2],
  ] as const) {
    const [shape, n, eps] = [[N, C, S], (C / groups) * S, 1e-5] as const;
    const [x, g, gain, bias] = [random(shape), random(shape), random([C]), random([C])];
    const { xhat } = standardize(x.data, n, eps);
    const channel = (i: number) => Math.floor(i / S) % C;
    const what = `${shape} in ${groups}`;
    const y = Array.from(xhat, (u, i) => u * gain.data[channel(i)] + bias.data[channel(i)]);
    assertClose(run('groupNorm', shape, x, gain, bias, { groups, eps }), y, 2e-5, what);
    const dx = gradient(x.data, g.data, (i) => gain.data[channel(i)], n, eps);
    assertClose(run('groupNormGrad', shape, x, gain, g, { groups, eps }), dx, 1e-4, `${what} dx`);
    const dGain = new Float64Array(C);
    xhat.forEach((u, i) => {
      dGain[channel(i)] += u * g.data[i];
    });
    assertClose(run('groupNormGradGain', [C], x, g, { groups, eps }), dGain, 2e-5, `${what} gain`);
  }
});
