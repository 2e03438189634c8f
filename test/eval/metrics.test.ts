/** Metrics against golden values and cases with known answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Rng } from '../../core/index.ts';
import {
  ClassVariance,
  CodebookUsage,
  FrechetStatistics,
  featureOverlap,
  frechetDistance,
  inceptionScore,
  inverseTemperature,
  LinearProbe,
  psnr,
  psnrOf,
  SquaredError,
} from '../../eval/index.ts';
import { close, Golden } from '../nn/golden.ts';

test('golden: evaluator', () => {
  const golden = new Golden('evaluator');
  const want = golden.json<Record<string, number>>('values');
  const features = (key: string) => new FrechetStatistics(8).add(golden.get(key).data);
  const usage = new CodebookUsage(Number(golden.metadata['num_codebook_entries'])).add(
    golden.get('in/codebook_indices').data,
  );
  const got = {
    rFID: frechetDistance(features('in/real_features'), features('in/fake_features')),
    InceptionScore: inceptionScore(golden.get('in/fake_logits').data, 6),
    CodebookUsage: usage.fraction,
    CodebookEntropy: usage.entropy,
  };
  for (const [name, value] of Object.entries(got)) close([value], [want[name]], 1e-6, name);
});

/** A Gaussian with a diagonal covariance, turned by a random rotation of the first two axes. */
function gaussian(mean: number[], variances: number[], angle: number) {
  const n = mean.length;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const covariance = new Float64Array(n * n);
  variances.forEach((v, i) => {
    covariance[i * n + i] = v;
  });
  const [a, b] = variances as [number, number];
  covariance[0] = c * c * a + s * s * b;
  covariance[1] = covariance[n] = c * s * (a - b);
  covariance[n + 1] = s * s * a + c * c * b;
  return { dim: n, mean: Float64Array.from(mean), covariance };
}

test('Fréchet distance of Gaussians with a known answer', () => {
  const variance = fc.double({ min: 0, max: 9, noNaN: true });
  fc.assert(
    fc.property(
      fc.array(variance, { minLength: 3, maxLength: 3 }),
      fc.array(variance, { minLength: 3, maxLength: 3 }),
      fc.double({ min: -3, max: 3, noNaN: true }),
      (v1, v2, angle) => {
        // covariances that share their axes: |Δμ|² + Σ (√a − √b)²
        const got = frechetDistance(gaussian([1, 2, 3], v1, angle), gaussian([2, 2, 1], v2, angle));
        const want = 5 + v1.reduce((sum, v, i) => sum + (Math.sqrt(v) - Math.sqrt(v2[i])) ** 2, 0);
        assert.ok(Math.abs(got - want) < 1e-6, `${got} ${want}`);
      },
    ),
    { seed: 4 },
  );
});

test('statistics do not depend on how features arrive, and survive a large mean', () => {
  const rng = new Rng(7);
  const rows = Float64Array.from({ length: 300 }, () => 1e6 + rng.normal());
  const whole = new FrechetStatistics(3).add(rows);
  const parts = new FrechetStatistics(3).add(rows.subarray(0, 30)).add(rows.subarray(30, 33)).add(rows.subarray(33));
  assert.equal(whole.count, 100);
  assert.deepEqual(parts.covariance, whole.covariance);
  const column = Array.from({ length: 100 }, (_, i) => rows[3 * i] - 1e6);
  const mean = column.reduce((a, b) => a + b, 0) / 100;
  const variance = column.reduce((a, b) => a + (b - mean) ** 2, 0) / 99;
  close([whole.covariance[0]], [variance], 1e-6);
  close([1 + frechetDistance(whole, parts)], [1], 1e-6);
  assert.throws(() => whole.add([1, 2]), /rows of 3 features, got 2 values/);
  assert.throws(() => new FrechetStatistics(1).add([1]).covariance, /at least 2 feature vectors, got 1/);
});

test('inception score: 1 for unclear or uniform samples, the number of classes at best', () => {
  close([inceptionScore(new Float32Array(12), 3)], [1], 1e-9);
  close([inceptionScore([900, 0, 0, 900, 0, 0], 3)], [1], 1e-9);
  close([inceptionScore([900, 0, 0, 0, 900, 0, 0, 0, 900], 3)], [3], 1e-9);
  assert.throws(() => inceptionScore([1, 2], 3), /rows of 3 logits/);
});

test('PSNR comes from the mean error over all images and clamps reconstructions', () => {
  close([psnr([0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1]), psnrOf(0.001)], [20, 30], 1e-9);
  assert.equal(psnr([0, 1], [-3, 7]), Infinity);
  const error = new SquaredError().add([0], [0.1]).add([0, 0, 0], [0, 0, 0]);
  close([error.psnr], [-10 * Math.log10(0.01 / 4)], 1e-9);
  assert.throws(() => psnr([0], [0, 0]), /as many values in both, got 1 and 2/);
});

test('a linear probe reads classes off features that hold them, and no others', () => {
  const rng = new Rng(8);
  /** Features of very different sizes under one common noise that only their differences are free of. */
  const sample = (rows: number, signal: number) => {
    const labels = Int32Array.from({ length: rows }, () => rng.int(3));
    const features = Array.from(labels, (label) => {
      const common = 20 * rng.normal();
      return [0, 1, 2, 3].map((d) => 1000 ** (d - 2) * (common + rng.normal() + (d === label ? signal : 0)));
    });
    return { labels, features: features.flat() };
  };
  const cases = [
    [6, 0.98, 1],
    [0, 0.2, 0.48],
  ] as const;
  for (const [signal, low, high] of cases) {
    const [train, held] = [sample(300, signal), sample(300, signal)];
    const probe = new LinearProbe(train.features, { labels: train.labels, classes: 3, dim: 4, ridge: 1e-5 });
    const accuracy = probe.accuracy(held.features, held.labels);
    assert.ok(accuracy >= low && accuracy <= high, `signal ${signal}: accuracy ${accuracy}`);
  }
});

