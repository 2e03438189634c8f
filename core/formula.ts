/**
 * Scalar formulas. One string states an elementwise op; its derivative, the gpu.js source, the plain JavaScript of the
 * reference device and the WASM SIMD loop of the cpu device come from it.
 *
 *   formula('(x, slope) => max(x, 0) + slope * min(x, 0)')
 *
 * Expressions are interned: equal subexpressions are the same object, so each is computed once.
 */

/** Functions of a formula and their number of arguments. Comparisons give 1 or 0; `where(c, a, b)` is c ≠ 0 ? a : b. */
const ARITY = {
  add: 2, sub: 2, mul: 2, div: 2, neg: 1, max: 2, min: 2, pow: 2,
  exp: 1, log: 1, sqrt: 1, abs: 1, tanh: 1, erf: 1, sin: 1, cos: 1, acos: 1, floor: 1,
  sigmoid: 1, gelu: 1, geluSlope: 1, // could be written with those above, but have cheaper vector forms: see spelledOut
  lt: 2, le: 2, eq: 2, where: 3,
} as const; // biome-ignore format: a table
export type FormulaFunction = keyof typeof ARITY;

export type Expr = { readonly id: number } & (
  | { readonly kind: 'const'; readonly value: number }
  | { readonly kind: 'var'; readonly name: string }
  | { readonly kind: 'call'; readonly fn: FormulaFunction; readonly args: readonly Expr[] }
);

/** A parsed formula: its parameters in order, and an expression of them. */
export interface Formula {
  readonly params: readonly string[];
  readonly body: Expr;
}

const interned = new Map<string, Expr>();
function intern(key: string, make: (id: number) => Expr): Expr {
  let e = interned.get(key);
  if (!e) {
    e = make(interned.size);
    interned.set(key, e);
  }
  return e;
}

export const constant = (value: number): Expr =>
  intern(`#${Object.is(value, -0) ? 0 : value}`, (id) => ({ id, kind: 'const', value }));
export const variable = (name: string): Expr => intern(`$${name}`, (id) => ({ id, kind: 'var', name }));
const raw = (fn: FormulaFunction, ...args: Expr[]): Expr =>
  intern(`${fn} ${args.map((a) => a.id)}`, (id) => ({ id, kind: 'call', fn, args }));
/** True for this constant. */
export const is = (e: Expr, value: number): boolean => e.kind === 'const' && e.value === value;

/** Builds a call, simplified as is valid for finite values: 0 + x, 1·x, 0·x, functions of constants. */
export function call(fn: FormulaFunction, ...args: Expr[]): Expr {
  const [a, b] = args as [Expr, Expr];
  if (fn === 'add') {
    if (is(a, 0)) return b;
    if (is(b, 0)) return a;
  }
  if (fn === 'sub') {
    if (is(b, 0)) return a;
    if (is(a, 0)) return call('neg', b);
  }
  if (fn === 'mul') {
    if (is(a, 0) || is(b, 0)) return constant(0);
    if (is(a, 1)) return b;
    if (is(b, 1)) return a;
    if (is(a, -1)) return call('neg', b);
    if (is(b, -1)) return call('neg', a);
    // a mask selects instead of multiplying: ∞ · 0 must not turn a gradient that is cut off into NaN
    for (const [mask, other] of [
      [a, b],
      [b, a],
    ] as const) {
      if (mask.kind !== 'call' || mask.fn !== 'where') continue;
      const [c, x, y] = mask.args as [Expr, Expr, Expr];
      if (is(x, 0) || is(y, 0)) return call('where', c, call('mul', other, x), call('mul', other, y));
    }
  }
  if (fn === 'div') {
    if (is(a, 0)) return a;
    if (is(b, 1)) return a;
  }
  if (fn === 'neg' && a.kind === 'call' && a.fn === 'neg') return a.args[0];
  if (fn === 'where' && args[1] === args[2]) return args[1];
  if (args.every((x) => x.kind === 'const')) {
    const v = args.map((x) => (x as { value: number }).value);
    if (fn === 'neg') return constant(-v[0]);
    if (fn === 'add') return constant(v[0] + v[1]);
    if (fn === 'sub') return constant(v[0] - v[1]);
    if (fn === 'mul') return constant(v[0] * v[1]);
    if (fn === 'div') return constant(v[0] / v[1]);
    if (fn === 'sqrt') return constant(Math.sqrt(v[0]));
  }
  return raw(fn, ...args);
}

