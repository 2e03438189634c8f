import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CpuDevice } from '../../core/cpu/device.ts';
import { CpuMemory } from '../../core/cpu/memory.ts';
import { DeviceError, noGrad, OutOfMemoryError, ones, type Tensor, tensorScope, tidy } from '../../core/index.ts';
import { conv2dGradWeight } from '../../core/ops/conv.ts';

const small = (maximumMiB: number) => new CpuMemory({ shared: false, initialMiB: 1, maximumMiB });

test('a freed block is used again', () => {
  const memory = small(1);
  const a = memory.alloc(1000);
  memory.free(a, 1000);
  assert.equal(memory.alloc(1000), a);
});

test('blocks start on 64 bytes, do not overlap and have 16 bytes behind them', () => {
  const step = fc.record({ floats: fc.integer({ min: 0, max: 30000 }), free: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const memory = small(64);
      const live: { at: number; floats: number }[] = [];
      for (const { floats, free } of steps) {
        const at = memory.alloc(floats);
        assert.equal(at % 64, 0);
        for (const b of live) {
          assert.ok(at + 4 * floats + 16 <= b.at || b.at + 4 * b.floats + 16 <= at, 'blocks overlap');
        }
        live.push({ at, floats });
        if (free % 2) {
          const [b] = live.splice(free % live.length, 1);
          memory.free(b.at, b.floats);
        }
      }
      for (const b of live) memory.free(b.at, b.floats);
      assert.equal(memory.bytesInUse, 0);
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('memory grows on demand, keeps its values, and counts its bytes', () => {
  const memory = small(16);
  const a = memory.alloc(4);
  memory.floats.set([1, 2, 3, 4], a / 4);
  const b = memory.alloc(1_000_000); // 4 MB
  assert.ok(memory.capacity > 4_000_000);
  assert.deepEqual([...memory.floats.subarray(a / 4, a / 4 + 4)], [1, 2, 3, 4]);
  const peak = memory.bytesInUse;
  memory.free(b, 1_000_000);
  assert.ok(memory.bytesInUse < 1000);
  assert.equal(memory.peak, peak);
});

test('freed neighbors are joined before memory grows', () => {
  const memory = small(4);
  const blocks = Array.from({ length: 30 }, () => memory.alloc(30_000)); // 3.6 MB in small pieces
  for (const at of blocks) memory.free(at, 30_000);
  memory.alloc(800_000); // 3.2 MB in one piece
});

test('an op that runs out of memory halfway gives back what it has', async () => {
  const device = new CpuDevice({ threads: 1, maximumMiB: 24 });
  using _ = tensorScope();
  const images = ones([1, 64, 32, 32], { device });
  const options = { stride: [1, 1], padding: [1, 1, 1, 1], groups: 1, kernel: [3, 3] } as const;
  const rest: Tensor[] = [];
  for (let mib = 8; mib >= 0.25; mib /= 2) {
    try {
      for (;;) rest.push(ones([mib * 2 ** 18 - 64], { device }));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }
  let failed = 0;
  for (let n = rest.length - 1; n >= 0; n--) {
    const before = device.memory.bytesInUse;
    try {
      noGrad(() => tidy(() => void conv2dGradWeight(images, images, options)));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      failed++;
    }
    assert.equal(device.memory.bytesInUse, before);
    rest[n].dispose();
  }
  assert.ok(failed > 0 && failed < rest.length, `${failed} of ${rest.length}`);
  await device.close();
});

test('exhaustion names the sizes and leaves the counters right', () => {
  const memory = small(2);
  memory.alloc(200_000);
  const inUse = memory.bytesInUse;
  assert.throws(
    () => memory.alloc(1_000_000),
    (e) => e instanceof DeviceError && /4\.00 MiB.*of at most 2\.00 MiB/.test(e.message),
  );
  assert.equal(memory.bytesInUse, inUse);
  memory.alloc(100_000);
});
