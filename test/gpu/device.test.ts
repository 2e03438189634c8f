/** gpu.js devices: order of launches, errors that stay with their tensor, packing, bounded caches. Values: parity.test.ts. */
import assert from 'node:assert/strict';
import test, { after, type TestContext } from 'node:test';
import { pickDevice } from '../../core/gpu/auto.ts';
import type { GpuJsDevice } from '../../core/gpu/device.ts';
import { loadGpuJs } from '../../core/gpu/gpujs.ts';
import * as T from '../../core/index.ts';
import { type Device, DeviceError, openDevice, type Tensor, tensor } from '../../core/index.ts';
import { opTable } from '../../core/op.ts';
import { ReferenceDevice } from '../../core/reference.ts';
import { AdamW, clipCoefficient, Ema, globalNorm } from '../../nn/index.ts';
import { standardize } from '../core/ops/unfused.ts';
import { openOrSkip } from '../devices.ts';

const list = async (t: Tensor): Promise<number[]> => Array.from(await t.data());

for (const name of ['webasm', 'gpujs-cpu', 'webgpu']) {
  const opened = await openOrSkip(name);
  if (!opened) continue;
  const device = opened as GpuJsDevice;
  const on = (values: number[], shape?: T.Shape): Tensor => tensor(values, shape, { device });

  test(`${name}: says what runs, and is opened once`, async () => {
    assert.equal(device.name, name);
    assert.equal(await openDevice(name), device);
    assert.throws(() => on([1]).dataSync(), /dataSync: expected a synchronous device .* Use 'await t.data\(\)'/);
  });

  test(`${name}: empty tensors and tensors with one element`, async () => {
    const empty = T.zeros([0, 3], { device });
    assert.deepEqual(await list(T.exp(empty)), []);
    assert.deepEqual(await list(T.sum(empty, 0)), [0, 0, 0]);
    assert.deepEqual(await list(T.matmul(T.zeros([2, 0], { device }), empty)), [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(await list(T.concat([empty, on([1, 2, 3], [1, 3])])), [1, 2, 3]);
    assert.deepEqual(await list(T.add(on([2], []), 3)), [5]);
    assert.equal(await T.mul(on([2]), on([4], [1])).item(), 8);
  });

  test(`${name}: a tensor may be freed as soon as it was used, and an array overwritten once it was uploaded`, async () => {
    const values = Float32Array.of(1, 2, 3);
    const x = tensor(values, [3], { device });
    values.fill(99);
    const y = T.mul(x, 2);
    const read = x.data();
    x.dispose();
    const z = T.add(y, 1);
    y.dispose();
    assert.deepEqual(Array.from(await read), [1, 2, 3]);
    assert.deepEqual(await list(z), [3, 5, 7]);
    assert.throws(() => T.add(y, 1), DeviceError);
  });

  test(`${name}: assign takes values from a tensor of the same device`, async () => {
    const [p, x] = [on([1, 2]), on([3, 4])];
    p.assign(T.mul(x, 10));
    x.dispose();
    assert.deepEqual(await list(p), [30, 40]);
    assert.deepEqual(await list(p.assign([5, 6])), [5, 6]);
  });

  test(`${name}: updates in place see the new values of targets before them`, async () => {
    const step = T.defineUpdate(`step on ${name}`, ['m', 'p'], ['g'], ['rate'], { m: 'm + g', p: 'p - rate * m' });
    const [m, p] = [on([1, 1]), on([5, 5])];
    step({ m, p, g: on([2, 3]) }, { rate: 0.5 });
    assert.deepEqual(
      [await list(m), await list(p)],
      [
        [3, 4],
        [3.5, 3],
      ],
    );
  });

  test(`${name}: packed tensors share one array, and each goes on as a tensor of its own`, async () => {
    const before = device.stats();
    const parts = Array.from({ length: 20 }, (_, i) => on([i, i + 0.5], [1, 2]));
    const [whole] = T.pack(parts) as [Tensor];
    assert.deepEqual(
      await list(whole),
      parts.flatMap((_, i) => [i, i + 0.5]),
    );
    const launched = async (f: () => Tensor[]) => {
      await device.sync();
      const { launches } = device.stats();
      const made = f();
      await device.sync();
      return { made, launches: device.stats().launches - launches };
    };
    const again = await launched(() => T.pack(parts));
    assert.equal(again.launches, 0);
    const turned = await launched(() => T.pack([...parts].reverse()));
    assert.equal(turned.launches, 1); // pieces of one array, whatever their order
    assert.deepEqual((await list(turned.made[0])).slice(0, 4), [19, 19.5, 18, 18.5]);
    whole.dispose();
    assert.deepEqual(await list(parts[7]), [7, 7.5]); // its array lives as long as any piece
    const product = T.tidy(() => T.matmul(parts[3], parts[4], { transposeB: true }));
    assert.deepEqual(await list(product), [3 * 4 + 3.5 * 4.5]);
    const ids = tensor([1, 0, 1], [3], { device, dtype: 'int32' });
    const rows = T.tidy(() => T.embedding(T.reshape(parts[9], [2, 1]), ids));
    assert.deepEqual(await list(rows), [9.5, 9, 9.5]);
    parts[5].assign([-1, -2]);
    const [mended] = T.pack(parts) as [Tensor];
    assert.deepEqual((await list(mended)).slice(8, 14), [4, 4.5, -1, -2, 6, 6.5]);
    for (const t of [...parts, ...again.made, ...turned.made, mended, product, ids, rows]) t.dispose();
    assert.deepEqual([device.stats().bytes, device.stats().live], [before.bytes, before.live]);
  });

  test(`${name}: packed tensors moved, but have the values that a loss was computed from`, async () => {
    using _ = T.tensorScope();
    const params = { a: on([1, 2]), b: on([3]) };
    const loss = T.square(params.a).sum().add(T.square(params.b).sum());
    assert.ok(Math.abs((await globalNorm(Object.values(params)).item()) - Math.sqrt(14)) < 1e-6);
    const { a, b } = T.grad(loss, params);
    assert.deepEqual([await list(a), await list(b)], [[2, 4], [6]]);
    new AdamW({ params }).step({ a, b });
    assert.throws(() => T.grad(loss, params), /overwritten since/);
  });

  test(`${name}: an optimizer step takes few launches, however many parameters, with the numbers of cpu`, async () => {
    const shapes = Array.from({ length: 40 }, (_, i): T.Shape => (i % 3 === 0 ? [3, i + 1] : [i + 1]));
    const train = async (device: Device) => {
      const rng = new T.Rng(11);
      const dict = () => Object.fromEntries(shapes.map((s, i) => [`w${i}`, T.randn(s, rng, { device })]));
      const params = dict();
      const adam = new AdamW({ params, weightDecay: 0.1, lr: 0.1 });
      const ema = new Ema(params, { decay: 0.5 });
      let launches = 0;
      for (let t = 0; t < 4; t++) {
        const grads = dict();
        await device.sync();
        const start = (device as Partial<GpuJsDevice>).stats?.().launches ?? 0;
        T.tidy(() => adam.step(grads, { scale: clipCoefficient(globalNorm(Object.values(grads)), 1) }));
        ema.update();
        await device.sync();
        launches = ((device as Partial<GpuJsDevice>).stats?.().launches ?? 0) - start;
        for (const g of Object.values(grads)) g.dispose();
        if (t === 1) adam.loadStateDict(await saved(adam)); // separate arrays again
      }
      const values = await Promise.all([...Object.values(params), ...Object.values(ema.shadow)].map(list));
      const tensors = [params, adam.exp_avg, adam.exp_avg_sq, ema.shadow].flatMap((d) => Object.values(d));
      for (const t of tensors) t.dispose();
      return { values, launches };
    };
    const saved = async (adam: AdamW) => {
      const { step, tensors } = adam.stateDict();
      const entries = Object.entries(tensors).map(async ([k, t]) => [k, { shape: t.shape, data: await t.data() }]);
      return { step, tensors: Object.fromEntries(await Promise.all(entries)) };
    };
    const [want, got] = [await train(await openDevice('cpu')), await train(device)];
    for (const [i, values] of want.values.entries())
      for (const [j, w] of values.entries()) {
        assert.ok(Math.abs(got.values[i][j] - w) < 1e-5, `${i}, ${j}: ${w} and ${got.values[i][j]}`);
      }
    // pack 8, norm 4, clip 3, twice pack 1 and update 3, average 2
    assert.ok(got.launches <= 25, `expected at most 25 launches, got ${got.launches}`);
  });

  test(`${name}: products with four columns per thread and with one are those of cpu`, async () => {
    const cpu = await openDevice('cpu');
    for (const [m, k, n] of [
      [64, 5, 64],
      [64, 5, 66],
    ] as const) {
      for (const [transposeA, transposeB] of [
        [false, false],
        [true, false],
        [false, true],
      ] as const) {
        const product = (device: Device) => {
          const values = (shape: T.Shape, seed: number) => T.randn(shape, new T.Rng(seed), { device });
          const a = values(transposeA ? [2, k, m] : [2, m, k], 1);
          const b = values(transposeB ? [n, k] : [k, n], 2);
          const y = T.matmul(a, b, { transposeA, transposeB });
          return T.add(y, transposeB ? T.linear(a, b, values([n], 3)) : 0); // a kernel that reads it on
        };
        const [want, got] = [await list(product(cpu)), await list(product(device))];
        for (const [i, w] of want.entries()) assert.ok(Math.abs(got[i] - w) < 1e-4, `${i}: ${w}, ${got[i]}`);
      }
    }
  });

  test(`${name}: a kernel is compiled once per op and shape, whatever its scalars`, async () => {
    await T.mul(on([1, 2, 3, 4, 5]), 2).data();
    const { kernels, launches } = device.stats();
    assert.deepEqual(await list(T.mul(on([1, 2, 3, 4, 5]), 2.5)), [2.5, 5, 7.5, 10, 12.5]);
    assert.equal(device.stats().kernels, kernels);
    assert.equal(device.stats().launches, launches + 2); // upload and mul
  });

  test(`${name}: evicted kernels leave their results readable and are compiled again`, async () => {
    const x = on([1, 2, 3]);
    const y = T.exp(T.neg(x));
    device.evict();
    assert.equal(await device.sync(), undefined);
    assert.equal(device.stats().kernels, 0);
    const before = await list(y);
    assert.ok(Math.abs(before[0] - Math.exp(-1)) < 1e-6);
    assert.deepEqual(await list(T.exp(T.neg(x))), before);
  });

  test(`${name}: long sums are taken in chunks`, async () => {
    const [A, N, B] = [2, 1501, 3];
    const x = Float32Array.from({ length: A * N * B }, (_, i) => Math.sin(i));
    const want = new Array<number>(A * B).fill(0);
    for (const [i, v] of x.entries()) want[Math.floor(i / (N * B)) * B + (i % B)] += v;
    const t = tensor(x, [A, N, B], { device });
    const { launches } = device.stats();
    const rows = await list(T.sum(t, 1));
    for (const [i, w] of want.entries()) assert.ok(Math.abs(rows[i] - w) < 1e-4, `expected ${w}, got ${rows[i]}`);
    assert.equal(device.stats().launches, launches + 3); // the upload, which had not run yet, and two passes
    assert.ok(Math.abs((await T.sum(t).item()) - want.reduce((a, b) => a + b)) < 1e-3);
  });

  test(`${name}: the same holds for norms of long rows and their gradients`, async () => {
    const x = tensor(new T.Rng(3).normals(2 * 1501), [2, 1501], { device });
    const [gain, bias] = [T.ones([1501], { device }), T.zeros([1501], { device })];
    const u = tensor(new T.Rng(4).normals(2 * 1501), [2, 1501], { device });
    const fused = T.layerNorm(x, gain, bias, 1e-3);
    const composite = standardize(x, -1, 1e-3);
    for (const [a, b] of [
      [fused, composite],
      [T.grad(fused, [x], { seed: u })[0], T.grad(composite, [x], { seed: u })[0]],
    ] as const) {
      const want = await list(b);
      for (const [i, v] of (await list(a)).entries()) assert.ok(Math.abs(v - want[i]) < 1e-4, `${v}, ${want[i]}`);
    }
  });

  test(`${name}: statistics of rows are worked out once, and go with their array`, async () => {
    const before = device.stats();
    const [x, g] = [1, 2].map((seed) => tensor(new T.Rng(seed).normals(4 * 32), [4, 32], { device })) as [
      Tensor,
      Tensor,
    ];
    const [gain, bias] = [T.ones([32], { device }), T.zeros([32], { device })];
    await device.sync();
    device.resetProfile();
    const launches = () => device.profile().map(({ op, launches }) => `${op} ${launches}`);
    const y = T.layerNorm(x, gain, bias);
    await device.sync();
    assert.deepEqual(launches(), ['layerNorm 2']);
    const dx = T.grad(y, [x], { seed: g })[0];
    await device.sync();
    assert.ok(launches().includes('layerNormGrad 2'), 'means of d and d · xhat, and the result');
    const softer = T.layerNorm(x, gain, bias, 1);
    assert.ok(Math.abs((await list(softer))[0] - (await list(y))[0]) > 1e-3, 'another eps, other statistics');
    for (const t of [x, g, gain, bias, y, dx, softer]) t.dispose();
    await device.sync();
    assert.deepEqual([device.stats().bytes, device.stats().live], [before.bytes, before.live]);
  });

  test(`${name}: profile counts launches by op and shape`, async () => {
    await device.sync();
    device.resetProfile();
    await T.softmax(on([1, 2, 3, 4], [2, 2])).data();
    const softmax = device.profile().find((row) => row.op === 'softmax');
    assert.deepEqual([softmax?.shape, softmax?.launches], ['[2, 2]', 2]);
    assert.ok(softmax!.hostMs > 0);
  });

  test(`${name}: an error names its op, stays with its tensor and those made from it`, async () => {
    const broken = T.elementwise<[x: T.Operand]>(`broken on ${name}`, '(x) => x + 1');
    opTable.delete(`broken on ${name}`);
    const x = on([1, 2]);
    const tooMany = device.run({
      op: 'hungry',
      shape: [2],
      args: Array(8).fill({ handle: x.storage.handle, shape: [2] }),
      passes: () => [
        {
          out: [2],
          inputs: Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`a${i}`, i])),
          body: 'return a0[this.thread.x];',
        },
      ],
    });
    const next = device.run({
      op: 'next',
      shape: [2],
      args: [{ handle: tooMany, shape: [2] }],
      passes: () => [{ out: [2], inputs: { a: 0 }, body: 'return a[this.thread.x];' }],
    });
    const expected = {
      name: 'DeviceError',
      message: `${name}: hungry [2]: expected at most 7 arrays in a kernel, got 8.`,
    };
    await assert.rejects(device.read(next, 2), expected);
    await assert.rejects(device.read(tooMany, 2), expected);
    assert.deepEqual(await list(broken(x)), [2, 3]);
    device.free(tooMany);
    device.free(next);
    assert.throws(() => device.free(next), /next \[2\] were freed/);
  });

  test(`${name}: a source that gpu.js cannot run is an error, never a fallback`, async () => {
    const odd = device.run({
      op: 'odd',
      shape: [1],
      args: [],
      passes: () => [{ out: [1], inputs: {}, body: 'return nobody(1.0);' }],
    });
    await assert.rejects(
      device.read(odd, 1),
      (e: Error) => e instanceof DeviceError && e.message.startsWith(`${name}: odd [1]: `),
    );
    device.free(odd);
  });

  test(`${name}: a result beyond the device's limit names op and limit`, async () => {
    const huge = T.expand(on([1], [1, 1]), [2 ** 15, 2 ** 15]);
    await assert.rejects(
      huge.data(),
      new RegExp(
        `${name}: expand \\[32768, 32768\\]: expected at most \\d+ values in one array \\(.*\\), got 1073741824`,
      ),
    );
    huge.dispose();
  });
}