/** Parses '(x, s) => max(x, 0) * s'. Operators: + − * / and comparisons; `PI` is a constant. @throws SyntaxError */
export function formula(source: string): Formula {
  const [head, text] = source.split('=>') as [string, string | undefined];
  const params: readonly string[] = head.match(/[a-zA-Z]\w*/g) ?? [];
  const fail = (why: string): never => {
    throw new SyntaxError(`formula: ${why} in '${source}'. Expected '(x, y) => expression'.`);
  };
  if (!text) return fail("no '=>'");
  const tokens = text.match(/\d+\.?\d*(?:e[+-]?\d+)?|[a-zA-Z]\w*|<=|>=|==|\S/g) ?? [];
  let at = 0;
  const peek = () => tokens[at];
  const take = (t?: string) => {
    if (t !== undefined && tokens[at] !== t) fail(`expected '${t}', got '${tokens[at] ?? 'the end'}'`);
    return tokens[at++];
  };
  const comparison = (): Expr => {
    let left = sum();
    for (;;) {
      const t = peek();
      if (t === '<' || t === '>' || t === '<=' || t === '>=' || t === '==') {
        take();
        const right = sum();
        if (t === '==') left = call('eq', left, right);
        else
          left = t[0] === '<' ? call(t === '<' ? 'lt' : 'le', left, right) : call(t === '>' ? 'lt' : 'le', right, left);
      } else return left;
    }
  };
  const sum = (): Expr => {
    let left = product();
    while (peek() === '+' || peek() === '-') left = call(take() === '+' ? 'add' : 'sub', left, product());
    return left;
  };
  const product = (): Expr => {
    let left = unary();
    while (peek() === '*' || peek() === '/') left = call(take() === '*' ? 'mul' : 'div', left, unary());
    return left;
  };
  const unary = (): Expr => {
    if (peek() !== '-') return primary();
    take('-');
    return call('neg', unary());
  };
  const primary = (): Expr => {
    const t = take() ?? fail('unexpected end');
    if (t === '(') {
      const e = comparison();
      take(')');
      return e;
    }
    if (/^\d/.test(t)) return constant(Number(t));
    if (peek() !== '(') {
      if (t === 'PI') return constant(Math.PI);
      return params.includes(t) ? variable(t) : fail(`unknown name '${t}'`);
    }
    take('(');
    const args: Expr[] = [comparison()];
    while (peek() === ',') {
      take(',');
      args.push(comparison());
    }
    take(')');
    const arity = ARITY[t as FormulaFunction] ?? fail(`unknown function '${t}'`);
    if (args.length !== arity) fail(`${t} takes ${arity} arguments, got ${args.length}`);
    return call(t as FormulaFunction, ...args);
  };
  const body = comparison();
  if (at < tokens.length) fail(`unexpected '${peek()}'`);
  return { params, body };
}

/** φ(u) = e^(−u²/2) / √(2π) */
export const normalDensity = (u: Expr): Expr =>
  call('mul', constant(1 / Math.sqrt(2 * Math.PI)), call('exp', call('mul', constant(-0.5), call('mul', u, u))));

/** u where its normal density is not 0, and finite elsewhere, so that their product is not ∞ · 0. */
const clamped = (u: Expr): Expr => call('min', call('max', u, constant(-100)), constant(100));

/**
 * The formula without the functions that only the SIMD loops have: sigmoid(u) = (1 + tanh(u/2)) / 2, which does not
 * overflow, gelu(u) = u Φ(u) and its slope Φ(u) + u φ(u), where Φ(u) = (1 + erf(u/√2)) / 2.
 */
