/** Cholesky factorization of symmetric positive (semi-)definite matrices, in float64. */

/**
 * Lower triangular L with A = L Lᵀ. Where A is singular, a pivot is zero up to rounding, and so is its column of L.
 *
 * @param a  [n, n], row-major; reads the lower triangle
 * @returns  [n, n], row-major
 */
export function choleskyFactor(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const pivot = a[j * n + j] - dotRows(l, n, j, j, j);
    const root = pivot > 1e-14 * a[j * n + j] ? Math.sqrt(pivot) : 0;
    l[j * n + j] = root;
    if (root === 0) continue;
    for (let i = j + 1; i < n; i++) l[i * n + j] = (a[i * n + j] - dotRows(l, n, i, j, j)) / root;
  }
  return l;
}

/** Solves L Lᵀ X = B for L without zeros on its diagonal. b [n, m] → X [n, m], row-major */
export function choleskySolve(l: Float64Array, b: Float64Array, n: number, m: number): Float64Array {
  const x = b.slice();
  for (let column = 0; column < m; column++) {
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) x[i * m + column] -= l[i * n + k] * x[k * m + column];
      x[i * m + column] /= l[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) x[i * m + column] -= l[k * n + i] * x[k * m + column];
      x[i * m + column] /= l[i * n + i];
    }
  }
  return x;
}

/** Σ_{k < length} L_ik L_jk */
function dotRows(l: Float64Array, n: number, i: number, j: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += l[i * n + k] * l[j * n + k];
  return sum;
}