/** WebGPU, or a skip that says why it is absent; any other error fails the test. */
async function webgpuOrSkip(t: TestContext): Promise<Device | undefined> {
  try {
    return await openDevice('webgpu');
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    t.skip(error.message);
    return undefined;
  }
}

test('webgpu: large results, and more layers of threads than one launch has', async (t) => {
  const device = await webgpuOrSkip(t);
  if (!device) return;
  const large = await T.expand(tensor([7], [1], { device }), [2 ** 22 + 5]).data();
  assert.deepEqual([large.length, large[0], large.at(-1)], [2 ** 22 + 5, 7, 7]);
  const layers = await T.permute(
    tensor(
      Float32Array.from({ length: 70_000 * 4 }, (_, i) => i),
      [2, 70_000, 2],
      { device },
    ),
    [1, 2, 0],
  ).data();
  for (const i of [0, 1, 2, 3, 4 * 65_535, 4 * 69_999 + 3]) {
    assert.equal(layers[i], (i % 2) * 140_000 + Math.floor(i / 4) * 2 + (Math.floor(i / 2) % 2));
  }
});

test('webgpu: running out of memory names the op and what is in use, and what is there stays usable', async (t) => {
  const device = await webgpuOrSkip(t);
  if (!device) return;
  const one = tensor([7], [1], { device });
  await one.data();
  const { device: gpu } = await (await loadGpuJs()).WebGPUContext.acquire();
  const { popErrorScope } = gpu;
  // stands for a device that is full: filling one for real would take this machine's memory
  gpu.popErrorScope = async () => {
    await popErrorScope.call(gpu);
    return new Error('no room');
  };
  const large = T.expand(one, [2 ** 22]);
  await assert.rejects(
    large.data(),
    /webgpu: expand \[4194304\]: out of memory with \d+\.\d MiB in its arrays \(no room\)\. Free tensors with tensorScope\(\), or make the batch smaller\./,
  );
  gpu.popErrorScope = popErrorScope;
  large.dispose();
  assert.equal(device.usable, true);
  assert.equal(await T.add(one, 1).item(), 8);
});

