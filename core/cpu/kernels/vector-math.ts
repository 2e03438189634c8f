/**
 * exp, log, tanh, erf, sigmoid and GELU of four floats. Each takes an expression, works in locals of the function being
 * emitted, and returns an expression over them: use or store it before calling the same function again.
 */
import { type Fn, type Local, type V128, v } from './dsl.ts';

export interface VectorMath {
  /** e^x, relative error about 1e-7; exact at ±Inf, NaN, overflow, underflow. */
  exp(x: V128): V128;
  /**
   * e^x for x ≤ 88, with 0 below −87.7: for softmax, where x ≤ 0. Relative error 1e-7 (1 + |x|), as much as the
   * rounding of x makes. NaN stays NaN.
   *
   * @param log2  log₂ e; times a factor of x to give e^(factor · x)
   * @param low   −127 / log2
   */
  expFast(x: V128, log2?: V128, low?: V128): V128;
  /** ln x, relative error about 1e-7; log(0) = −Inf, log(x < 0) = NaN. */
  log(x: V128): V128;
  tanh(x: V128): V128;
  /** erf x, relative error below 4e-7; ±1 from |x| = 3.84 on. */
  erf(x: V128): V128;
  /** 1 / (1 + e^−x), relative error about 3e-7. */
  sigmoid(x: V128): V128;
  /** x Φ(x), absolute error below 3e-7 max(1, |x|); exactly x or 0 far out; NaN at −∞, as ∞ · 0. */
  gelu(x: V128): V128;
  /** Φ(x) + x φ(x), absolute error below 5e-7; 1 and 0 at ±∞. */
  geluSlope(x: V128): V128;
}

const MAGIC = 12582912; // 1.5·2²³: adding it rounds to an integer, left in the low mantissa bits

// Coefficients of polynomials, the constant one first. EXP, LOG and TANH are those of Cephes expf, logf, tanhf.
const EXP = [5.0000001201e-1, 1.6666665459e-1, 4.1665795894e-2, 8.3334519073e-3, 1.3981999507e-3, 1.98756915e-4];
/** 2^r for |r| ≤ ½, minimax of the relative error: 8e-8 with rounding. */
const EXP2 = [1, 6.93147182e-1, 2.40226477e-1, 5.55033237e-2, 9.61842295e-3, 1.33989053e-3, 1.53574962e-4];
const LOG = [
  3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1, -1.6668057665e-1, 1.4249322787e-1, -1.2420140846e-1,
  1.167699874e-1, -1.151461031e-1, 7.0376836292e-2,
];
const TANH = [-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3];
/** erf x = x p(x²) / q(x²) up to |x| = 3.83, where it rounds to ±1; as in Eigen and XLA. */
const ERF = {
  p: [
    -1.60960333262415e-2, -2.95459980854025e-3, -7.34990630326855e-4, -5.69250639462346e-5, -2.10102402082508e-6,
    2.77068142495902e-8, -2.72614225801306e-10,
  ],
  q: [-1.42647390514189e-2, -7.37332916720468e-3, -1.68282697438203e-3, -2.13374055278905e-4, -1.45660718464996e-5],
};
/** The 4th root of Φ(x) for x ≤ 0, up to its zero at −5.675. Fitted in float64 by Lawson's iteration. */
const GELU = [
  8.40898395e-1, 1.67755276e-1, -5.01207411e-2, -4.51906538e-3, 3.91432038e-3, 9.60659308e-5, -2.89873191e-4,
  -5.57728381e-5, -3.23941322e-6,
];
/** Φ(x) + x φ(x) − ½ as x p(x²) / q(x²) up to |x| = 5.8, minimax, fitted the same way. */
const GELU_SLOPE = {
  p: [7.97885361e-1, -3.09957798e-2, 1.42302957e-2, 1.92222128e-5, 3.5955827e-5, 1.92927708e-7],
  q: [1, 2.94494135e-1, 4.0980231e-2, 3.52303553e-3, 1.92036632e-4, 8.95236784e-6],
};

