/** Functions in float64 that JavaScript has not, or has otherwise. */

/** erf(x) = 2/√π ∫₀ˣ e^(−t²) dt, to about 1e-15: a series near zero, a continued fraction in the tail. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let f = z;
  for (let n = 60; n >= 1; n--) f = z + n / 2 / f;
  return Math.sign(x) * (1 - Math.exp(-z * z) / (f * Math.sqrt(Math.PI)));
}

/** xᵉ as in C and PyTorch: 1 for x = 1 and any e, and for x = −1 and infinite e, where JavaScript has NaN. */
export const pow = (x: number, e: number): number => (x === 1 || (x === -1 && Math.abs(e) === Infinity) ? 1 : x ** e);
