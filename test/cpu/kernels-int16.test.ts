/** Products with matmulPrecision 'high' against float64 sums, within the bound for errors of half a step per value. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuDevice } from '../../core/cpu/device.ts';
import { onX86 } from '../../core/cpu/platform.ts';
import {
  type Device,
  DeviceError,
  defaultDevice,
  defineUpdate,
  grad,
  linear,
  type MatmulPrecision,
  noGrad,
  openDevice,
  Rng,
  randn,
  setDefaultDevice,
  tidy,
} from '../../core/index.ts';
import { harness, randomValues, type Values } from './harness.ts';

const random = randomValues(1);

interface Product {
  readonly m: number;
  readonly depth: number;
  readonly n: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** Errors over ‖row of A‖ ‖column of B‖. */
function errors(a: Values, b: Values, y: Float32Array, { m, depth, n, transposeA, transposeB }: Product) {
  const found: number[] = [];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let [sum, rowSquares, columnSquares] = [0, 0, 0];
      for (let k = 0; k < depth; k++) {
        const left = a.data[transposeA ? k * m + i : i * depth + k];
        const right = b.data[transposeB ? j * depth + k : k * n + j];
        sum += left * right;
        rowSquares += left ** 2;
        columnSquares += right ** 2;
      }
      found.push(Math.abs(y[i * n + j] - sum) / Math.sqrt(rowSquares * columnSquares));
    }
  }
  const rms = Math.sqrt(found.reduce((s, e) => s + e ** 2, 0) / found.length);
  return { largest: found.reduce((x, y) => Math.max(x, y)), rms };
}
/** Rounding moves each value by half a unit at most, and 32,700 units are the norm of a block of 512. */
const bound = (depth: number) => Math.sqrt(depth) / 32_000;

/** Large enough that float32 is not faster, with lines and depths that fill no panel. */
const SIZES: readonly [m: number, depth: number, n: number][] = [
  [128, 128, 128], [129, 131, 133], [70, 513, 90], [300, 100, 67], [97, 257, 129], [65, 1100, 150], [258, 63, 201],
  [29, 300, 310], [310, 290, 27],
]; // biome-ignore format: a table

for (const { how, ...options } of [
  { how: 'no fused multiply-add', fma: false },
  { how: 'three shares', threads: 3 },
  { how: 'two shares, rounded before', threads: 2, caches: true },
]) {
  test(`all transposes: ${how}`, () => {
    const { run } = harness({ ...options, matmulPrecision: 'high' });
    for (const [m, depth, n] of SIZES)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true]) {
          const a = random(transposeA ? [1, depth, m] : [1, m, depth]);
          const b = random(transposeB ? [1, n, depth] : [1, depth, n]);
          const y = run('matmul', [1, m, n], a, b, { transposeA, transposeB });
          const { largest, rms } = errors(a, b, y, { m, depth, n, transposeA, transposeB });
          const what = `${[m, depth, n, transposeA, transposeB]}`;
          assert.ok(largest < bound(depth) && rms < 1.5e-5, `${what}: ${largest}, ${rms}`);
          assert.ok(rms > 1e-6, `${[m, depth, n]}: float32 was used`);
        }
  });
}

test('linear and linears add their biases', () => {
  const [m, depth, n] = [131, 130, 132];
  for (const caches of [false, true]) {
    const { run } = harness({ caches, matmulPrecision: 'high' });
    const [x, v, w, c, d] = [random([m, depth]), random([n, depth]), random([n, depth]), random([n]), random([n])];
    const without = (y: Float32Array, bias: Values) => y.map((value, i) => value - bias.data[i % n]);
    const product = { m, depth, n, transposeB: true };
    assert.ok(errors(x, v, without(run('linear', [m, n], x, v, c), c), product).largest < bound(depth));
    const both = run('linears', [m, 2 * n], x, v, w, c, d);
    for (const [i, [weight, bias]] of [[v, c] as const, [w, d] as const].entries()) {
      const part = both.filter((_, at) => Math.floor((at % (2 * n)) / n) === i);
      assert.ok(errors(x, weight, without(part, bias), product).largest < bound(depth));
    }
  }
});

const LAYOUTS = [
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
];

test('sums that Cauchy and Schwarz allow to be largest do not overflow', () => {
  const { run } = harness({ matmulPrecision: 'high' });
  const [m, depth, n] = [64, 1200, 64];
  const patterns: ((k: number) => number)[] = [
    () => 1,
    () => -3e4,
    (k) => (k % 7 === 0 ? 1e9 : 1e-9),
    (k) => (k % 2 ? 1 : -1),
  ];
  for (const layout of LAYOUTS)
    for (const pattern of patterns)
      for (const sign of [1, -1]) {
        const { transposeA, transposeB } = layout;
        const a = random(transposeA ? [1, depth, m] : [1, m, depth], (_, i) =>
          pattern(transposeA ? Math.floor(i / m) : i % depth),
        );
        const b = random(
          transposeB ? [1, n, depth] : [1, depth, n],
          (_, i) => sign * pattern(transposeB ? i % depth : Math.floor(i / n)),
        );
        const { largest } = errors(a, b, run('matmul', [1, m, n], a, b, layout), { m, depth, n, ...layout });
        assert.ok(largest < bound(512), `${pattern} ${sign} ${transposeA}: ${largest}`);
        assert.ok(largest > 1e-6, `${pattern}: float32 was used`);
      }
});

