/** Seeds: every bit counts, and what is no seed is refused. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Rng, type RngState } from '../../core/index.ts';

const start = (seed: number): string => new Rng(seed).state.join();

test('different seeds give different streams, however large, small or near each other', () => {
  const seed = fc.oneof(
    fc.maxSafeInteger(),
    fc.integer({ min: -3, max: 3 }),
    fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 33, 2 ** 53 - 1, -(2 ** 32)),
  );
  const property = fc.property(seed, seed, (a, b) => {
    assert.equal(start(a) === start(b), a === b, `${a} ${b}`);
    assert.notEqual(start(a), '0,0,0,0');
  });
  fc.assert(property, { numRuns: 2000, seed: 1 });
  // halves that are equal must not cancel out
  for (let half = 1; half < 2000; half++) assert.notEqual(start(half * 2 ** 32 + half), '0,0,0,0');
});

test('seeds below 2³² start as they always did', () => {
  const first = (seed: number) => Array.from(new Rng(seed).uniforms(2), (u) => u.toFixed(6));
  assert.deepEqual(first(0), ['0.416751', '0.010471']);
  assert.deepEqual(first(1), ['0.091569', '0.506198']);
  assert.deepEqual(first(2 ** 32 - 1), ['0.955583', '0.425115']);
  const forked = new Rng(7).fork().fork();
  assert.deepEqual([...forked.state], [1425842012, 489829374, 1924721903, 906395979]);
});

test('what is no seed and no state is an OptionError', () => {
  for (const seed of [0.1, 0.9, 1.5, Number.NaN, Infinity, 2 ** 53, 'a', '1', undefined, null, true, 1n, () => 0])
    assert.throws(() => new Rng(seed as number), {
      name: 'OptionError',
      message: `Rng: expected a seed that is a whole number within ±(2^53 − 1), got ${String(seed)}.`,
    });
  for (const state of [[], [1, 2, 3], [0, 0, 0, 0], [1, 2, 3, Number.NaN], ['a', 1, 2, 3], new Date()]) {
    assert.throws(() => new Rng(state as unknown as RngState), {
      name: 'OptionError',
      message: /a state of four 32-bit words/,
    });
    assert.throws(
      () => {
        new Rng(0).state = state as unknown as RngState;
      },
      { name: 'OptionError' },
    );
  }
  const rng = new Rng(3);
  rng.normals(5);
  const again = new Rng(rng.state);
  assert.deepEqual(again.uniforms(4), rng.uniforms(4));
});

test('a probability of 0, or too small for 1 − p to differ from 1, makes no zeros', () => {
  for (const p of [-1, 2, Number.NaN]) // a negative one never ended
    assert.throws(() => new Rng(0).zeroed(3, p), {
      name: 'OptionError',
      message: `Rng.zeroed, p: expected a number from 0 to 1, got ${p}.`,
    });
  for (const p of [0, 1e-17, 1e-300]) assert.deepEqual(new Rng(0).zeroed(3, p, 2), Float32Array.of(2, 2, 2));
});
