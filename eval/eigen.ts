/** Eigenvalues of symmetric matrices, in float64. */

/**
 * All eigenvalues in rising order: reflections make the matrix tridiagonal, bisection finds the values.
 *
 * @param matrix  [n, n], symmetric, row-major; not changed
 */
export function symmetricEigenvalues(matrix: Float64Array, n: number): Float64Array {
  if (matrix.length !== n * n) {
    throw new RangeError(`symmetricEigenvalues: expected ${n} × ${n} values, got ${matrix.length}.`);
  }
  if (!matrix.every(Number.isFinite)) {
    throw new RangeError('symmetricEigenvalues: expected finite values, got NaN or an infinity.');
  }
  return bisect(tridiagonalize(matrix.slice(), n), n);
}

interface Tridiagonal {
  readonly diagonal: Float64Array; // [n]
  /** Value i stands between diagonal values i and i + 1; the last is 0. */
  readonly beside: Float64Array; // [n]
}

/**
 * Householder: column k is reflected onto its first entry below the diagonal, which leaves the eigenvalues as they are.
 *
 *   H = I − 2 v vᵀ, |v| = 1;   H A H = A − v wᵀ − w vᵀ,   w = 2 (A v − (vᵀ A v) v)
 *
 * @param a  [n, n], overwritten
 * @see Golub and Van Loan, Matrix Computations, §8.3
 */
function tridiagonalize(a: Float64Array, n: number): Tridiagonal {
  const beside = new Float64Array(n);
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  for (let k = 0; k < n - 1; k++) {
    const first = k + 1; // rows and columns from here on are still full
    for (let i = first; i < n; i++) v[i] = a[i * n + k];
    const length = Math.sqrt(dot(v, v, first, n));
    beside[k] = v[first] < 0 ? length : -length; // the sign that does not cancel in the next line
    v[first] -= beside[k];
    const norm = Math.sqrt(dot(v, v, first, n));
    if (norm === 0) continue;
    for (let i = first; i < n; i++) v[i] /= norm;

    for (let i = first; i < n; i++) w[i] = 2 * dot(a, v, first, n, i * n);
    const along = dot(v, w, first, n);
    for (let i = first; i < n; i++) w[i] -= along * v[i];
    for (let i = first; i < n; i++) {
      const [vi, wi] = [v[i], w[i]];
      for (let j = first; j < n; j++) a[i * n + j] -= vi * w[j] + wi * v[j];
    }
  }
  return { diagonal: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), beside };
}

/** Σ x[offset + i] y[i] over first ≤ i < end. */
function dot(x: Float64Array, y: Float64Array, first: number, end: number, offset = 0): number {
  let sum = 0;
  for (let i = first; i < end; i++) sum += x[offset + i] * y[i];
  return sum;
}

/** The k-th eigenvalue is where the number of eigenvalues below x passes k. */
function bisect({ diagonal, beside }: Tridiagonal, n: number): Float64Array {
  const radius = (i: number) => Math.abs(beside[i]) + Math.abs(beside[i - 1] ?? 0);
  const lowest = diagonal.reduce((x, d, i) => Math.min(x, d - radius(i)), Infinity); // Gershgorin's discs
  const highest = diagonal.reduce((x, d, i) => Math.max(x, d + radius(i)), -Infinity);
  const tiny = Number.EPSILON * Math.max(Math.abs(lowest), Math.abs(highest), 1e-300);

  /** Sylvester: as many as there are negative pivots in the elimination of T − x I. */
  const below = (x: number): number => {
    let count = 0;
    let pivot = 1;
    for (let i = 0; i < n; i++) {
      pivot = diagonal[i] - x - (i > 0 ? beside[i - 1] ** 2 / pivot : 0);
      if (Math.abs(pivot) < tiny * Number.EPSILON) pivot = -tiny * Number.EPSILON;
      if (pivot < 0) count++;
    }
    return count;
  };
  return Float64Array.from({ length: n }, (_, k) => {
    let [low, high] = [lowest, highest];
    while (high - low > tiny) {
      const middle = 0.5 * (low + high);
      if (below(middle) > k) high = middle;
      else low = middle;
    }
    return 0.5 * (low + high);
  });
}