test('small rows keep their digits, zeros stay, NaN and infinity spoil their row, the tiniest values are 0', () => {
  const { run } = harness({ matmulPrecision: 'high' });
  const [m, depth, n] = [128, 128, 130];
  const [zeros, nan, infinite, small, tiny] = [2, 3, 5, 7, 11];
  const scales = new Map([
    [zeros, 0],
    [small, 1e-6],
    [tiny, 1e-22],
  ]);
  for (const layout of LAYOUTS) {
    const { transposeA } = layout;
    const place = (i: number) => (transposeA ? [i % m, Math.floor(i / m)] : [Math.floor(i / depth), i % depth]);
    const a = random(transposeA ? [1, depth, m] : [1, m, depth], (value, i) => {
      const [row, k] = place(i) as [number, number];
      if (k === 9 && (row === nan || row === infinite)) return row === nan ? NaN : Infinity;
      return value * (scales.get(row) ?? 1e6);
    });
    const b = random(layout.transposeB ? [1, n, depth] : [1, depth, n]);
    const y = run('matmul', [1, m, n], a, b, layout);
    for (let row = 0; row < m; row++) {
      const values = y.slice(row * n, (row + 1) * n);
      if (row === nan || row === infinite)
        assert.ok(
          values.every((value) => !Number.isFinite(value)),
          `row ${row}`,
        );
      else if (row === zeros || row === tiny)
        assert.ok(
          values.every((value) => value === 0),
          `row ${row}`,
        );
      else {
        const line = { shape: [1, depth], data: a.data.filter((_, i) => place(i)[0] === row) };
        const { largest } = errors(line, b, values, { m: 1, depth, n, transposeB: layout.transposeB });
        assert.ok(largest < bound(depth), `row ${row}: ${largest}`);
      }
    }
  }
});

const open = async (threads: number, matmulPrecision: MatmulPrecision): Promise<Device> => {
  const device = new CpuDevice({ threads, matmulPrecision });
  await device.sync();
  return device;
};
const on = <T>(device: Device, body: () => T): T => {
  const before = defaultDevice();
  setDefaultDevice(device);
  try {
    return body();
  } finally {
    setDefaultDevice(before);
  }
};

test('x86 is detected', () => assert.equal(onX86(), ['x64', 'ia32'].includes(process.arch)));

test('the device of a precision is opened once, and float32 is the default', async () => {
  const [plain, highest, high] = [{}, { matmulPrecision: 'highest' }, { matmulPrecision: 'high' }] as const;
  const [a, b, c, d] = await Promise.all([plain, highest, high, high].map((options) => openDevice('cpu', options)));
  assert.equal(a, b);
  assert.equal(c, d);
  assert.notEqual(a, c);
  assert.equal(a.matmulPrecision, 'highest');
  await c.close();
  const reopened = await openDevice('cpu', high);
  assert.notEqual(reopened, c);
  await reopened.close();
});

test('an unknown precision throws', () => {
  assert.throws(
    () => new CpuDevice({ matmulPrecision: 'medium' as MatmulPrecision }),
    (error) => {
      assert.ok(error instanceof DeviceError);
      assert.match(error.message, /expected matmulPrecision highest or high, got 'medium'/);
      return true;
    },
  );
});

test("values and gradients: close to float32's, the same with any threads, and of the current weights", async () => {
  const grow = defineUpdate('grow', ['w'], [], ['amount'], { w: 'w + amount' });
  const run = () => {
    const rng = new Rng(1);
    const [x, w, bias] = [randn([70, 300], rng), randn([130, 300], rng), randn([130], rng)];
    const all = () => {
      const forward = noGrad(() => tidy(() => linear(x, w, bias))).dataSync();
      const grads = grad(linear(x, w, bias).square().mean(), [x, w, bias]);
      return [forward, ...grads.map((g) => g.dataSync())].map((values) => Array.from(values));
    };
    const before = [all(), all(), all()].flat();
    grow({ w }, { amount: 0.5 });
    return [...before, ...all(), ...all()];
  };
  const devices = [await open(1, 'highest'), await open(1, 'high'), await open(2, 'high')];
  const [exact, one, two] = devices.map((device) => on(device, run));
  assert.deepEqual(one, two);
  for (const [i, values] of exact.entries()) {
    const scale = Math.sqrt(values.reduce((s, v) => s + v ** 2, 0) / values.length);
    const apart = Math.sqrt(values.reduce((s, v, j) => s + (v - one[i][j]) ** 2, 0) / values.length) / scale;
    assert.ok(apart < 5e-4, `array ${i}: ${apart} apart`);
    if (onX86() && i % 4 !== 3) assert.ok(apart > 1e-6, `array ${i}: float32 was used`); // the bias has no product
  }
  for (const device of devices) await device.close();
});