export function spelledOut(e: Expr): Expr {
  if (e.kind !== 'call') return e;
  const args = e.args.map(spelledOut);
  const u = args[0];
  const half = constant(0.5);
  const centered = (odd: Expr) => call('add', half, call('mul', half, odd));
  const cdf = () => centered(call('erf', call('mul', constant(Math.SQRT1_2), u)));
  if (e.fn === 'sigmoid') return centered(call('tanh', call('mul', half, u)));
  if (e.fn === 'gelu') return call('mul', u, cdf());
  if (e.fn === 'geluSlope') return call('add', cdf(), call('mul', clamped(u), normalDensity(u)));
  return call(e.fn, ...args);
}

/** Replaces variables by expressions. */
export function substitute(e: Expr, names: Readonly<Record<string, Expr>>): Expr {
  if (e.kind === 'const') return e;
  if (e.kind === 'var') return names[e.name] ?? e;
  return call(e.fn, ...e.args.map((a) => substitute(a, names)));
}

/** Every distinct subexpression, arguments before their users. */
export function topological(body: Expr): Expr[] {
  const order = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (order.has(e)) return;
    if (e.kind === 'call') e.args.forEach(visit);
    order.add(e);
  };
  visit(body);
  return [...order];
}

/** A number that gpu.js types as float: with a point or an exponent. */
export function literal(value: number): string {
  if (value === Infinity) return '3.4028234663852886e38 * 2.0';
  const text = String(value);
  const float = /[.e]/.test(text) ? text : `${text}.0`;
  return value < 0 ? `(${float})` : float;
}

/**
 * JavaScript (and gpu.js) statements that return the formula's value.
 *
 * @param read  how a parameter is read: 'x' → 'x[this.thread.x]'
 * @returns     the function body, and the helper functions it calls by name (`erf`, `tanh`, `log`, `pow`)
 */
export function formulaSource(f: Formula, read: (name: string) => string): { body: string; helpers: string[] } {
  const result = spelledOut(f.body);
  const order = topological(result);
  const uses = new Map<Expr, number>();
  for (const e of order) if (e.kind === 'call') for (const a of e.args) uses.set(a, (uses.get(a) ?? 0) + 1);
  const text = new Map<Expr, string>();
  const helpers = new Set<string>();
  const lines: string[] = [];
  const condition = (e: Expr): string => {
    if (e.kind === 'call' && (e.fn === 'lt' || e.fn === 'le' || e.fn === 'eq')) {
      const sign = { lt: '<', le: '<=', eq: '==' }[e.fn];
      return `${text.get(e.args[0])} ${sign} ${text.get(e.args[1])}`;
    }
    return `${text.get(e)} != 0.0`;
  };
  const write = (e: Expr): string => {
    if (e.kind === 'const') return literal(e.value);
    if (e.kind === 'var') return read(e.name);
    const [a, b, c] = e.args.map((x) => text.get(x)!);
    switch (e.fn) {
      case 'add': return `(${a} + ${b})`;
      case 'sub': return `(${a} - ${b})`;
      case 'mul': return `(${a} * ${b})`;
      case 'div': return `(${a} / ${b})`;
      case 'neg': return `(-1.0 * ${a})`;
      case 'lt': case 'le': case 'eq': return `(${condition(e)} ? 1.0 : 0.0)`;
      case 'where': return `(${condition(e.args[0])} ? ${b} : ${c})`;
      case 'erf': case 'tanh': case 'log': helpers.add(e.fn); return `${e.fn}(${a})`;
      case 'pow': helpers.add(e.fn); return `pow(${a}, ${b})`;
      default: return `Math.${e.fn}(${[a, b].filter((x) => x !== undefined).join(', ')})`;
    } // biome-ignore format: a table of operators
  };
  for (const e of order) {
    const source = write(e);
    const shared = (uses.get(e) ?? 0) > 1 && e.kind === 'call';
    if (shared) lines.push(`const t${lines.length} = ${source};`);
    text.set(e, shared ? `t${lines.length - 1}` : source);
  }
  return { body: `${lines.join(' ')} return ${text.get(result)};`, helpers: [...helpers] };
}
