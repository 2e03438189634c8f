/** Devices register themselves; a device of one's own needs only what titok-ts/core exports. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Device,
  DeviceError,
  defaultDevice,
  defineUpdate,
  deviceNames,
  grad,
  type Handle,
  type KernelCall,
  memory,
  metaDevice,
  numel,
  ones,
  openDevice,
  Rng,
  randn,
  registerDevice,
  runPasses,
  setDefaultDevice,
  tensor,
  tensorScope,
  to,
  withDevice,
  zeros,
} from '../../core/index.ts';

test('the default device is cpu, opened once', async () => {
  assert.equal(await openDevice('cpu'), defaultDevice());
  assert.equal(defaultDevice().name, 'cpu');
  assert.equal(await openDevice('cpu', { matmulPrecision: 'highest' }), defaultDevice());
  assert.notEqual(await openDevice('cpu', { threads: 1 }), defaultDevice());
});

test('names: those that are there, and errors for others', async () => {
  for (const name of ['cpu', 'reference', 'meta', 'webgpu', 'auto']) assert.ok(deviceNames().includes(name), name);
  await assert.rejects(openDevice('gpu'), { name: 'DeviceError', message: /expected one of cpu, .*, got 'gpu'/ });
  assert.throws(() => registerDevice('cpu', () => metaDevice), {
    name: 'DeviceError',
    message: "registerDevice: expected a new name, got 'cpu', which is taken.",
  });
});

test('a device that was closed or failed to open is opened anew; one that is opening is awaited', async () => {
  let count = 0;
  const make = (): Device & { usable: boolean } => ({ ...metaDevice, name: `lamp ${++count}`, usable: true });
  registerDevice('lamp', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (count === 0 && ++count) throw new DeviceError('lamp: expected a bulb, got none.');
    return make();
  });
  await assert.rejects(openDevice('lamp'), /expected a bulb/);
  const [first, second] = await Promise.all([openDevice('lamp'), openDevice('lamp')]);
  assert.equal(first, second);
  (first as { usable: boolean }).usable = false;
  assert.equal((await openDevice('lamp')).name, 'lamp 3');
});

test('a closed cpu device computes no more; the default one is opened anew', async () => {
  const closed = await openDevice('cpu', { threads: 1 });
  const x = tensor([1, 2], [2], { device: closed });
  await closed.close();
  for (const [op, f] of [
    ['upload', () => ones([1], { device: closed })],
    ['mul', () => x.mul(2)],
    ['update', () => defineUpdate('zero', ['x'], [], [], { x: '0' })({ x }, {})],
  ] as const)
    assert.throws(f, { name: 'DeviceError', message: `cpu: ${op} on a device that was closed. Open it again.` });
  assert.deepEqual(Array.from(x.dataSync()), [1, 2]);
  x.dispose();

  const before = defaultDevice();
  await before.close();
  assert.notEqual(defaultDevice(), before);
  assert.equal(await openDevice('cpu'), defaultDevice());
  assert.deepEqual(Array.from(ones([2]).add(1).dataSync()), [2, 2]);
});

/** Runs every op in plain JavaScript, and counts them. */
class CountingDevice implements Device {
  readonly name = 'counting';
  readonly synchronous = true;
  readonly threads = 1;
  readonly ops: string[] = [];

  upload(values: ArrayLike<number>): Handle {
    return Float32Array.from(values);
  }
  run(call: KernelCall): Handle {
    this.ops.push(call.op);
    const y = new Float32Array(numel(call.shape));
    runPasses(call, y, (ref) => ref.handle as Float32Array);
    return y;
  }
  read(handle: Handle): Float32Array {
    return (handle as Float32Array).slice();
  }
  free(): void {}
  async sync(): Promise<void> {}
  async close(): Promise<void> {}
}

test('a device from outside runs ops and gradients with the numbers of cpu', async () => {
  using _ = tensorScope();
  registerDevice('counting', () => new CountingDevice());
  const device = (await openDevice('counting')) as CountingDevice;
  const compute = (on: Device): number[][] => {
    const [x, w] = [randn([4, 3], new Rng(1), { device: on }), randn([3, 5], new Rng(2), { device: on })];
    const loss = x.matmul(w).gelu().softmax().square().sum();
    return [loss, ...grad(loss, [x, w])].map((t) => Array.from(t.dataSync()));
  };
  const [want, got] = [compute(defaultDevice()), compute(device)];
  for (const [i, values] of want.entries())
    for (const [j, w] of values.entries()) assert.ok(Math.abs(got[i][j] - w) < 1e-5, `${w} and ${got[i][j]}`);
  assert.ok(device.ops.includes('matmul') && device.ops.includes('softmax'));
});

test('what is no device is told: a name, or one that is not awaited', async () => {
  const opening = openDevice('reference');
  const users: Record<string, (device: Device) => unknown> = {
    setDefaultDevice,
    withDevice: (device) => withDevice(device, () => ones([1])),
    tensor: (device) => ones([1], { device }),
  };
  for (const [name, use] of Object.entries(users))
    for (const [wrong, got] of [['cpu', 'a string'], [opening, 'a Promise']] as const) // biome-ignore format: a list
      assert.throws(() => use(wrong as never), {
        name: 'DeviceError',
        message: `${name}: expected a device, got ${got}. Get one with await openDevice(name).`,
      });
  await assert.rejects(to(ones([1]), undefined as never), { name: 'DeviceError', message: /^to: .* got undefined/ });
  assert.equal(ones([1]).device.name, 'cpu');
  await opening;
});

test('withDevice makes tensors on another device, and restores the default also after an error', async () => {
  using _ = tensorScope();
  const reference = await openDevice('reference');
  assert.equal(withDevice(reference, () => ones([2])).device, reference);
  assert.throws(() => withDevice(reference, () => ones([-1])), /expected a shape of whole numbers/);
  assert.throws(
    () => withDevice(reference, async () => {}),
    /withDevice: expected a synchronous function, got a promise/,
  );
  assert.equal(ones([2]).device.name, 'cpu');
});

test('meta: ops compute shapes and check them, nothing is stored, and reading is an error', async () => {
  using _ = tensorScope();
  const before = memory();
  const rng = new Rng(1);
  const { state } = rng;
  const device = metaDevice;
  assert.equal(await openDevice('meta'), device);
  const x = randn([100_000, 100_000], rng, { device });
  assert.deepEqual(rng.state, state, 'no random numbers are drawn');
  const w = zeros([100_000, 7], { device });
  const y = x.matmul(w).softmax().sum(0);
  assert.deepEqual(y.shape, [7]);
  assert.deepEqual(
    grad(y.sum(), [x]).map((g) => g.shape),
    [[100_000, 100_000]],
  );
  assert.throws(() => x.matmul(x.reshape([10, -1])), /matmul: expected a \[m, k\] and b \[k, n\]/);
  assert.throws(() => tensor([1, 2], [3], { device }), /expected 3 values for shape \[3\], got 2/);
  w.assign(() => assert.fail('values that nobody stores are not made'));
  assert.equal(memory().bytes, before.bytes);
  const message = /^meta: expected a device that stores values, got a tensor on meta/;
  await assert.rejects(y.data(), { name: 'DeviceError', message });
  assert.throws(() => y.dataSync(), { name: 'DeviceError', message });
  await assert.rejects(y.item(), /item: expected a tensor with one element/);
});
