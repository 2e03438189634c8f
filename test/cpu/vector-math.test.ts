/** exp, log, tanh, erf, sigmoid and GELU of four floats against JavaScript's float64. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { add, i32, v, wasmFunction } from '../../core/cpu/kernels/dsl.ts';
import { vectorMath } from '../../core/cpu/kernels/vector-math.ts';
import { buildModule, ConstantTable, supportsRelaxedMadd } from '../../core/cpu/module.ts';
import { setEngineFlags } from '../../core/cpu/platform.ts';
import { erf } from '../../core/special.ts';

setEngineFlags();
const names = ['exp', 'expFast', 'log', 'tanh', 'erf', 'sigmoid', 'gelu', 'geluSlope'] as const;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const cdf = (x: number): number => 0.5 + 0.5 * erf(x / Math.SQRT2);
const gelu = (x: number): number => x * cdf(x);
const geluSlope = (x: number): number => cdf(x) + (x * Math.exp(-0.5 * x * x)) / Math.sqrt(2 * Math.PI);

function compile(fma: boolean): (name: string, x: readonly number[]) => Float32Array {
  const constants = new ConstantTable(256, 1000);
  const functions = names.map((name) =>
    wasmFunction(name, { end: i32, x: i32, y: i32 }, (f, a) => {
      const i = f.int('i');
      f.for(i, 0, a.end, 16, () => {
        f.do(v.store(add(a.y, i), vectorMath(f)[name](v.load(add(a.x, i)))));
      });
    }),
  );
  const { bytes } = buildModule(functions, { fma, constants, shared: false });
  const memory = new WebAssembly.Memory({ initial: 8, maximum: 65536 });
  const floats = new Float32Array(memory.buffer);
  constants.store(floats);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory } });
  const [x, y] = [65536, 262144];
  return (name, values) => {
    floats.set(values, x / 4);
    (exports[name] as (...args: number[]) => void)(4 * values.length, x, y);
    return floats.slice(y / 4, y / 4 + values.length);
  };
}

const between = (low: number, high: number): number[] =>
  Array.from({ length: 20000 }, (_, i) => Math.fround(low + ((high - low) * (i + 0.5)) / 20000));
const nearZero = between(-8, 8).map((x) => Math.fround(Math.sign(x) * 10 ** -Math.abs(x)));
const special = [0, -0, 1, -1, Infinity, -Infinity, NaN, 89, -104, 3e38, -3e38, 1e-40];

for (const fma of supportsRelaxedMadd() ? [false, true] : [false]) {
  const run = compile(fma);
  const relative = (name: string, exact: (x: number) => number, x: readonly number[]): number => {
    const y = run(name, x);
    return x.reduce((worst, value, i) => Math.max(worst, Math.abs(y[i] / exact(value) - 1)), 0);
  };
  const how = fma ? 'fused' : 'mul + add';

  test(`${how}: relative errors`, () => {
    assert.ok(relative('exp', Math.exp, between(-87.3, 88.7)) < 2e-7);
    assert.ok(relative('expFast', Math.exp, between(-1, 1)) < 2e-7);
    const x = between(-87.2, 88);
    run('expFast', x).forEach((y, i) => {
      assert.ok(Math.abs(y / Math.exp(x[i]) - 1) < 1e-7 * (1 + Math.abs(x[i])), `e^${x[i]}: ${y}`);
    });
    assert.ok(relative('log', Math.log, between(0, 10)) < 2e-7);
    assert.ok(relative('log', Math.log, nearZero.map(Math.abs)) < 2e-7);
    assert.ok(relative('tanh', Math.tanh, [...between(-10, 10), ...nearZero]) < 2e-7);
    assert.ok(relative('erf', erf, [...between(-6, 6), ...nearZero]) < 5e-7);
    assert.ok(relative('sigmoid', sigmoid, [...between(-80, 80), ...nearZero]) < 4e-7);
  });

  test(`${how}: absolute errors of GELU`, () => {
    const worst = (name: string, exact: (x: number) => number, x: readonly number[]): number => {
      const y = run(name, x);
      return x.reduce(
        (most, value, i) => Math.max(most, Math.abs(y[i] - exact(value)) / Math.max(1, Math.abs(value))),
        0,
      );
    };
    assert.ok(worst('gelu', gelu, [...between(-8, 8), ...nearZero]) < 2.5e-7);
    assert.ok(worst('geluSlope', geluSlope, [...between(-8, 8), ...nearZero]) < 5e-7);
    assert.deepEqual(
      [...run('gelu', [100, -100, Infinity, -Infinity, NaN])].map((x) => (Math.abs(x) < 1e-20 ? 0 : x)),
      [100, 0, Infinity, NaN, NaN],
    );
    assert.ok(Number.isNaN(run('geluSlope', [NaN])[0]));
  });

  test(`${how}: zeros, infinities and NaN`, () => {
    for (const [name, exact] of [
      ['exp', Math.exp],
      ['log', Math.log],
      ['tanh', Math.tanh],
      ['erf', erf],
      ['sigmoid', sigmoid],
    ] as const) {
      const y = run(name, special);
      special.forEach((x, i) => {
        const want = Math.fround(exact(Math.fround(x)));
        const close = Math.abs(y[i] - want) <= 5e-7 * Math.abs(want) + 1e-42; // denormals lose digits
        assert.ok(close || Object.is(y[i] + 0, want + 0), `${name}(${x}): expected ${want}, got ${y[i]}`);
      });
    }
    assert.deepEqual([...run('expFast', [0, -Infinity, NaN, -88])], [1, 0, NaN, 0]);
  });
}
