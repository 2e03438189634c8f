/** What `defineOp` makes of a declaration, and how runs of ops are recorded and observed. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type KernelCall,
  noGrad,
  observeOps,
  ones,
  openDevice,
  type Tensor,
  tensor,
  tensorScope,
} from '../../core/index.ts';
import {
  defineOp,
  isRecording,
  lazily,
  makeOp,
  type Observation,
  type OpSpec,
  opTable,
  withRecording,
} from '../../core/op.ts';

const spec = (
  changes: Partial<OpSpec<[x: Tensor, by: number | null]>> = {},
): OpSpec<[x: Tensor, by: number | null]> => ({
  name: 'copy',
  shape: (x) => x,
  vjp: () => null,
  kernel: (y) => [{ out: [y[0]], inputs: { x: 0 }, body: 'return x[this.thread.x];' }],
  ...changes,
});

test('a name is declared once', () => {
  assert.throws(
    () => defineOp(spec({ name: 'add' })),
    /^Error: defineOp: expected a new name, got 'add', which is taken\.$/,
  );
  assert.notEqual(opTable.get('add')!.shape, spec().shape);
  const declared = spec({ name: 'copy of a test' });
  using _ = tensorScope();
  assert.deepEqual([...defineOp(declared)(tensor([1, 2]), 3).dataSync()], [1, 2]);
  assert.equal(opTable.get('copy of a test'), declared);
  opTable.delete('copy of a test');
  makeOp(spec({ name: 'apart' }));
  assert.ok(!opTable.has('apart'));
});

test('the device gets the arguments, the passes and the formula', async () => {
  using _ = tensorScope();
  const device = await openDevice('reference');
  const calls: KernelCall[] = [];
  const real = device.run;
  device.run = function (call) {
    calls.push(call);
    return real.call(this, call);
  };
  try {
    const x = tensor([4, 5], undefined, { device });
    const shapes: unknown[] = [];
    const copy = makeOp(
      spec({
        kernel: (y, x, by) => {
          shapes.push(y, x, by);
          return [{ out: [2], inputs: { x: 0 }, body: 'return x[this.thread.x];' }];
        },
      }),
    );
    assert.deepEqual([...copy(x, 7).dataSync()], [4, 5]);
    assert.deepEqual(shapes, [[2], [2], 7]);
    const [{ op, shape, args }] = calls;
    assert.deepEqual([op, shape, args], ['copy', [2], [{ handle: x.storage.handle, shape: [2] }, 7]]);
    assert.ok(!('formula' in calls[0]));
    x.exp();
    assert.ok(calls[1].formula);
  } finally {
    device.run = real;
  }
});

test('results are float32, int32, or as their arguments', () => {
  using _ = tensorScope();
  const [ids, x] = [tensor([1, 2], undefined, { dtype: 'int32' }), tensor([1, 2])];
  const two = (dtype?: 'float32' | 'int32' | 'kept') =>
    makeOp<[a: Tensor, b: Tensor | null]>({
      ...(spec() as unknown as OpSpec<[a: Tensor, b: Tensor | null]>),
      ...(dtype && { dtype }),
    });
  const types = (op: ReturnType<typeof two>) =>
    [op(ids, ids), op(ids, null), op(ids, x), op(x, ids)].map((y) => y.dtype);
  assert.deepEqual(types(two()), ['float32', 'float32', 'float32', 'float32']);
  assert.deepEqual(types(two('int32')), ['int32', 'int32', 'int32', 'int32']);
  assert.deepEqual(types(two('kept')), ['int32', 'int32', 'float32', 'float32']);
});

test('a view shares the values of its argument and is recorded too', () => {
  using _ = tensorScope();
  const { kernel, ...rest } = spec();
  const x = tensor([1, 2]);
  const args = [x, 3] as const;
  const y = makeOp<[x: Tensor, by: number | null]>({ ...rest, shape: () => [2, 1] })(...args);
  assert.equal(y.storage, x.storage);
  assert.deepEqual([y.shape, y.node!.op.name, y.node!.args], [[2, 1], 'copy', args]);
  assert.ok(kernel);
});

test('tensors have to be there, alive and on one device', async () => {
  using _ = tensorScope();
  const op = makeOp(spec()) as unknown as (...args: unknown[]) => Tensor;
  assert.throws(() => op(3, null), /^TypeError: copy: expected at least one tensor, got number, object\.$/);
  assert.throws(() => op(), /^TypeError: copy: expected at least one tensor, got nothing\.$/);
  const freed = ones([2]);
  freed.dispose();
  assert.throws(() => op(freed, 1), { name: 'DeviceError', message: /^copy: expected a live tensor/ });
  const elsewhere = ones([2, 3], { device: await openDevice('reference') });
  assert.throws(() => ones([2, 3]).add(elsewhere), {
    name: 'DeviceError',
    message: 'add: expected tensors on one device, got cpu and reference ([2, 3]). Move one with to(t, device).',
  });
});

test('ops are recorded, except inside of noGrad, which ends also with an error', () => {
  using _ = tensorScope();
  const x = ones([2]);
  assert.equal(isRecording(), true);
  assert.deepEqual(x.mul(2).node!.args.slice(0, 1), [x]);
  const inner = noGrad(() => {
    assert.equal(isRecording(), false);
    const again = withRecording(true, () => x.mul(2));
    assert.equal(isRecording(), false);
    return { plain: x.mul(2), view: x.reshape([2, 1]), again };
  });
  assert.deepEqual([inner.plain.node, inner.view.node, inner.again.node!.op.name], [undefined, undefined, 'mul']);
  assert.throws(() =>
    noGrad(() => {
      throw new Error('x');
    }),
  );
  assert.equal(isRecording(), true);
});

test('what several gradients share is computed once, when it is needed', () => {
  let calls = 0;
  const shared = lazily(() => {
    calls++;
    return undefined;
  });
  assert.equal(calls, 0);
  assert.deepEqual([shared(), shared(), calls], [undefined, undefined, 1]);
  const value = lazily(() => 5);
  assert.deepEqual([value(), value()], [5, 5]);
});

test('an observer sees each op with arguments, result and time, until f ends', async () => {
  using _ = tensorScope();
  const x = tensor([1, 2]);
  const seen: Observation[] = [];
  const observe = <T>(f: () => T): T => observeOps((s) => seen.push(s), f);
  const started = performance.now();
  const y = observe(() => x.exp());
  const elapsed = performance.now() - started;
  x.exp();
  assert.equal(seen.length, 1);
  assert.deepEqual([seen[0].op, seen[0].y, seen[0].args], ['exp', y, [x]]);
  assert.ok(seen[0].ms >= 0 && seen[0].ms <= elapsed, `${seen[0].ms} of ${elapsed} ms`);

  const outer: string[] = [];
  observeOps(
    ({ op }) => outer.push(op),
    () => {
      observe(() => x.square());
      x.sqrt();
    },
  );
  assert.deepEqual([outer, seen.length], [['sqrt'], 2]);

  const late = observe(async () => {
    await undefined;
    return x.exp();
  });
  await late;
  assert.equal(Number(seen.length), 3);
  const failed = observe(async () => {
    await undefined;
    x.exp();
    throw new Error('late');
  });
  await assert.rejects(failed, /late/);
  assert.equal(seen.length, 4);
  assert.throws(
    () =>
      observe(() => {
        throw new Error('early');
      }),
    /early/,
  );
  x.exp();
  assert.equal(seen.length, 4, 'nobody looks any longer');
});
