/** Masking schedules and the training mask. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rng } from '../../core/index.ts';
import {
  type MaskingSchedule,
  maskedCount,
  maskingSchedules,
  maskRatio,
  maskTokens,
  stillMasked,
} from '../../maskgit/index.ts';

const names = Object.keys(maskingSchedules) as MaskingSchedule[];
const unit = fc.double({ min: 0, max: 1, noNaN: true });

test('every schedule falls from 1 to 0 and never rises', () => {
  for (const name of names) {
    assert.equal(maskingSchedules[name](0), 1, name);
    assert.ok(Math.abs(maskingSchedules[name](1)) < 1e-12, name);
    fc.assert(
      fc.property(unit, unit, (a, b) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        return maskingSchedules[name](high) <= maskingSchedules[name](low) + 1e-12;
      }),
      { seed: 1 },
    );
  }
});

test('beyond both ends the values at the ends hold', () => {
  for (const name of names) {
    assert.equal(maskingSchedules[name](-0.5), 1, name);
    assert.equal(maskingSchedules[name](1.5), maskingSchedules[name](1), name);
    assert.equal(stillMasked(16, 9, 8, 3, name), 0, name);
  }
});

test('the ratio in training is rounded to float32 at every step, and never 0', () => {
  assert.equal(maskRatio(Math.fround(2 / 37)), 0.9655712842941284); // in one step: 0.9655713438987732
  assert.equal(maskRatio(0.25, 'linear'), 0.75);
  assert.equal(maskRatio(0.1, 'square'), Math.fround(0.99));
  assert.deepEqual([maskRatio(1), maskRatio(1, 'linear'), maskRatio(0)], [Math.fround(1e-6), Math.fround(1e-6), 1]);
});

test('counts round halves to even and never reach zero', () => {
  assert.deepEqual(
    [0.5, 1.5, 2.5, 3.5, 2.4, 2.6].map((x) => maskedCount(8, x / 8)),
    [1, 2, 2, 4, 2, 3],
  );
  assert.equal(maskedCount(8, 1e-6), 1);
});

test('the training mask hides exactly the wanted number of tokens and leaves the others as they are', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 5 }),
      fc.integer(),
      (length, batch, seed) => {
        const rng = new Rng(seed);
        const tokens = Int32Array.from({ length: batch * length }, () => rng.int(100));
        const draws = { t: rng.uniforms(batch), order: rng.uniforms(batch * length) };
        const masked = maskTokens(tokens, draws, 100);
        for (let b = 0; b < batch; b++) {
          const row = masked.masks.subarray(b * length, (b + 1) * length);
          assert.equal(row.filter((m) => m === 1).length, maskedCount(length, maskRatio(draws.t[b])));
        }
        masked.tokens.forEach((id, i) => {
          assert.equal(id, masked.masks[i] ? 100 : tokens[i]);
        });
      },
    ),
    { seed: 2, numRuns: 50 },
  );
});

test('the training mask chooses every position equally often', () => {
  const [length, rounds] = [8, 4000];
  const rng = new Rng(3);
  const counts = new Float64Array(length);
  const t = new Float64Array(rounds).fill(Math.SQRT1_2); // half of them
  const { masks } = maskTokens(new Int32Array(rounds * length), { t, order: rng.uniforms(rounds * length) }, 9);
  masks.forEach((m, i) => {
    counts[i % length] += m / rounds;
  });
  for (const share of counts) assert.ok(Math.abs(share - 0.5) < 0.04, `${counts}`);
});

test('mismatched draws are an error that names the numbers', () => {
  for (const t of [-0.1, 1.1, Number.NaN])
    assert.throws(() => maskTokens([1, 2], { t: [t], order: [0, 0] }, 9), { name: 'RangeError', message: /in 0\.\.1/ });
  assert.throws(() => maskTokens([1, 2], { t: [0], order: [0, 0] }, 9, 'cos' as never), { name: 'OptionError' });
  assert.throws(() => maskTokens([1, 2, 3], { t: [0.5], order: [0.1, 0.2] }, 9), /3 tokens, 2 draws and 1 rows/);
});

test('sampling unmasks at least one token a step and none stays masked', () => {
  assert.deepEqual(counts(32, 8), [32, 29, 26, 24, 21, 18, 14, 10]);
  assert.deepEqual(counts(64, 8), [64, 58, 53, 48, 42, 36, 29, 20]);
  assert.deepEqual([stillMasked(32, 0, 8, 32), stillMasked(32, 0, 8, 32, 'root')], [29, 20]); // arccos by default
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 1, max: 64 }),
      fc.constantFrom(...names),
      (k, steps, name) => {
        const entering = counts(k, steps, name);
        for (let s = 1; s < steps; s++) if (entering[s - 1] > 1) assert.ok(entering[s] < entering[s - 1]);
        assert.equal(stillMasked(k, steps - 1, steps, entering.at(-1)!, name), 0);
      },
    ),
    { seed: 4 },
  );
});

/** Masked tokens entering each step. */
function counts(length: number, steps: number, schedule: MaskingSchedule = 'arccos'): number[] {
  const entering = [length];
  for (let s = 0; s < steps - 1; s++) entering.push(stillMasked(length, s, steps, entering[s], schedule));
  return entering;
}
