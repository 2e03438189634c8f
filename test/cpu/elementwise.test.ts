/** Formulas as SIMD loops against the same formulas as JavaScript. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { CpuDevice } from '../../core/cpu/device.ts';
import { formula, formulaSource } from '../../core/formula.ts';
import { erf, pow } from '../../core/special.ts';

const device = new CpuDevice({ threads: 2 });
const special = [0, -1, 1, 0.5, Infinity, -Infinity, NaN, 3e38, -3e38, 1e-30, 200, -200];

/** The value of a formula in float64. */
function evaluate(source: string, values: readonly number[]): number {
  const f = formula(source);
  const { body } = formulaSource(f, (name) => name);
  const helpers = { erf, tanh: Math.tanh, log: Math.log, pow };
  return new Function(...Object.keys(helpers), ...f.params, body)(...Object.values(helpers), ...values) as number;
}

/** Runs on the device; arrays of one element and numbers take part in every place. */
function run(source: string, args: readonly (number[] | number)[], length: number): Float32Array {
  const refs = args.map((a) => (typeof a === 'number' ? a : { handle: device.upload(a), shape: [a.length] }));
  const y = device.run({ op: source, shape: [length], args: refs, formula: formula(source), passes: () => [] });
  return device.read(y, length);
}

function check(source: string, args: readonly (number[] | number)[], length: number): void {
  const y = run(source, args, length);
  for (let i = 0; i < length; i++) {
    const at = args.map((a) => Math.fround(typeof a === 'number' ? a : a.length === 1 ? a[0] : a[i]));
    const want = evaluate(source, at);
    const got = y[i];
    const same = Object.is(got, Math.fround(want)) || Math.abs(got - want) <= 1e-6 * Math.max(1e-6, Math.abs(want));
    assert.ok(same || (got === 0 && want === 0), `${source} at ${at}: expected ${want}, got ${got}`);
  }
}

const unary = [
  '-x',
  'exp(x)',
  'log(x)',
  'sqrt(x)',
  'abs(x)',
  'tanh(x)',
  'erf(x)',
  'floor(x)',
  '1 / x',
  'x * x',
  'x < 1',
  'x == x',
  'where(x, 2, 3)',
];
for (const body of unary) {
  test(`${body} at NaN, infinities and odd lengths`, () => {
    check(`(x) => ${body}`, [special], special.length);
    for (const n of [1, 2, 3, 5, 31])
      check(`(x) => ${body}`, [Array.from({ length: n }, (_, i) => (i - n / 2) / 3)], n);
  });
}

const binary = [
  'a + b',
  'a - b',
  'a * b',
  'a / b',
  'max(a, b)',
  'min(a, b)',
  'a < b',
  'a <= b',
  'a == b',
  'where(a < b, a, b)',
];
for (const body of binary) {
  test(`${body} of tensors, one-element tensors and numbers`, () => {
    const pairs = special.flatMap((x) => special.map((y) => [x, y] as const));
    check(`(a, b) => ${body}`, [pairs.map(([x]) => x), pairs.map(([, y]) => y)], pairs.length);
    check(`(a, b) => ${body}`, [special, [0.7]], special.length);
    check(`(a, b) => ${body}`, [0.7, special], special.length);
    check(`(a, b) => ${body}`, [[2], [3]], 1);
  });
}

test('functions without a SIMD form run as JavaScript', () => {
  const { body, helpers } = formulaSource(formula('(x, s) => sin(x) * s'), (name) =>
    name === 's' ? 's' : 'x[this.thread.x]',
  );
  const x = device.upload([0.5, 1, 2]);
  const y = device.run({
    op: 'sinTimes',
    shape: [3],
    args: [{ handle: x, shape: [3] }, 3],
    formula: formula('(x, s) => sin(x) * s'),
    passes: () => [{ out: [3], inputs: { x: 0, s: 1 }, body, helpers }],
  });
  assert.deepEqual(
    device.read(y, 3),
    Float32Array.from([0.5, 1, 2], (v) => Math.sin(v) * 3),
  );
});

test('an update overwrites its targets in order, in place, over threads', async () => {
  await device.sync();
  const n = 100_001;
  const [m, p, g] = [0, 1, 2].map((k) => Float32Array.from({ length: n }, (_, i) => Math.sin(i + k)));
  const ref = (x: Float32Array) => ({ handle: device.upload(x), shape: [n] });
  const refs = [ref(m), ref(p), ref(g), { handle: device.upload([0.5]), shape: [] }];
  const params = '(m, p, g, clip, lr)';
  const formulas = [formula(`${params} => m + 0.1 * (g * clip - m)`), formula(`${params} => p - lr * m`)];
  device.update(refs.slice(0, 2), ['m', 'p', 'g', 'clip'], formulas, refs, { lr: 0.25 });
  const [newM, newP] = [device.read(refs[0].handle, n), device.read(refs[1].handle, n)];
  for (let i = 0; i < n; i += 997) {
    const wantM = m[i] + 0.1 * (g[i] * 0.5 - m[i]);
    assert.ok(Math.abs(newM[i] - wantM) < 1e-6);
    assert.ok(Math.abs(newP[i] - (p[i] - 0.25 * wantM)) < 1e-6);
  }
});
