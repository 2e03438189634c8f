/** Cached values follow the tensors that they come from, and are freed with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuDevice } from '../../core/cpu/device.ts';
import {
  add,
  concat,
  defaultDevice,
  defineUpdate,
  linear,
  linears,
  matmul,
  noGrad,
  Rng,
  randn,
  setDefaultDevice,
  type Tensor,
  tidy,
} from '../../core/index.ts';
import { layerNormGrad, layerNormGradAffine } from '../../core/ops/layer-norm.ts';

const grow = defineUpdate('grow by', ['w'], [], ['amount'], { w: 'w + amount' });

async function onOwnDevice(body: (device: CpuDevice) => void): Promise<void> {
  const before = defaultDevice();
  const device = new CpuDevice({ threads: 2 });
  await device.sync();
  setDefaultDevice(device);
  try {
    body(device);
  } finally {
    setDefaultDevice(before);
    await device.close();
  }
}

test('products with frozen weights are the same at every use, and follow the weights when they change', () =>
  onOwnDevice((device) => {
    const rng = new Rng(1);
    const [x, w] = [randn([9, 70], rng), randn([130, 70], rng)];
    const product = () => Array.from(noGrad(() => tidy(() => linear(x, w))).dataSync());
    const exact = () => {
      const [a, b] = [x.dataSync(), w.dataSync()];
      return Array.from({ length: 9 * 130 }, (_, i) => {
        let s = 0;
        for (let k = 0; k < 70; k++) s += a[Math.floor(i / 130) * 70 + k] * b[(i % 130) * 70 + k];
        return s;
      });
    };
    const close = (got: readonly number[]) => {
      const want = exact();
      for (const [i, y] of got.entries()) assert.ok(Math.abs(y - want[i]) < 1e-4, `${i}: ${y}, expected ${want[i]}`);
    };
    for (let use = 0; use < 3; use++) close(product());
    grow({ w }, { amount: 1 });
    for (let use = 0; use < 3; use++) close(product());
    w.assign(new Float32Array(130 * 70).fill(0.5));
    for (let use = 0; use < 3; use++) close(product());
    // a weight of one column has the same steps as it is and transposed
    const [thin, one, wide] = [randn([40, 1], rng), randn([9, 1], rng), randn([9, 40], rng)];
    for (let use = 0; use < 3; use++) {
      const [y, z] = noGrad(() => [linear(one, thin).dataSync(), matmul(wide, thin).dataSync()]);
      const [w1, x1, x40] = [thin.dataSync(), one.dataSync(), wide.dataSync()];
      y.forEach((value, i) => {
        assert.ok(Math.abs(value - x1[Math.floor(i / 40)] * w1[i % 40]) < 1e-5, `use ${use}, linear, ${i}`);
      });
      z.forEach((value, i) => {
        const want = Array.from(w1).reduce((sum, w, k) => sum + w * x40[i * 40 + k], 0);
        assert.ok(Math.abs(value - want) < 1e-4, `use ${use}, matmul, ${i}`);
      });
    }
    const used = device.memory.bytesInUse;
    for (const t of [x, w]) t.dispose();
    const panels = 4 * 136 * 70; // 130 columns in eights
    assert.ok(used - device.memory.bytesInUse >= 4 * (9 * 70 + 130 * 70) + panels, 'the panels go with the weights');
  }));

test('projections with frozen weights are the same at every use, and follow each weight and bias', () =>
  onOwnDevice((device) => {
    const rng = new Rng(3);
    tidy(() => grow({ w: randn([1], rng) }, { amount: 1 })); // compiled, and its module stays
    const used = device.memory.bytesInUse;
    const weights = [randn([24, 70], rng), randn([24, 70], rng)];
    const biases = [randn([24], rng), randn([24], rng)];
    const parts = [...weights, ...biases];
    for (const rows of [9, 100]) {
      const x = randn([rows, 70], rng);
      const check = (when: string) => {
        const want = noGrad(() =>
          tidy(() =>
            concat(
              weights.map((w, i) => linear(x, w, biases[i])),
              -1,
            ).dataSync(),
          ),
        );
        for (let use = 0; use < 4; use++) {
          const got = noGrad(() => tidy(() => linears(x, weights, biases).dataSync()));
          want.forEach((value, i) => {
            assert.ok(Math.abs(got[i] - value) < 1e-4, `${rows} rows, ${when}, use ${use}, ${i}: ${got[i]}, ${value}`);
          });
        }
      };
      check('at first');
      for (const [i, w] of parts.entries()) {
        grow({ w }, { amount: 1 });
        check(`part ${i} changed`);
      }
      x.dispose();
    }
    for (const part of parts) part.dispose();
    assert.equal(device.memory.bytesInUse, used, 'all is given back');
  }));

test('the sums that come along with layer norm’s gradient follow what they are sums of', () =>
  onOwnDevice((device) => {
    const rng = new Rng(2);
    const size = [150, 70];
    const options = { eps: 1e-5 };
    const gain = randn([70], rng);
    const sums = (x: Tensor, g: Tensor) => tidy(() => Array.from(layerNormGradAffine(x, g, options).dataSync()));
    const check = (x: Tensor, g: Tensor, what: string) => {
      const alone = tidy(() => sums(add(x, 0), add(g, 0)));
      assert.deepEqual(sums(x, g), alone, what);
      tidy(() => void layerNormGrad(x, gain, g, options));
      assert.deepEqual(sums(x, g), alone, `${what}, after dx`);
    };
    noGrad(() => {
      tidy(() => grow({ w: gain.assign(add(gain, 0)) }, { amount: 1 })); // compiles the formulas
      const used = device.memory.bytesInUse;
      let [x, g] = [randn(size, rng), randn(size, rng)];
      check(x, g, 'first');
      grow({ w: g }, { amount: 1 });
      check(x, g, 'g changed');
      tidy(() => void x.assign(randn(size, rng)));
      check(x, g, 'x changed');
      for (const which of ['x', 'g'] as const) {
        const old = which === 'x' ? x : g;
        const at = old.storage.handle;
        old.dispose();
        const fresh = randn(size, rng);
        assert.equal(fresh.storage.handle, at, 'the case to test: other values at the same place');
        if (which === 'x') x = fresh;
        else g = fresh;
        check(x, g, `another ${which}`);
      }
      x.dispose();
      g.dispose();
      assert.equal(device.memory.bytesInUse, used, 'all is given back');
    });
  }));

test('a fill that throws leaves no memory behind', () =>
  onOwnDevice((device) => {
    const used = device.memory.bytesInUse;
    const fail = () => {
      throw new Error('no');
    };
    const key = { tensors: [0], name: 'values', floats: 100, keepFrom: 1 } as const;
    assert.throws(() => device.cached(key, fail), /^Error: no$/);
    assert.equal(device.memory.bytesInUse, used);
  }));
