/** Precision, recall, density and coverage: where two sets of feature vectors overlap, by nearest neighbors. */
import { expectCount } from './expect.ts';

/** Options of `featureOverlap`. */
export interface OverlapOptions {
  /** Features of a row. */
  readonly dim: number;
  /** k of precision and recall. Default 3, as published. */
  readonly neighbors?: number;
  /** k of density and coverage. Default 5, as published. */
  readonly densityNeighbors?: number;
}

/** What `featureOverlap` returns. */
export interface Overlap {
  /** Share of the generated rows within the real manifold, 0..1: how many look real. */
  readonly precision: number;
  /** Share of the real rows within the generated manifold, 0..1: how many could have been generated. */
  readonly recall: number;
  /** Real balls around a generated row, over k: about 1 for sets of one distribution, and more where generated rows crowd. */
  readonly density: number;
  /** Share of the real rows with a generated row in their ball, 0..1. */
  readonly coverage: number;
}

/**
 * Compares two sets by balls around their rows. The ball B_k(x) reaches to the k-th nearest other row of x's own set.
 *
 *   precision = share of g with |g − r| ≤ radius of B_3(r) for some r      recall: the same with r and g exchanged
 *   density   = 1 / (k G) Σ_g Σ_r [|g − r| < radius of B_5(r)]             coverage = share of r with such a g
 *
 * Time grows with (R + G)². 10,000 rows of each, 96 features: see docs/metrics.md. Memory does not: distances come in tiles.
 *
 * @param real       [R, dim], row-major
 * @param generated  [G, dim]
 * @throws RangeError unless both have whole rows of finite features, and more of them than neighbors
 * @see Kynkäänniemi et al. 2019, arXiv:1904.06991 (precision and recall); Naeem et al. 2020, arXiv:2002.09797
 */
export function featureOverlap(
  real: ArrayLike<number>,
  generated: ArrayLike<number>,
  { dim, neighbors = 3, densityNeighbors = 5 }: OverlapOptions,
): Overlap {
  expectCount('featureOverlap', 'features', dim);
  expectCount('featureOverlap', 'neighbors', neighbors);
  expectCount('featureOverlap', 'neighbors for density and coverage', densityNeighbors);
  const most = Math.max(neighbors, densityNeighbors);
  const [r, g] = [rowsOf(real, dim, most, 'real'), rowsOf(generated, dim, most, 'generated')];
  const [nearR, nearG] = [nearest(r, most), nearest(g, most)];
  const radii = (near: Float64Array, k: number) => near.filter((_, at) => at % most === k - 1);
  const [manifoldR, manifoldG] = [radii(nearR, neighbors), radii(nearG, neighbors)]; // squared
  const balls = radii(nearR, densityNeighbors);

  const [looksReal, isReached, isCovered] = [new Uint8Array(g.count), new Uint8Array(r.count), new Uint8Array(r.count)];
  let within = 0;
  eachTile(r, g, (distances, { top, rows, left, columns }) => {
    for (let i = top; i < top + rows; i++) {
      const row = (i - top) * columns - left;
      for (let j = left; j < left + columns; j++) {
        const d = distances[row + j];
        if (d <= manifoldR[i]) looksReal[j] = 1;
        if (d <= manifoldG[j]) isReached[i] = 1;
        if (d < balls[i]) {
          within++;
          isCovered[i] = 1;
        }
      }
    }
  });
  return {
    precision: share(looksReal),
    recall: share(isReached),
    density: within / (densityNeighbors * g.count),
    coverage: share(isCovered),
  };
}

interface Rows {
  readonly values: Float64Array; // [count, dim]
  readonly count: number;
  readonly dim: number;
}

function rowsOf(features: ArrayLike<number>, dim: number, neighbors: number, name: string): Rows {
  const count = features.length / dim;
  if (!Number.isInteger(count)) {
    throw new RangeError(`featureOverlap: expected ${name} rows of ${dim} features, got ${features.length} values.`);
  }
  if (count <= neighbors) {
    throw new RangeError(`featureOverlap: expected more ${name} rows than neighbors (${neighbors}), got ${count}.`);
  }
  const values = Float64Array.from(features);
  const bad = values.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) throw new RangeError(`featureOverlap: expected finite features, got ${values[bad]} in ${name} rows.`);
  return { values, count, dim };
}

