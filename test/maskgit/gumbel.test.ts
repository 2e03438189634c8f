/** The Gumbel-max race against its definition. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rng } from '../../core/index.ts';
import { GumbelNoise } from '../../maskgit/gumbel.ts';

const count = 40;
const numbers = (from: fc.Arbitrary<number>) => fc.array(from, { minLength: count, maxLength: count });

test('the race ends as the argmax of logits with Gumbel noise', () => {
  const logit = fc.oneof(
    fc.float({ min: -8, max: 8, noNaN: true }),
    fc.float({ min: -1000, max: 1000 }),
    fc.constantFrom(0, -Infinity),
  );
  const uniform = fc.oneof(fc.integer({ min: 0, max: 2 ** 24 - 1 }), fc.constantFrom(0, 1, 2 ** 24 - 1, 2 ** 24 - 2));
  fc.assert(
    fc.property(
      numbers(logit),
      numbers(uniform),
      fc.double({ min: 1e-3, max: 20, noNaN: true }),
      fc.nat(9),
      (rest, draws, temperature, offset) => {
        const logits = [0, ...rest.slice(1)]; // one is finite
        const uniforms = [...new Array<number>(offset).fill(0.5), ...draws.map((n) => n / 2 ** 24)];
        const noise = new GumbelNoise(temperature, () => uniforms);
        const scores = logits.map(
          (x, v) => x - temperature * Math.log(Math.max(-Math.log(Math.max(uniforms[offset + v], 1e-20)), 1e-20)),
        );
        const best = scores.indexOf(Math.max(...scores.filter((score) => !Number.isNaN(score))));
        assert.equal(noise.argmax(logits, offset), best);
      },
    ),
    { seed: 1, numRuns: 2000 },
  );
});

test('without temperature there is no noise and nothing is drawn', () => {
  const noise = new GumbelNoise(0, () => assert.fail('expected no draws at temperature 0'));
  assert.equal(noise.at(3), 0);
  assert.equal(noise.argmax([1, 5, 5, Number.NaN], 0), 1);
});

test('draws follow the softmax', () => {
  const rounds = 20_000;
  const weights = [0.5, 0.3, 0.15, 0.05];
  const rng = new Rng(2);
  const noise = new GumbelNoise(1, () => rng.uniforms(rounds * weights.length));
  const shares = weights.map(() => 0);
  for (let r = 0; r < rounds; r++) shares[noise.argmax(weights.map(Math.log), r * weights.length)] += 1 / rounds;
  for (const [v, share] of shares.entries()) assert.ok(Math.abs(share - weights[v]) < 0.015, `${shares}`);
});
