/** k-means clustering. */
import {
  expectKnown,
  expectOption,
  expectRng,
  expectWhole,
  firstNonFiniteIndex,
  nearestCode,
  type Rng,
  ShapeError,
  tensor,
  tidy,
} from '../core/index.ts';
import { parameter } from './init.ts';

/** Options of `kMeans`. */
export interface KMeansOptions {
  /** Default 12. */
  readonly iterations?: number;
}

/**
 * Cluster centers by Lloyd's algorithm from a k-means++ start. A center that loses all its points moves to a random one.
 *
 * @param points  [count, dim], row-major
 * @returns       centers [k, dim], row-major
 * @throws ShapeError for fewer than k points; OptionError for a dimension or k that is not a whole number ≥ 1, iterations that
 *   are not one ≥ 0, or points that are NaN or infinite
 * @see Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding"
 */
export async function kMeans(
  points: Float32Array,
  dim: number,
  k: number,
  rng: Rng,
  options: KMeansOptions = {},
): Promise<Float32Array> {
  expectKnown('kMeans', options, ['iterations']);
  const { iterations = 12 } = options;
  expectRng('kMeans', rng);
  expectWhole('kMeans, dim', dim, 1, 2 ** 31);
  expectWhole('kMeans, k', k, 1, 2 ** 31);
  expectWhole('kMeans, iterations', iterations, 0, Number.MAX_SAFE_INTEGER);
  const bad = firstNonFiniteIndex(points);
  expectOption(bad < 0, 'kMeans, points', 'finite numbers', points[bad]);
  const count = points.length / dim;
  if (!Number.isInteger(count) || count < k) {
    throw new ShapeError(`kMeans: expected at least ${k} points of ${dim} values, got ${count}.`);
  }
  const centers = farApart(points, dim, k, rng);
  const all = parameter(() => tensor(points, [count, dim]));
  for (let iteration = 0; iteration < iterations; iteration++) {
    const nearest = tidy(() => nearestCode(all, tensor(centers, [k, dim])));
    const ids = await nearest.data();
    nearest.dispose();
    const members = new Int32Array(k);
    const sums = new Float64Array(k * dim);
    for (let i = 0; i < count; i++) {
      const j = ids[i];
      members[j]++;
      for (let d = 0; d < dim; d++) sums[j * dim + d] += points[i * dim + d];
    }
    for (let j = 0; j < k; j++) {
      if (members[j] === 0) centers.set(pointAt(points, dim, rng.int(count)), j * dim);
      else for (let d = 0; d < dim; d++) centers[j * dim + d] = sums[j * dim + d] / members[j];
    }
  }
  all.dispose();
  return centers;
}

/** k of the points, each drawn with probability proportional to its squared distance from the nearest one drawn before. */
function farApart(points: Float32Array, dim: number, k: number, rng: Rng): Float32Array {
  const count = points.length / dim;
  const centers = new Float32Array(k * dim);
  const distance = new Float64Array(count).fill(1); // squared, to the nearest center; equal before the first draw
  for (let j = 0; j < k; j++) {
    const center = pointAt(points, dim, draw(distance, rng));
    centers.set(center, j * dim);
    for (let i = 0; i < count; i++) {
      let squared = 0;
      for (let d = 0; d < dim; d++) squared += (points[i * dim + d] - center[d]) ** 2;
      distance[i] = j === 0 ? squared : Math.min(distance[i], squared);
    }
  }
  return centers;
}

/** A random index, with probability proportional to its weight. */
function draw(weights: Float64Array, rng: Rng): number {
  let left = rng.uniform() * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i];
    if (left < 0) return i;
  }
  return rng.int(weights.length); // all weights are zero
}

const pointAt = (points: Float32Array, dim: number, i: number): Float32Array => points.subarray(i * dim, (i + 1) * dim);
