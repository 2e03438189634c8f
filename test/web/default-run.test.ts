/** Exhibit 8 with its defaults. It has its own file because it takes a minute or more, and files run side by side. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Pixels } from '../../web/engine/model.ts';
import { kinds } from '../../web/training/kinds.ts';
import { run } from './trained.ts';

/** How much pictures differ from each other: the standard deviation of each value over the pictures, averaged, in 0..1. */
function spread(pictures: readonly Pixels[]): number {
  const values = [...pictures[0].keys()].filter((i) => i % 4 < 3);
  const deviations = values.map((i) => {
    const mean = pictures.reduce((sum, picture) => sum + picture[i], 0) / pictures.length;
    return Math.sqrt(pictures.reduce((sum, picture) => sum + (picture[i] - mean) ** 2, 0) / pictures.length);
  });
  return deviations.reduce((sum, x) => sum + x, 0) / values.length / 255;
}

test("a fifth of TiTok's default run separates pictures", async () => {
  const { steps } = kinds.titok; // all of them take minutes on a slow machine
  const { frame, ready } = await run({ plan: { kind: 'titok', steps, seed: 1 } }, Math.ceil(steps / 5));
  assert.ok(frame.ids, 'in tokens');
  assert.ok(spread(ready.originals) > 0.1, 'the pictures differ');
  assert.ok(spread(frame.pictures) >= 0.05, `expected a spread ≥ 0.05, got ${spread(frame.pictures)}`);
});
