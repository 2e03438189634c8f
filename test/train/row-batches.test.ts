/** Batches of token rows and of latents that a program passes to a training. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensorScope } from '../../core/index.ts';
import { LatentBatches, TokenBatches } from '../../train/index.ts';

test('token rows of several lengths, and batches without rows, are refused', () => {
  const labels = Int32Array.of(0, 1);
  assert.throws(() => new TokenBatches(Int32Array.of(1, 2, 3), labels, 1, 0), {
    name: 'DataError',
    message: /expected rows·K ids for 2 labels, got 3/,
  });
  for (const batchSize of [0, -1, 0.5, Number.NaN])
    assert.throws(() => new TokenBatches(Int32Array.of(1, 2), labels, batchSize, 0), { name: 'OptionError' });
  const none = new TokenBatches(new Int32Array(), new Int32Array(), 1, 0); // of a training without updates
  assert.throws(() => none.next(), { name: 'DataError', message: /expected rows to draw from, got none/ });
  assert.equal(new TokenBatches(Int32Array.of(1, 2, 3, 4), labels, 8, 0).next().tokens.length, 4);
});

test('latents that are no square grids, or not finite, are refused', () => {
  using _ = tensorScope();
  const make = (values: number[]) => new LatentBatches(Float32Array.from(values), Int32Array.of(0, 1), 1, 1, 0);
  assert.deepEqual(make([1, 2, 3, 4, 5, 6, 7, 8]).next().latents.shape, [1, 1, 2, 2]);
  for (const count of [7, 6]) assert.throws(() => make(Array(count).fill(1)), { message: /for 2 labels, got \d/ });
  for (const bad of [Number.NaN, Infinity])
    assert.throws(() => make([1, bad]), { name: 'DataError', message: new RegExp(`got ${bad} at position 1`) });
});
