/** Halton orders of positions, and top-k and top-p filters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { haltonGridOrder, haltonOrder, keepLikeliest } from '../../maskgit/index.ts';
import { radicalInverse } from '../../maskgit/order.ts';

test('the radical inverse mirrors the digits of i at the point', () => {
  const [b2, b3] = [2, 3].map((base) => Array.from({ length: 9 }, (_, i) => radicalInverse(i, base)));
  assert.deepEqual(b2, [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8, 1 / 16]);
  const ninths = [0, 3, 6, 1, 4, 7, 2, 5, 8];
  for (const [i, n] of ninths.entries()) assert.ok(Math.abs(b3[i] - n / 9) < 1e-15, `φ₃(${i}) = ${b3[i]}`);
});

test('an order visits each position once, however many there are', () => {
  const all = (count: number) => Array.from({ length: count }, (_, i) => i);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), (count) => {
      assert.deepEqual(
        [...haltonOrder(count)].sort((a, b) => a - b),
        all(count),
      );
    }),
  );
  for (let side = 1; side <= 24; side++)
    assert.deepEqual(
      [...haltonGridOrder(side ** 2)].sort((a, b) => a - b),
      all(side ** 2),
    );
});

test('orders worked out by hand', () => {
  assert.deepEqual([...haltonOrder(8)], [4, 2, 6, 1, 5, 3, 7, 0]); // 8 φ₂(i): bits mirrored
  assert.deepEqual([...haltonOrder(6)], [3, 1, 4, 0, 2, 5]);
  // i        1        2        3        4        5        6        7
  // 3 φ₂     1.5      0.75     2.25     0.375    1.875    1.125    2.625
  // 3 φ₃     1        2        0.33     1.33     2.33     0.67     1.67
  assert.deepEqual([...haltonGridOrder(9)].slice(0, 7), [4, 2, 6, 1, 5, 3, 7]);
  for (const K of [2, 8, 15])
    assert.throws(() => haltonGridOrder(K), { name: 'OptionError', message: /a square number/ });
});

test('the first positions are spread: each half, quarter and eighth of a row gets its share', () => {
  for (const parts of [2, 4, 8]) {
    const first = haltonOrder(64).slice(0, parts);
    const seen = new Set(Array.from(first, (i) => Math.floor((i * parts) / 64)));
    assert.ok(seen.size >= parts - 1, `${parts} parts: ${first}`); // i = 1…parts: 0 comes last
  }
  const grid = Array.from(haltonGridOrder(144).slice(0, 36), (i) => [Math.floor(i / 12), i % 12]);
  const [top, left] = [grid.filter(([y]) => y < 6).length, grid.filter(([, x]) => x < 6).length];
  assert.ok(Math.abs(top - 18) <= 2 && Math.abs(left - 18) <= 2, `${top} and ${left} of 36`);
});

test('top-k and top-p keep the likeliest tokens', () => {
  const logits = [0.1, 0.4, 0.2, 0.3].map(Math.log);
  const kept = (topK: number, topP: number) =>
    Array.from(keepLikeliest(logits, topK, topP)).flatMap((x, v) => (x > -Infinity ? [v] : []));
  assert.deepEqual(kept(1, 1), [1]);
  assert.deepEqual(kept(3, 1), [1, 2, 3]);
  assert.deepEqual(kept(0, 0.39), [1]);
  assert.deepEqual(kept(0, 0.41), [1, 3]);
  assert.deepEqual(kept(0, 0.69), [1, 3]);
  assert.deepEqual(kept(0, 0.71), [1, 2, 3]);
  assert.deepEqual(kept(2, 0.95), [1, 3]);
  assert.deepEqual(kept(3, 0.5), [1, 3]);
  assert.deepEqual(kept(0, 1e-9), [1]);
  assert.equal(keepLikeliest(logits, 0, 1), logits);
  assert.equal(keepLikeliest(logits, 4, 1), logits);
  assert.deepEqual(Array.from(keepLikeliest([2, 2, 2], 2, 1)), [2, 2, -Infinity]); // of equals the smaller id
});

test('what is kept has enough probability, and without its last token not', () => {
  const logits = fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(logits, fc.double({ min: 0.001, max: 0.999, noNaN: true }), (logits, p) => {
      const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
      const chances = Array.from(keepLikeliest(logits, 0, p))
        .filter((x) => x > -Infinity)
        .map((x) => Math.exp(x) / total)
        .sort((a, b) => b - a);
      const sum = (xs: number[]) => xs.reduce((a, b) => a + b, 0);
      assert.ok(sum(chances) >= p - 1e-5);
      assert.ok(chances.length === 1 || sum(chances.slice(0, -1)) < p + 1e-5);
    }),
  );
});