test('webgpu: losing the device is an error that names the op, and a new one can be opened', async (t) => {
  const device = await webgpuOrSkip(t);
  if (!device) return;
  const x = tensor([1, 2], [2], { device });
  await x.data();
  const { device: gpu } = await (await loadGpuJs()).WebGPUContext.acquire();
  gpu.destroy();
  await gpu.lost;
  await assert.rejects(T.exp(x).data(), /webgpu: exp \[2\]: the device was lost .* load the last checkpoint/);
  assert.equal(device.usable, false);
  const fresh = await openDevice('webgpu');
  assert.notEqual(fresh, device);
  assert.deepEqual(await list(T.add(tensor([1, 2], [2], { device: fresh }), 1)), [2, 3]);
  await fresh.close();
});

test('a device that is missing says what to install', async () => {
  await assert.rejects(openDevice('webgl2'), /webgl2: expected a browser with WebGL 2, got none. In Node use webgpu/);
  await assert.rejects(openDevice('vulkan'), /openDevice: expected one of cpu, .*reference.*, got 'vulkan'/);
});

test('auto picks the fastest device that is there and says why', async () => {
  class LateDevice extends ReferenceDevice {
    override read(handle: unknown, length: number): Float64Array {
      for (const start = performance.now(); performance.now() < start + 500; ); // beyond hope also where cpu is slowed down
      return super.read(handle, length);
    }
  }
  const found = new Map<string, Device>([
    ['cpu', await openDevice('cpu')],
    ['webgpu', new LateDevice()],
  ]);
  const choice = await pickDevice(async (name) => found.get(name)!);
  assert.equal(choice.device.name, 'cpu');
  assert.match(choice.why, /^auto: cpu\. 128³ matmul in ms: cpu [\d.]+, reference [\d.]+/);
  const alone = await pickDevice(async (name) => {
    if (name === 'cpu') return found.get(name)!;
    throw new DeviceError(`${name}: none here.`);
  });
  assert.match(alone.why, /Absent: webgpu: none here\./);
});

after(async () => {
  for (const name of ['webasm', 'gpujs-cpu']) await (await openDevice(name)).close();
});
