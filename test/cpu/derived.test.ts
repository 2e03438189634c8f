/** Weights packed before: they follow their values, and are given back with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuDevice } from '../../core/cpu/device.ts';
import {
  defaultDevice,
  defineUpdate,
  linear,
  matmul,
  noGrad,
  Rng,
  randn,
  setDefaultDevice,
  tidy,
} from '../../core/index.ts';

const grow = defineUpdate('grow by', ['w'], [], ['amount'], { w: 'w + amount' });

test('products with frozen weights are the same at every use, and follow the weights when they change', async () => {
  const before = defaultDevice();
  const device = new CpuDevice({ threads: 2 });
  await device.sync();
  setDefaultDevice(device);
  try {
    const rng = new Rng(1);
    const [x, w] = [randn([9, 70], rng), randn([130, 70], rng)];
    const product = () => Array.from(noGrad(() => tidy(() => linear(x, w))).dataSync());
    const exact = () => {
      const [a, b] = [x.dataSync(), w.dataSync()];
      return Array.from({ length: 9 * 130 }, (_, i) => {
        let s = 0;
        for (let k = 0; k < 70; k++) s += a[Math.floor(i / 130) * 70 + k]! * b[(i % 130) * 70 + k]!;
        return s;
      });
    };
    const close = (got: readonly number[]) => {
      const want = exact();
      for (const [i, y] of got.entries()) assert.ok(Math.abs(y - want[i]!) < 1e-4, `${i}: ${y}, expected ${want[i]}`);
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
        assert.ok(Math.abs(value - x1[Math.floor(i / 40)]! * w1[i % 40]!) < 1e-5, `use ${use}, linear, ${i}`);
      });
      z.forEach((value, i) => {
        const want = Array.from(w1).reduce((sum, w, k) => sum + w * x40[i * 40 + k]!, 0);
        assert.ok(Math.abs(value - want) < 1e-4, `use ${use}, matmul, ${i}`);
      });
    }
    const used = device.memory.bytesInUse;
    for (const t of [x, w]) t.dispose();
    const panels = 4 * 136 * 70; // 130 columns in eights
    assert.ok(used - device.memory.bytesInUse >= 4 * (9 * 70 + 130 * 70) + panels, 'the panels go with the weights');
  } finally {
    setDefaultDevice(before);
    await device.close();
  }
});
