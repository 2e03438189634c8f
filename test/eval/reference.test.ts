/** Metrics against numpy, and against what must hold of them whatever the input. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rng } from '../../core/index.ts';
import {
  balancedAccuracy,
  FrechetStatistics,
  featureOverlap,
  frechetDistance,
  inceptionScore,
  inverseTemperature,
  LinearProbe,
  ssim,
} from '../../eval/index.ts';
import { close } from '../nn/golden.ts';
import { committed, fromNumpy, inputs, type Reference, withoutNumpy } from './reference.ts';

const { dim, classes, labels, real, generated, shape, originals, others } = inputs();

function computed(): Reference {
  const probe = new LinearProbe(real, { labels, classes, dim });
  const [own, scores] = [probe.scores(real), probe.scores(generated)];
  const beta = inverseTemperature(own, labels, classes);
  const statistics = (rows: readonly number[]) => new FrechetStatistics(dim).add(rows);
  return {
    overlap: { ...featureOverlap(real, generated, { dim }) },
    overlapOfOtherNeighbors: { ...featureOverlap(real, generated, { dim, neighbors: 4, densityNeighbors: 2 }) },
    ssim: Array.from(ssim(originals, others, shape)),
    frechet: frechetDistance(statistics(real), statistics(generated)),
    scores: Array.from(scores.subarray(0, 5 * classes)),
    balancedAccuracy: balancedAccuracy(probe.predict(real), labels),
    inverseTemperature: beta,
    inceptionScore: inceptionScore(
      scores.map((x) => beta * x),
      classes,
    ),
  };
}

function compare(got: Reference, want: Reference): void {
  const numbers = (value: Reference[keyof Reference]) =>
    typeof value === 'number' ? [value] : (Object.values(value) as number[]);
  assert.deepEqual(Object.keys(got), Object.keys(want));
  for (const name of Object.keys(want) as (keyof Reference)[])
    close(numbers(got[name]), numbers(want[name]), 1e-6, name);
}

test('metrics are those of the reference', () => compare(computed(), committed()));

test('the committed reference is what numpy computes', { skip: withoutNumpy() }, () =>
  compare(fromNumpy(), committed()),
);

const cloud = (rng: Rng, rows: number, width: number) =>
  Float32Array.from({ length: rows * width }, () => rng.normal());
const sizes = {
  seed: fc.integer({ min: 0, max: 1e6 }),
  rows: fc.integer({ min: 6, max: 150 }),
  width: fc.integer({ min: 1, max: 9 }),
};

test('equal sets overlap completely; precision and recall change places with the sets', () => {
  fc.assert(
    fc.property(sizes.seed, sizes.rows, sizes.rows, sizes.width, (seed, rows, others, width) => {
      const rng = new Rng(seed);
      const [a, b] = [cloud(rng, rows, width), cloud(rng, others, width)];
      assert.deepEqual(featureOverlap(a, a, { dim: width }), { precision: 1, recall: 1, density: 1, coverage: 1 });
      const [ab, ba] = [featureOverlap(a, b, { dim: width }), featureOverlap(b, a, { dim: width })];
      assert.deepEqual([ab.precision, ab.recall], [ba.recall, ba.precision]);
    }),
    { seed: 3, numRuns: 30 },
  );
});

test('sets far from each other do not overlap; copies of one picture are precise and cover little', () => {
  const rng = new Rng(1);
  const a = cloud(rng, 100, 4);
  const far = a.map((x) => x + 100);
  assert.deepEqual(featureOverlap(a, far, { dim: 4 }), { precision: 0, recall: 0, density: 0, coverage: 0 });
  const copies = Float32Array.from({ length: 400 }, (_, i) => a[i % 4]);
  const { precision, recall, coverage } = featureOverlap(a, copies, { dim: 4 });
  assert.deepEqual([precision, recall], [1, 0.01]);
  assert.ok(coverage > 0 && coverage < 0.3, `${coverage}`);
});

test('overlap: wrong rows, too few of them and NaN are errors', () => {
  const five = new Float32Array(10);
  const more = new Float32Array(20);
  assert.throws(() => featureOverlap([1, 2, 3], more, { dim: 2 }), /real rows of 2 features, got 3 values/);
  assert.throws(() => featureOverlap(more, five, { dim: 2 }), /more generated rows than neighbors \(5\), got 5/);
  assert.throws(
    () =>
      featureOverlap(
        more,
        more.map(() => Number.NaN),
        { dim: 2 },
      ),
    /finite features, got NaN in generated/,
  );
});

test('SSIM: 1 for equal images, symmetric, lower the more noise, and no more than 1', () => {
  fc.assert(
    fc.property(sizes.seed, fc.integer({ min: 11, max: 20 }), fc.integer({ min: 11, max: 20 }), (seed, h, w) => {
      const rng = new Rng(seed);
      const [x, y] = [rng.uniforms(2 * 3 * h * w), rng.uniforms(2 * 3 * h * w)];
      const all = [2, 3, h, w];
      close(ssim(x, x, all), [1, 1], 1e-12);
      close(ssim(x, y, all), ssim(y, x, all), 1e-12);
      assert.ok(ssim(x, y, all).every((value) => value < 0.9 && value >= -1));
    }),
    { seed: 2, numRuns: 20 },
  );
  const rng = new Rng(4);
  const x = rng.uniforms(16 * 16);
  const noisy = [0.05, 0.2, 0.8].map(
    (a) =>
      ssim(
        x,
        x.map((v) => v + a * rng.normal()),
        [1, 1, 16, 16],
      )[0],
  );
  assert.ok(noisy[0] > noisy[1] && noisy[1] > noisy[2], `${noisy}`);
  assert.throws(() => ssim(x, x, [1, 1, 16, 10]), /expected values of shape .* got \[1, 1, 16, 10\] and 256 and 256/);
  assert.throws(() => ssim(x, x, [1, 1, 32, 8]), /at least 11 × 11 pixels, got 8 × 32/);
});

test('temperature: finds the factor behind labels that were drawn from a softmax', () => {
  const rng = new Rng(9);
  const rows = 4000;
  const scores = Float32Array.from({ length: 3 * rows }, () => rng.normal());
  const drawn = Int32Array.from({ length: rows }, (_, row) => {
    const p = [0, 1, 2].map((k) => Math.exp(2 * scores[3 * row + k]));
    const at = rng.uniform() * (p[0] + p[1] + p[2]);
    return at < p[0] ? 0 : at < p[0] + p[1] ? 1 : 2;
  });
  close([inverseTemperature(scores, drawn, 3)], [2], 0.06);
  assert.equal(Math.round(inverseTemperature([1, 0, 0, 1], [0, 1], 2)), 1000); // all right: the larger end
  assert.throws(() => inverseTemperature([1, 2], [0], 3), /1 rows of 3 scores, got 2 values/);
});

test('balanced accuracy: the mean over classes, however frequent', () => {
  assert.equal(balancedAccuracy([0, 0, 0, 0, 1], [0, 0, 0, 1, 1]), 0.75);
  assert.ok(Number.isNaN(balancedAccuracy([], [])));
  assert.throws(() => balancedAccuracy([1], [1, 2]), /2 guesses, got 1/);
});
