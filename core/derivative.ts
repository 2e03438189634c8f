/** Derivatives of scalar formulas, from which the gradients of elementwise ops come. */
import { call, constant, type Expr, is, normalDensity } from './formula.ts';

/** ∂e/∂name. At a tie, max and min follow their first argument, so relu = max(0, x) has slope 0 at 0, as in PyTorch. */
export function derivative(e: Expr, name: string): Expr {
  if (e.kind === 'const') return constant(0);
  if (e.kind === 'var') return constant(e.name === name ? 1 : 0);
  const [u, v, w] = e.args as [Expr, Expr, Expr];
  const d = (x: Expr) => derivative(x, name);
  const zero = constant(0);
  const chain = (outer: () => Expr): Expr => {
    const du = d(u);
    return is(du, 0) ? du : call('mul', du, outer());
  };
  const c = constant;
  switch (e.fn) {
    case 'add': return call('add', d(u), d(v));
    case 'sub': return call('sub', d(u), d(v));
    case 'neg': return call('neg', d(u));
    case 'mul': return call('add', call('mul', d(u), v), call('mul', u, d(v)));
    case 'div': return call('sub', call('div', d(u), v), is(d(v), 0) ? zero : divisorSlope(u, v, d(v)));
    case 'max': return call('where', call('le', v, u), d(u), d(v));
    case 'min': return call('where', call('le', u, v), d(u), d(v));
    case 'where': return call('where', u, d(v), d(w));
    case 'exp': return chain(() => e);
    case 'log': return is(d(u), 0) ? zero : call('div', d(u), u);
    case 'sqrt': return is(d(u), 0) ? zero : call('div', call('mul', c(0.5), d(u)), e);
    case 'abs': return chain(() => call('sub', call('lt', zero, u), call('lt', u, zero)));
    case 'tanh': return chain(() => call('sub', c(1), call('mul', e, e)));
    case 'erf': return chain(() => call('mul', c(2 / Math.sqrt(Math.PI)), call('exp', call('neg', call('mul', u, u)))));
    case 'sigmoid': return chain(() => call('mul', e, call('sub', c(1), e)));
    case 'gelu': return chain(() => call('geluSlope', u));
    case 'geluSlope': return chain(() => call('mul', normalDensity(u), call('sub', c(2), call('mul', u, u))));
    case 'sin': return chain(() => call('cos', u));
    case 'cos': return chain(() => call('neg', call('sin', u)));
    case 'acos': return chain(() => call('neg', call('div', c(1), call('sqrt', call('sub', c(1), call('mul', u, u))))));
    case 'pow': return call('add', is(d(u), 0) ? zero : call('mul', d(u), baseSlope(u, v)), is(d(v), 0) ? zero : call('mul', d(v), exponentSlope(u, v)));
    case 'floor': case 'lt': case 'le': case 'eq': return zero;
  } // biome-ignore format: a table of derivatives
}

/** u v' / v²; where v² would lose digits or become 0, (u/v) v' / v instead. */
function divisorSlope(u: Expr, v: Expr, dv: Expr): Expr {
  const square = call('mul', v, v);
  if (u.kind === 'const') return call('div', call('mul', u, dv), square);
  const isTiny = call('lt', square, constant(1e-30));
  const numerator = call('where', isTiny, call('div', u, v), u);
  return call('div', call('mul', numerator, dv), call('where', isTiny, v, square));
}

/** By the base: v u^(v−1), and 0 where v is 0, also for u = 0. */
function baseSlope(u: Expr, v: Expr): Expr {
  if (is(v, 0)) return constant(0);
  const slope = call('mul', v, call('pow', u, call('sub', v, constant(1))));
  return v.kind === 'const' ? slope : call('where', call('eq', v, constant(0)), constant(0), slope);
}

/** By the exponent: ln(u) u^v, and 0 where u is 0 and v ≥ 0. */
function exponentSlope(u: Expr, v: Expr): Expr {
  const isZero = call('mul', call('eq', u, constant(0)), call('le', constant(0), v));
  return call('where', isZero, constant(0), call('mul', call('log', u), call('pow', u, v)));
}
