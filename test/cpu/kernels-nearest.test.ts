/** Nearest codebook entries against a search in float64. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SCRATCH_FLOATS } from '../../core/cpu/kernel.ts';
import { scratchFloats } from '../../core/cpu/kernels/nearest.ts';
import { harness, randomValues } from './harness.ts';

const random = randomValues(5);
const { run } = harness({ threads: 2 });

test('the id of the least distance', () => {
  for (const [rows, dim, entries] of [
    [1, 1, 1],
    [5, 3, 2],
    [300, 12, 131],
    [7, 300, 261],
  ] as const) {
    const [z, e] = [random([rows, dim]), random([entries, dim])];
    const ids = run('nearestCode', [rows], z, e);
    const distance = (i: number, j: number) => {
      let s = 0;
      for (let c = 0; c < dim; c++) s += (z.data[i * dim + c] - e.data[j * dim + c]) ** 2;
      return s;
    };
    ids.forEach((id, i) => {
      let least = Infinity;
      for (let j = 0; j < entries; j++) least = Math.min(least, distance(i, j));
      // rounding may swap ties
      assert.ok(distance(i, id) <= least + 1e-4, `row ${i} of ${[rows, dim, entries]}: got ${id}`);
    });
  }
});

test('the first of equal entries', () => {
  const z = random([4, 6]);
  const e = random([200, 6]);
  // the first is in a later lane than the second
  for (const j of [33, 68, 133, 199]) e.data.set(z.data.subarray(0, 6), j * 6);
  for (const j of [150, 66]) e.data.set(z.data.subarray(6, 12), j * 6);
  const ids = run('nearestCode', [4], z, e);
  assert.deepEqual(Array.from(ids.subarray(0, 2)), [33, 66]);
});

test('its memory fits scratch', () => {
  assert.ok(scratchFloats <= SCRATCH_FLOATS);
});
