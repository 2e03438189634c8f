/** Elementwise functions and their gradients at special values, on all devices, against PyTorch's: pytorch.json. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { type Device, grad, type Tensor, tensor, tensorScope, where } from '../../core/index.ts';
import { opTable } from '../../core/op.ts';
import * as ops from '../../core/ops/index.ts';
import { devicesUnderTest } from '../devices.ts';

interface Row {
  readonly y: string;
  /** By each argument. */
  readonly gradients: readonly string[];
}
interface Deviation {
  readonly row: string;
  readonly at: readonly string[];
  readonly of: string;
  readonly ours: readonly number[];
  /** PyTorch's value is right, too. */
  readonly sometimes?: boolean;
  readonly why: string;
}
const table = JSON.parse(readFileSync(new URL('./pytorch.json', import.meta.url), 'utf8')) as {
  readonly deviations: readonly Deviation[];
  readonly points: string;
  readonly unary: Readonly<Record<string, Row>>;
  readonly binary: Readonly<Record<string, Row>>;
};

const words = table.points.split(' ');
const number = (word: string): number => Math.fround(Number(word.replace('inf', 'Infinity').replace('nan', 'NaN')));
const places = {
  unary: words.map((word) => [word]),
  binary: words.flatMap((a) => words.map((b) => [a, b])),
};

/** 'clamp -1 1' → x ↦ clamp(x, −1, 1) */
function functionOf(row: string): (...xs: Tensor[]) => Tensor {
  const [name, ...options] = row.split(' ');
  const op = new Map<string, unknown>(Object.entries(ops)).get(name) as (...args: (Tensor | number)[]) => Tensor;
  return name === 'where' ? (a, b) => where(a, a, b) : (...xs) => op(...xs, ...options.map(Number));
}

/**
 * Shader compilers may assume that there are no NaN and infinities, GPUs count subnormal numbers as 0, and their own sin,
 * cos and acos are off by up to 1e-4.
 */
const isGpu = ({ name }: Device): boolean => !['reference', 'cpu', 'webasm'].includes(name);
const isNormal = (x: number): boolean => x === 0 || (Number.isFinite(x) && Math.abs(x) > 1e-37);
const driversOwn = ['sin', 'cos', 'acos'];

/** What differs from PyTorch, as sentences. */
async function differences(row: string, kind: 'unary' | 'binary', device: Device): Promise<string[]> {
  using _ = tensorScope();
  const want = table[kind][row];
  const taken = places[kind].map((place) => place.map(number));
  const xs = taken[0].map((_, k) => tensor(taken.map((place) => place[k]), undefined, { device })); // biome-ignore format: one thought
  const y = functionOf(row)(...xs);
  const seed = tensor(new Float32Array(y.size).fill(1), y.shape, { device });
  const results = [y, ...grad(y, xs, { seed })];
  const found: string[] = [];
  for (const [k, result] of results.entries()) {
    const got = Array.from(await result.data(), Math.fround);
    const of = k === 0 ? 'y' : `gradient ${k - 1}`;
    const wanted = (k === 0 ? want.y : want.gradients[k - 1]).split(' ').map(number);
    for (const [i, w] of wanted.entries()) {
      const at = places[kind][i].join(' ');
      const unspecified = isGpu(device) && ![...taken[i], w].every(isNormal);
      const beyond = isGpu(device) && driversOwn.includes(row) && Math.abs(taken[i][0]) > 1e4;
      if (unspecified || beyond) continue;
      const near = (value: number) => agrees(got[i], value, isGpu(device) && driversOwn.includes(row) ? 2e-4 : 4e-7);
      const other = table.deviations.find((d) => d.row === row && d.of === of && d.at.includes(at));
      if (other ? near(other.ours[other.at.indexOf(at)]) || (other.sometimes && near(w)) : near(w)) continue;
      found.push(`${of} at ${at}: ${got[i]}, PyTorch ${w}`);
    }
  }
  return found;
}

/** Equal, or near: float32 functions differ by some units in the last place. Zeros of both signs are equal. */
const agrees = (got: number, want: number, absolute: number): boolean =>
  Object.is(got, want) || Math.abs(got - want) <= 2e-5 * Math.abs(want) + absolute;

test('every elementwise op is in the table, except those that others are made of', () => {
  const rows = [...Object.keys(table.unary), ...Object.keys(table.binary)].map((row) => row.split(' ')[0]);
  const formulas = [...opTable].flatMap(([name, { formula }]) => (formula ? [name] : []));
  const parts = ['upperShare', 'rsqrtPlus', 'inverseNorm'];
  assert.deepEqual(formulas.filter((name) => !rows.includes(name)).sort(), parts.sort());
});

for (const { name, device } of await devicesUnderTest()) {
  for (const kind of ['unary', 'binary'] as const) {
    for (const row of Object.keys(table[kind])) {
      test(`${name}: ${row} at special values as PyTorch`, async () => {
        assert.deepEqual(await differences(row, kind, device), []);
      });
    }
  }
}
