/** Eigenvalues and eigenvectors of symmetric matrices, in float64. */

export interface Eigen {
  /** In no particular order. */
  readonly values: Float64Array; // [n]
  /** Row i is the unit eigenvector of value i. */
  readonly vectors: Float64Array; // [n, n]
}

/**
 * Cyclic Jacobi: rotations in the plane of two axes, each of which makes one off-diagonal pair zero, until all are.
 *
 *   A = Vᵀ diag(values) V
 *
 * Slow beside QR iteration for many hundreds of dimensions, but short and exact to the last digits.
 *
 * @param matrix  [n, n], symmetric, row-major; not changed
 * @see Golub and Van Loan, Matrix Computations, §8.5
 */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  if (matrix.length !== n * n)
    throw new RangeError(`symmetricEigen: expected ${n} × ${n} values, got ${matrix.length}.`);
  if (!matrix.every(Number.isFinite))
    throw new RangeError('symmetricEigen: expected finite values, got NaN or an infinity.');
  const a = matrix.slice();
  const vectors = identity(n);
  const negligible = 1e-30 * a.reduce((sum, x) => sum + x * x, 0); // of the squared norm, which rotations keep
  for (let sweep = 0; sweep < 60 && offDiagonal(a, n) > negligible; sweep++) {
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q]!;
        if (apq === 0) continue;
        // the smaller root t = tan(angle) of t² + 2θt − 1 = 0 turns by at most 45°
        const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        rotateColumns(a, n, p, q, c, t * c);
        rotateRows(a, n, p, q, c, t * c);
        rotateRows(vectors, n, p, q, c, t * c);
        a[p * n + q] = 0;
        a[q * n + p] = 0;
      }
    }
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors };
}

/** Sum of squares beside the diagonal. */
function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) sum += 2 * a[i * n + j]! ** 2;
  return sum;
}

/** Turns axes p and q of every column: [xp, xq] → [c xp − s xq, s xp + c xq], down rows p and q. */
function rotateRows(a: Float64Array, n: number, p: number, q: number, c: number, s: number): void {
  for (let j = 0; j < n; j++) {
    const [x, y] = [a[p * n + j]!, a[q * n + j]!];
    a[p * n + j] = c * x - s * y;
    a[q * n + j] = s * x + c * y;
  }
}
function rotateColumns(a: Float64Array, n: number, p: number, q: number, c: number, s: number): void {
  for (let i = 0; i < n; i++) {
    const [x, y] = [a[i * n + p]!, a[i * n + q]!];
    a[i * n + p] = c * x - s * y;
    a[i * n + q] = s * x + c * y;
  }
}

function identity(n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) out[i * n + i] = 1;
  return out;
}

/** S^½ = Vᵀ diag(√max(λ, 0)) V: the symmetric root of a covariance. Rounding may leave tiny negative λ. */
export function symmetricRoot(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const out = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const root = Math.sqrt(Math.max(0, values[k]!));
    for (let i = 0; i < n; i++) {
      const scaled = root * vectors[k * n + i]!;
      for (let j = 0; j < n; j++) out[i * n + j]! += scaled * vectors[k * n + j]!;
    }
  }
  return out;
}

/** a b for square matrices. */
export function product(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const x = a[i * n + k]!;
      for (let j = 0; j < n; j++) out[i * n + j]! += x * b[k * n + j]!;
    }
  }
  return out;
}
