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

test('1,000 updates: constant tensors and bytes, resident memory within 5 %', { timeout: 120_000 }, async () => {
  const training = await recipes['warmup']();
  for (let i = 0; i < SETTLED; i++) await training.step();
  const settled = memory();
  const before = await residentBytes();
  for (let i = SETTLED; i < 1000; i++) await training.step();
  assert.deepEqual(memory(), settled);
  const growth = (await residentBytes()) / before - 1;
  assert.ok(growth < 0.05, `resident memory grew by ${(100 * growth).toFixed(1)} %`);
});

/** After garbage collection, so that what is counted is what is held. */
async function residentBytes(): Promise<number> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) collect();
  return process.memoryUsage().rss;
}
