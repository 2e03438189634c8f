/** A training step leaves nothing behind. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { memory } from '../../core/index.ts';
import { recipes, useOneThread } from './recipes.ts';

before(useOneThread);

/** Updates after which everything that is made once has been made: optimizer state, kernels, codebook averages. */
const SETTLED = 100;

for (const [name, start] of Object.entries(recipes)) {
  test(`${name}: live tensors and bytes are the same after every update`, async () => {
    const training = await start();
    for (let i = 0; i < 6; i++) await training.step(); // the codebook has started, the discriminator has joined
    const settled = memory();
    for (let i = 0; i < 20; i++) {
      await training.step();
      assert.deepEqual(memory(), settled, `after update ${training.state.done}`);
    }
  });
}

test('1,000 updates: constant tensors and bytes, memory within 5 %', { timeout: 120_000 }, async (t) => {
  const training = await recipes['warmup']();
  for (let i = 0; i < SETTLED; i++) await training.step();
  const settled = memory();
  const before = await usage();
  for (let i = SETTLED; i < 1000; i++) await training.step();
  assert.deepEqual(memory(), settled);
  const after = await usage();
  const growth = (of: keyof typeof after) => after[of] / before[of] - 1;
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  assert.ok(growth('reachable') < 0.05, `reachable memory grew by ${percent(growth('reachable'))}`);
  // from Node 22 on the allocator keeps pools that level off after thousands of updates
  if (Number(process.versions.node.split('.')[0]) > 20) t.diagnostic(`resident memory: ${percent(growth('resident'))}`);
  else assert.ok(growth('resident') < 0.05, `resident memory grew by ${percent(growth('resident'))}`);
});

/** Bytes after garbage collection: what JavaScript still reaches, and what the process holds. */
async function usage(): Promise<{ reachable: number; resident: number }> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { reachable: heapUsed + external, resident: rss };
}
