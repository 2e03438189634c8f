import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { CpuDevice } from '../../core/cpu/device.ts';
import { trap } from '../../core/cpu/instructions.ts';
import { f32, floatAt, i32, kernel } from '../../core/cpu/kernels/dsl.ts';
import { CpuMemory } from '../../core/cpu/memory.ts';
import { buildModule, ConstantTable } from '../../core/cpu/module.ts';
import { Threads } from '../../core/cpu/threads.ts';
import { waitingFunctions } from '../../core/cpu/worker.ts';
import { formula } from '../../core/formula.ts';
import { DeviceError } from '../../core/index.ts';

const LARGE = 1e9; // work that is worth a barrier

const mark = kernel('mark', { y: i32, value: f32 }, (f, a) => {
  const i = f.int('i');
  f.for(i, a.begin, a.end, 1, () => f.do(f32.store(floatAt(a.y, i), a.value)));
});
const failBeyond = kernel('failBeyond', { limit: i32 }, (f, a) => f.if(i32.gt(a.end, a.limit), () => f.do(trap)));

function start(count: number): { memory: CpuMemory; threads: Threads } {
  const memory = new CpuMemory({ shared: count > 1 });
  const options = { fma: false, constants: new ConstantTable(0, 0), shared: count > 1 };
  const module = buildModule([...waitingFunctions, mark, failBeyond], options);
  return { memory, threads: new Threads(memory, count, module) };
}

test('one thread closes after its memory has grown', async () => {
  const { memory, threads } = start(1);
  memory.alloc(2 ** 25);
  await threads.close();
});

for (const count of [1, 2, 3]) {
  test(`${count} threads cover all items once, in multiples of the unit`, async () => {
    const { memory, threads } = start(count);
    await threads.started();
    const y = memory.alloc(100);
    for (const [items, unit] of [
      [1, 1],
      [2, 1],
      [97, 1],
      [97, 16],
      [64, 64],
      [0, 1],
    ] as const) {
      memory.floats.fill(0, y / 4, y / 4 + 100);
      threads.parallel(mark, { items, work: LARGE, unit }, [y, 7]);
      assert.deepEqual(
        [...memory.floats.subarray(y / 4, y / 4 + 98)],
        Array.from({ length: 98 }, (_, i) => (i < items ? 7 : 0)),
      );
    }
    await threads.close();
  });
}

test('many small launches do not lose a thread', async () => {
  const { memory, threads } = start(2);
  await threads.started();
  const y = memory.alloc(2);
  for (let i = 1; i <= 3000; i++) {
    threads.parallel(mark, { items: 2, work: LARGE }, [y, i]);
    assert.equal(memory.floats[y / 4 + 1], i);
    if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 5)); // long enough to sleep
  }
  await threads.close();
});

test('a kernel that stops on a worker throws here, and the next launch runs', async () => {
  const { memory, threads } = start(2);
  await threads.started();
  assert.throws(
    () => threads.parallel(failBeyond, { items: 2, work: LARGE }, [1]),
    (e) => e instanceof DeviceError && /failBeyond.*unreachable/.test(e.message),
  );
  const y = memory.alloc(2);
  threads.parallel(mark, { items: 2, work: LARGE }, [y, 5]);
  assert.equal(memory.floats[y / 4 + 1], 5);
  await threads.close();
});

test('a kernel that is not listed says where to list it', async () => {
  const { threads } = start(1);
  const unlisted = kernel('unlisted', {}, () => {});
  assert.throws(() => threads.parallel(unlisted, { items: 1, work: 1 }, []), /got 'unlisted'. List it in 'kernels'/);
  await threads.close();
});

test('a kernel that stops on the calling thread throws after the others are done', async () => {
  const { threads } = start(2);
  await threads.started();
  assert.throws(() => threads.parallel(failBeyond, { items: 2, work: LARGE }, [0]), /unreachable/);
  await threads.close();
});

test('one and two threads give the same values, also with formulas compiled later', async () => {
  const n = 100_003;
  const x = Float32Array.from({ length: n }, (_, i) => Math.sin(i));
  const results: Float32Array[] = [];
  for (const threads of [1, 2]) {
    const device = new CpuDevice({ threads });
    await device.sync();
    const handle = device.upload(x);
    const args = [{ handle, shape: [n] }];
    const y = device.run({
      op: 'tanh',
      shape: [n],
      args,
      formula: formula('(x) => tanh(x) + exp(x)'),
      passes: () => [],
    });
    const total = device.run({
      op: 'sum',
      shape: [1],
      args: [
        { handle: y, shape: [n] },
        { from: 0, to: 1 },
      ],
      passes: () => [],
    });
    results.push(device.read(y, n), device.read(total, 1));
    await device.close();
  }
  assert.deepEqual(results[0], results[2]);
  assert.deepEqual(results[1], results[3]);
});

test('open workers do not keep a process alive', () => {
  const device = new URL('../../core/cpu/device.ts', import.meta.url).href;
  const program = `
    import { CpuDevice } from '${device}';
    new CpuDevice({ threads: 2 }).sync().then(() => console.log('ready'));`;
  const run = spawnSync(process.execPath, [...process.execArgv, '--input-type=module', '--eval', program], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /ready/);
});
