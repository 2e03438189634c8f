/** Products at border sizes against float64 sums. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCRATCH_FLOATS } from '../../core/cpu/kernel.ts';
import { strassenScratch } from '../../core/cpu/kernels/strassen.ts';
import { assertClose, harness, randomValues, type Values } from './harness.ts';

const random = randomValues(1);

function product(
  a: Values,
  b: Values,
  transposeA: boolean,
  transposeB: boolean,
  [batches, m, n]: [number, number, number],
) {
  const depth = a.shape[transposeA ? 1 : 2];
  const y = new Float64Array(batches * m * n);
  for (let s = 0; s < batches; s++) {
    const [pa, pb] = [a.shape[0] === 1 ? 0 : s * m * depth, b.shape[0] === 1 ? 0 : s * n * depth];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++)
        for (let k = 0; k < depth; k++) {
          const left = a.data[pa + (transposeA ? k * m + i : i * depth + k)];
          y[(s * m + i) * n + j] += left * b.data[pb + (transposeB ? j * depth + k : k * n + j)];
        }
  }
  return y;
}

/** [batches of a, batches of b, m, k, n] */
const SIZES = [
  [1, 1, 1, 1, 1], [1, 1, 4, 3, 8], [1, 1, 5, 9, 7], [3, 3, 97, 16, 97], [9, 1, 6, 5, 11], [1, 9, 3, 8, 13],
  [1, 1, 131, 260, 12], [1, 1, 13, 300, 270], [2, 2, 2, 257, 264], [1, 1, 2, 600, 1], [2, 1, 4, 0, 3],
  [1, 1, 143, 131, 196], [1, 1, 71, 260, 529], [1, 1, 64, 64, 64], [1, 1, 203, 131, 167], [1, 1, 341, 67, 70],
  [2, 1, 70, 420, 259], [1, 1, 65, 401, 450],
] as const; // biome-ignore format: a table

for (const [threads, caches, fma] of [
  [1, false, false],
  [3, false, undefined],
  [2, true, undefined],
] as const) {
  const { run } = harness({ threads, caches, fma });
  test(`matmul, all transposes, ${threads} shares, ${caches ? 'packed before' : 'not packed'}`, () => {
    for (const [ba, bb, m, k, n] of SIZES)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const a = random(transposeA ? [ba, k, m] : [ba, m, k]);
          const b = random(transposeB ? [bb, n, k] : [bb, k, n]);
          const shape: [number, number, number] = [Math.max(ba, bb), m, n];
          const want = product(a, b, transposeA, transposeB, shape);
          const got = run('matmul', shape, a, b, { transposeA, transposeB });
          assertClose(got, want, 2e-5, `${[ba, bb, m, k, n]} ${transposeA} ${transposeB}`);
        }
  });

  test(`linear, ${threads} shares, ${caches ? 'packed before' : 'not packed'}`, () => {
    for (const [m, k, n] of [
      [1, 1, 1],
      [10, 33, 17],
      [3, 300, 260],
      [130, 7, 9],
      [34, 300, 270],
      [5, 0, 3],
    ] as const) {
      const [x, w, bias] = [random([m, k]), random([n, k]), random([n])];
      const want = product({ ...x, shape: [1, m, k] }, { ...w, shape: [1, n, k] }, false, true, [1, m, n]);
      assertClose(run('linear', [m, n], x, w, null), want, 2e-5, `${[m, k, n]}`);
      assertClose(
        run('linear', [m, n], x, w, bias),
        want.map((y, i) => y + bias.data[i % n]),
        2e-5,
        `${[m, k, n]} + bias`,
      );
    }
  });
}

test('NaN and Inf reach exactly the values that depend on them', () => {
  const { run } = harness();
  const a = random([1, 6, 5], (x, i) => (i === 7 ? NaN : i === 14 ? Infinity : x)); // in rows 1 and 2
  const b = random([1, 5, 9], Math.abs);
  const y = run('matmul', [1, 6, 9], a, b, { transposeA: false, transposeB: false });
  y.forEach((value, i) => {
    const row = Math.floor(i / 9);
    assert.ok(
      row === 1 ? Number.isNaN(value) : row === 2 ? value === Infinity : Number.isFinite(value),
      `row ${row}: ${value}`,
    );
  });
});

test('in large products NaN spoils its row and the one half the height away, and no other', () => {
  const { run } = harness();
  const [m, depth, n] = [96, 96, 96];
  const a = random([1, m, depth], (x, i) => (i === 10 * depth + 3 ? NaN : x)); // in row 10
  const y = run('matmul', [1, m, n], a, random([1, depth, n]), { transposeA: false, transposeB: false });
  const spoilt = new Set(Array.from(y.keys()).flatMap((i) => (Number.isNaN(y[i]) ? [Math.floor(i / n)] : [])));
  assert.ok(spoilt.has(10));
  assert.ok(
    [...spoilt].every((row) => row % (m / 2) === 10),
    `rows ${[...spoilt]}`,
  );
});

test('the memory of large products fits scratch', () => {
  assert.ok(strassenScratch <= SCRATCH_FLOATS);
});