/** Squared distances to the k nearest other rows, ascending. [count, k] */
function nearest(x: Rows, k: number): Float64Array {
  const near = new Float64Array(x.count * k).fill(Infinity);
  eachTile(x, x, (distances, { top, rows, left, columns }) => {
    for (let i = top; i < top + rows; i++) {
      const [row, first, last] = [(i - top) * columns - left, i * k, i * k + k - 1];
      for (let j = left; j < left + columns; j++) {
        const d = distances[row + j];
        if (d >= near[last] || i === j) continue;
        let at = last;
        for (; at > first && near[at - 1] > d; at--) near[at] = near[at - 1];
        near[at] = d;
      }
    }
  });
  return near;
}

/** Rows top… of a, and left… of b. */
interface Tile {
  readonly top: number;
  readonly rows: number;
  readonly left: number;
  readonly columns: number;
}
const side = 64; // two tiles of 96 features in float64 take 98 kB: they stay in the second-level cache

/** All squared distances between rows of a and of b, in tiles [rows, columns]. */
function eachTile(a: Rows, b: Rows, use: (distances: Float64Array, tile: Tile) => void): void {
  const distances = new Float64Array(side * side);
  for (let top = 0; top < a.count; top += side) {
    const rows = Math.min(side, a.count - top);
    for (let left = 0; left < b.count; left += side) {
      const tile = { top, rows, left, columns: Math.min(side, b.count - left) };
      squaredDistances(a, b, tile, distances);
      use(distances, tile);
    }
  }
}

/**
 * Σ (a − b)², and not |a|² + |b|² − 2ab: that rounds, and equal rows must be at distance 0. Blocks of 2 × 4 rows load 6 values
 * for 8 products. Edge blocks repeat the last row.
 */
function squaredDistances(a: Rows, b: Rows, { top, rows, left, columns }: Tile, out: Float64Array): void {
  const { dim, values: x } = a;
  const y = b.values;
  for (let i = 0; i < rows; i += 2) {
    const below = Math.min(i + 1, rows - 1);
    const x0 = (top + i) * dim;
    const x1 = (top + below) * dim;
    for (let j = 0; j < columns; j += 4) {
      const j1 = Math.min(j + 1, columns - 1);
      const j2 = Math.min(j + 2, columns - 1);
      const j3 = Math.min(j + 3, columns - 1);
      const y0 = (left + j) * dim;
      const y1 = (left + j1) * dim;
      const y2 = (left + j2) * dim;
      const y3 = (left + j3) * dim;
      let a0 = 0;
      let a1 = 0;
      let a2 = 0;
      let a3 = 0;
      let b0 = 0;
      let b1 = 0;
      let b2 = 0;
      let b3 = 0;
      for (let d = 0; d < dim; d++) {
        const u = x[x0 + d];
        const v = x[x1 + d];
        const p = y[y0 + d];
        const q = y[y1 + d];
        const r = y[y2 + d];
        const s = y[y3 + d];
        a0 += (u - p) * (u - p);
        a1 += (u - q) * (u - q);
        a2 += (u - r) * (u - r);
        a3 += (u - s) * (u - s);
        b0 += (v - p) * (v - p);
        b1 += (v - q) * (v - q);
        b2 += (v - r) * (v - r);
        b3 += (v - s) * (v - s);
      }
      const upper = i * columns;
      const lower = below * columns;
      out[lower + j] = b0;
      out[lower + j1] = b1;
      out[lower + j2] = b2;
      out[lower + j3] = b3;
      out[upper + j] = a0;
      out[upper + j1] = a1;
      out[upper + j2] = a2;
      out[upper + j3] = a3;
    }
  }
}

const share = (hits: Uint8Array): number => hits.reduce((sum, hit) => sum + hit, 0) / hits.length;
