/** 10,000 ops on tensors that live for random times: no value is freed before its use, and nothing piles up. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { GpuJsDevice } from '../../core/gpu/device.ts';
import * as T from '../../core/index.ts';
import { openOrSkip } from '../devices.ts';

const OPS = 10_000;
const POOL = 40;
const WIDTH = 6;

/** An op and what it does to one value. */
const ops: [run: (a: T.Tensor, b: T.Tensor) => T.Tensor, plain: (a: number, b: number) => number][] = [
  [(a, b) => T.sub(a, b), (a, b) => a - b],
  [(a, b) => T.maximum(a, T.mul(b, 0.5)), (a, b) => Math.max(a, b * 0.5)],
  [(a) => T.clamp(T.add(a, 0.25), -4, 4), (a) => Math.min(Math.max(a + 0.25, -4), 4)],
  [(a, b) => T.where(T.less(a, b), a, T.neg(b)), (a, b) => (a < b ? a : -b)],
];

for (const name of ['webasm', 'gpujs-cpu', 'webgpu']) {
  const device = (await openOrSkip(name)) as GpuJsDevice | undefined;
  if (!device) continue;

  test(`${name}: ${OPS} ops with random lifetimes`, async () => {
    const rng = new T.Rng(7);
    const make = () => {
      const values = rng.uniforms(WIDTH, -1, 1);
      return { tensor: T.tensor(values, [WIDTH], { device }), values };
    };
    const pool = Array.from({ length: POOL }, make);
    const reads: { got: Promise<ArrayLike<number>>; want: Float32Array }[] = [];
    let kernels = 0;
    for (let i = 0; i < OPS; i++) {
      const [a, b] = [pool[rng.int(POOL)]!, pool[rng.int(POOL)]!];
      const [run, plain] = ops[rng.int(ops.length)]!;
      const y = {
        tensor: T.tidy(() => run(a.tensor, b.tensor)),
        values: a.values.map((x, j) => plain(x, b.values[j]!)),
      };
      const dying = rng.int(POOL); // often a or b itself, whose kernel has not run yet
      if (rng.uniform() < 0.01) reads.push({ got: pool[dying]!.tensor.data(), want: pool[dying]!.values });
      pool[dying]!.tensor.dispose();
      pool[dying] = y;
      if (i % 500 === 0) await device.sync(); // a training step reads its loss about as often
      if (i === OPS / 10) kernels = device.stats().kernels;
    }
    for (const { tensor, values } of pool) reads.push({ got: tensor.data(), want: values });
    for (const { got, want } of reads) {
      const values = await got;
      for (const [j, w] of want.entries())
        assert.ok(Math.abs(values[j]! - w) < 1e-4, `expected ${w}, got ${values[j]}`);
    }
    assert.equal(device.stats().live, POOL);
    assert.equal(device.stats().kernels, kernels);
    assert.ok(device.stats().launches > OPS);
    for (const { tensor } of pool) tensor.dispose();
    assert.equal(device.stats().live, 0);
    assert.deepEqual(T.memory(), { tensors: 0, bytes: 0 });
    await device.close();
  });
}