test('variance within classes: pictures that are all alike have none, whatever their class looks like', () => {
  const variance = new ClassVariance();
  variance.add([0, 1, 4, 5, 0, 1], [0, 1, 0]);
  assert.equal(variance.value, 0);
  variance.add([2, 5], [0]); // class 0: [0, 1], [0, 1], [2, 5]; class 1: [4, 5]
  const expected = (8 / 3 + 32 / 3) / 4; // Σ (x − mean of its class)² of class 0, 2 values in 3 − 1 pictures
  assert.ok(Math.abs(variance.value - expected) < 1e-12);
  assert.ok(Number.isNaN(new ClassVariance().value));
  const alone = new ClassVariance();
  alone.add([1, 2, 3, 4], [0, 1]);
  assert.ok(Number.isNaN(alone.value), 'no class has two');
});

test('variance within classes does not depend on how many pictures a class has', () => {
  const rng = new Rng(4);
  const [few, many] = [2, 40].map((each) => {
    const variance = new ClassVariance();
    const labels = Int32Array.from({ length: 50 * each }, (_, i) => i % 50);
    variance.add(rng.normals(16 * labels.length), labels);
    return variance.value;
  });
  assert.ok(Math.abs(few / many - 1) < 0.1, `${few} ${many}`);
});

/** What a metric says about something that it cannot measure. */
const refused = (measure: () => unknown, message: RegExp) =>
  assert.throws(measure, (error) => error instanceof RangeError && message.test(error.message), String(message));

test('values that are not finite are refused, whichever metric they come to', () => {
  const [one, nan] = [new Float64Array([1]), new Float64Array([Number.NaN])];
  const fine = { dim: 1, mean: one, covariance: one };
  refused(() => frechetDistance(fine, { ...fine, mean: nan }), /^frechetDistance: expected finite means, got NaN/);
  refused(() => frechetDistance({ ...fine, covariance: nan }, fine), /^frechetDistance: expected finite covariances/);
  refused(() => inceptionScore([0, 1, 2, Number.NaN], 2), /^inceptionScore: expected finite logits, got NaN in row 1/);
  close([inceptionScore([-Infinity, 0, 0, -Infinity], 2)], [2], 1e-9); // probabilities 0 and 1
  const options = { labels: [0, 1], classes: 2, dim: 1 };
  refused(() => new LinearProbe([0, Infinity], options), /^LinearProbe: expected finite features, got Infinity/);
  refused(() => new LinearProbe([0, 1], options).predict([Number.NaN]), /finite features, got NaN at position 0/);
  refused(() => inverseTemperature([0, 1, Number.NaN, 1], [0, 1], 2), /^inverseTemperature: expected finite scores/);
});

test('labels outside of the classes are refused: they would count for a class of another row', () => {
  for (const label of [-1, 2, 0.5]) {
    const labels = [0, label];
    const message = new RegExp(`expected labels in 0\\.\\.1, got ${label} at position 1`);
    refused(() => new LinearProbe([0, 1], { labels, classes: 2, dim: 1 }), message);
    refused(() => inverseTemperature([0, 1, 1, 0], labels, 2), message);
  }
});

test('a linear probe is solved or refused, and rows have to be whole', () => {
  const options = { labels: [0, 1], classes: 2, dim: 2 };
  refused(() => new LinearProbe([1, 2, 3, 4], { ...options, ridge: 0 }), /or a larger ridge, got 2 rows and ridge 0/);
  refused(() => new LinearProbe([1, 2, 3, 4], { ...options, ridge: -1 }), /expected ridge ≥ 0, got -1/);
  const probe = new LinearProbe([1, 2, 3, 4], options);
  refused(() => probe.scores([1, 2, 3]), /expected rows of 2 features, got 3 values/);
  refused(() => probe.accuracy([1, 2, 3, 4], [0]), /expected 2 labels, one for each row, got 1/);
});

test('counts are whole numbers above 0', () => {
  const rows = new Rng(3).normals(20);
  for (const count of [0, -1, 1.5, Number.NaN]) {
    refused(() => new FrechetStatistics(count), new RegExp(`whole number of features above 0, got ${count}`));
    refused(() => new CodebookUsage(count), new RegExp(`whole number of codes above 0, got ${count}`));
    refused(() => inceptionScore([1, 2, 3], count), new RegExp(`whole number of classes above 0, got ${count}`));
    for (const option of ['neighbors', 'densityNeighbors']) {
      refused(() => featureOverlap(rows, rows, { dim: 2, [option]: count }), /whole number of neighbors .*above 0/);
    }
  }
});

test('variance within classes: pictures have one size, and equal ones a variance that is not below 0', () => {
  refused(() => new ClassVariance().add([1, 2, 3], [0, 0]), /values in each of 2 pictures above 0, got 1\.5/);
  const variance = new ClassVariance();
  variance.add([1, 1], [0]);
  refused(() => variance.add([1, 1, 9, 9], [0]), /pictures of 2 values, as before, got 4/);
  for (let count = 2; count < 50; count++) {
    const equal = new ClassVariance();
    equal.add(new Float64Array(count).fill(0.7), new Int32Array(count));
    assert.ok(equal.value >= 0, `${count} pictures: ${equal.value}`);
  }
});

test('before any code was seen, the perplexity is 0', () => {
  const usage = new CodebookUsage(4);
  assert.deepEqual([usage.used, usage.perplexity], [0, 0]);
  assert.ok(Math.abs(usage.add([1]).perplexity - 1) < 1e-6);
});
