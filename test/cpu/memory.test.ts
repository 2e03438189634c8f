import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CpuMemory } from '../../core/cpu/memory.ts';
import { DeviceError } from '../../core/index.ts';

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