/** @param local  gives the locals to work in: interleaved computations need locals of their own */
export function vectorMath(f: Fn, local: (name: string) => Local<'v128'> = (name) => f.vector(name)): VectorMath {
  const madd = (x: V128, y: V128, z: V128) => f.madd(x, y, z);
  const c = (x: number) => f.constant(x);

  /** 2^n for integer lanes n. */
  const power = (n: V128) => v.intShl(v.intAdd(n, v.intConst(127)), 23);

  const exp = (x: V128): V128 => {
    const [n, r, t] = [local('exp.n'), local('exp.r'), local('exp.t')];
    t.set(v.pmax(v.pmin(x, c(89)), c(-104)));
    n.set(madd(t, c(Math.LOG2E), c(MAGIC)));
    r.set(v.sub(n, c(MAGIC)));
    t.set(madd(r, c(-0.693359375), t)); // ln 2 in two parts
    r.set(madd(r, c(2.1219444e-4), t));
    const p = f.polynomial(r, EXP);
    r.set(v.add(madd(p, v.mul(r, r), r), c(1))); // e^(x − n ln 2)
    const half = t;
    n.set(v.intSub(n, c(MAGIC))); // as integers: the bits of MAGIC + n minus those of MAGIC
    half.set(v.intShr(n, 1)); // two factors, so that 2^128 and denormals come out right
    return v.mul(v.mul(r, power(half)), power(v.intSub(n, half)));
  };

  const expFast = (x: V128, log2 = c(Math.LOG2E), low = c(-127 * Math.LN2)): V128 => {
    const [n, r, t] = [local('exp.n'), local('exp.r'), local('exp.t')];
    t.set(v.pmax(x, low));
    n.set(madd(t, log2, c(MAGIC)));
    r.set(madd(t, log2, v.sub(c(MAGIC), n))); // |r| ≤ ½
    return v.mul(f.polynomial(r, EXP2), v.intAdd(v.intShl(n, 23), c(1))); // 2^r 2^n; n = −127 has the bits of 0
  };

  const log = (x: V128): V128 => {
    const [a, m, e, z] = [local('log.a'), local('log.m'), local('log.e'), local('log.z')];
    a.set(x);
    const tiny = () => v.lt(a, c(1.17549435e-38)); // denormal: scaled by 2²³
    m.set(v.select(v.mul(a, c(8388608)), a, tiny()));
    // m = 2^e · f with f in [√½, √2)
    e.set(v.intShr(v.intSub(m, v.intConst(0x3f3504f3)), 23));
    m.set(v.sub(v.intSub(m, v.intShl(e, 23)), c(1)));
    e.set(v.sub(v.fromInt(e), v.and(tiny(), c(23))));
    z.set(v.mul(m, m));
    const p = f.polynomial(m, LOG);
    z.set(madd(v.mul(m, z), p, madd(z, c(-0.5), v.mul(e, c(-2.1219444e-4)))));
    m.set(madd(e, c(0.693359375), v.add(m, z)));
    m.set(v.select(a, m, v.or(v.eq(a, c(Infinity)), v.ne(a, a))));
    m.set(v.select(c(-Infinity), m, v.eq(a, c(0))));
    return v.select(c(NaN), m, v.lt(a, c(0)));
  };

  const tanh = (x: V128): V128 => {
    const [a, t, z] = [local('tanh.a'), local('tanh.t'), local('tanh.z')];
    a.set(x);
    z.set(v.mul(a, a));
    // near 0 a polynomial, else (1 − e^−2|x|) / (1 + e^−2|x|) with the sign of x
    t.set(expFast(v.mul(v.abs(a), c(-2))));
    t.set(v.div(v.sub(c(1), t), v.add(t, c(1))));
    t.set(v.or(t, v.and(a, v.intConst(0x80000000 | 0))));
    const p = f.polynomial(z, TANH);
    return v.select(madd(v.mul(p, z), a, a), t, v.lt(z, c(0.625 * 0.625)));
  };

  const erf = (x: V128): V128 => {
    const [a, z] = [local('erf.a'), local('erf.z')];
    a.set(v.pmax(v.pmin(x, c(3.8325066)), c(-3.8325066)));
    z.set(v.mul(a, a));
    const [p, q] = [f.polynomial(z, ERF.p), f.polynomial(z, ERF.q)];
    const one = v.or(v.and(a, v.intConst(0x80000000 | 0)), c(1)); // with the sign of x
    return v.select(one, v.div(v.mul(a, p), q), v.ge(v.abs(a), c(3.8325066)));
  };

  const sigmoid = (x: V128): V128 => v.div(c(1), v.add(exp(v.neg(x)), c(1)));

  /**
   * max(x, 0) − |x| Φ(−|x|), with errors below 2.5e-7 max(1, |x|). It avoids a division, which takes as long as three
   * multiplications. Preconditioned coefficients (Eve 1964) would trade multiplications for as many additions.
   */
  const gelu = (x: V128): V128 => {
    const [a, z, p] = [local('gelu.a'), local('gelu.z'), local('gelu.p')];
    a.set(x);
    z.set(v.pmax(v.or(a, v.intConst(0x80000000 | 0)), c(-5.67529266))); // −|x|
    p.set(f.polynomial(z, GELU));
    for (let power = 1; power < 4; power *= 2) p.set(v.mul(p, p));
    return madd(z, p, v.sub(a, v.pmin(a, c(0)))); // max(x, 0), but NaN for −∞ like ∞ · 0
  };

  const geluSlope = (x: V128): V128 => {
    const [a, z] = [local('gelu.a'), local('gelu.z')];
    a.set(v.pmax(v.pmin(x, c(5.8)), c(-5.8)));
    z.set(v.mul(a, a));
    const [p, q] = [f.polynomial(z, GELU_SLOPE.p), f.polynomial(z, GELU_SLOPE.q)];
    return v.add(v.div(v.mul(a, p), q), c(0.5));
  };

  return { exp, expFast, log, tanh, erf, sigmoid, gelu, geluSlope };
}
