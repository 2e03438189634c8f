/** Ops on tensors with random lifetimes: no value is freed before its last use, and nothing leaks. */

import type { GpuJsDevice } from '../../core/gpu/device.ts';
import * as T from '../../core/index.ts';

const POOL = 40;
const WIDTH = 6;

/** An op and what it does to one value. */
const ops: [run: (a: T.Tensor, b: T.Tensor) => T.Tensor, plain: (a: number, b: number) => number][] = [
  [(a, b) => T.sub(a, b), (a, b) => a - b],
  [(a, b) => T.maximum(a, T.mul(b, 0.5)), (a, b) => Math.max(a, b * 0.5)],
  [(a) => T.clamp(T.add(a, 0.25), -4, 4), (a) => Math.min(Math.max(a + 0.25, -4), 4)],
  [(a, b) => T.where(T.less(a, b), a, T.neg(b)), (a, b) => (a < b ? a : -b)],
];

/** Runs `count` ops and compares with plain numbers. @throws Error for a wrong value, or handles or kernels that leak */
export async function stress(device: GpuJsDevice, count: number): Promise<void> {
  const rng = new T.Rng(7);
  const before = device.stats();
  const pool = Array.from({ length: POOL }, () => {
    const values = rng.uniforms(WIDTH, -1, 1);
    return { tensor: T.tensor(values, [WIDTH], { device }), values };
  });
  const reads: { got: Promise<ArrayLike<number>>; want: Float32Array }[] = [];
  let kernels = 0;
  for (let i = 0; i < count; i++) {
    const [a, b] = [pool[rng.int(POOL)], pool[rng.int(POOL)]];
    const [run, plain] = ops[rng.int(ops.length)];
    const tensor = T.tidy(() => run(a.tensor, b.tensor));
    const values = a.values.map((x, j) => plain(x, b.values[j]));
    const dying = rng.int(POOL); // often a or b itself, whose kernel has not run yet
    if (rng.uniform() < 0.01) reads.push({ got: pool[dying].tensor.data(), want: pool[dying].values });
    pool[dying].tensor.dispose();
    pool[dying] = { tensor, values };
    if (i % 500 === 0) await device.sync(); // a training step reads its loss about as often
    if (i === Math.floor(count / 10)) kernels = device.stats().kernels;
  }
  for (const { tensor, values } of pool) reads.push({ got: tensor.data(), want: values });
  for (const { got, want } of reads) {
    const values = await got;
    want.forEach((w, j) => {
      if (!(Math.abs(values[j] - w) < 1e-4)) throw new Error(`stress: expected ${w}, got ${values[j]}`);
    });
  }
  const after = device.stats();
  if (after.kernels !== kernels) throw new Error(`stress: expected ${kernels} kernels, got ${after.kernels}`);
  if (after.live !== before.live + POOL)
    throw new Error(`stress: expected ${POOL} new handles, got ${after.live - before.live}`);
  if (after.launches < before.launches + count)
    throw new Error(`stress: expected ${count} launches, got ${after.launches}`);
  for (const { tensor } of pool) tensor.dispose();
}
