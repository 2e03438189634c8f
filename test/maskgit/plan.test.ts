/** Planned hidden states against those of every token of every row, and how much work the plan saves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noGrad, Rng, tensorScope } from '../../core/index.ts';
import { createGenerator, type Generator, type GeneratorConfig, inputSequence } from '../../maskgit/index.ts';
import { predictedPositions, predictedStates } from '../../maskgit/plan.ts';

const config: GeneratorConfig = {
  architecture: 'bert',
  codebookSize: 5,
  latentTokens: 4,
  classes: 2,
  width: 8,
  layers: 2,
  heads: 2,
  mlpWidth: 16,
  dropout: 0.1,
  attentionDropout: 0.1,
  initializerRange: 0.5,
};
const mask = config.codebookSize;

for (const architecture of ['bert', 'uvit'] as const) {
  const generator = createGenerator({ ...config, architecture }, new Rng(1));

  test(`${architecture}: planned states are those of the whole rows`, async () => {
    const row = fc.record({
      label: fc.nat(config.classes),
      ids: fc.array(fc.constantFrom(mask, mask, 0, 1), { minLength: 4, maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 6 }), async (rows) => {
        if (rows.every(({ ids }) => !ids.includes(mask))) return; // nothing to predict
        using _ = tensorScope();
        const labels = rows.map(({ label }) => label);
        const ids = Int32Array.from(rows.flatMap(({ ids }) => ids));
        const all = noGrad(() => generator.hiddenStates(inputSequence(config, ids, labels)));
        const positions = predictedPositions(generator, ids);
        const planned = noGrad(() => predictedStates(generator, ids, labels, positions));
        assert.deepEqual(planned.shape, [rows.length, positions.length / rows.length, config.width]);
        const [x, y] = [await all.data(), await planned.data()];
        for (const [n, i] of positions.entries())
          for (let d = 0; d < config.width; d++)
            assert.ok(Math.abs(y[n * config.width + d] - x[i * config.width + d]) < 1e-5, `position ${i}`);
      }),
      { seed: 3, numRuns: 100 },
    );
  });
}

test('every masked token is predicted, and shorter rows are padded', () => {
  const generator = createGenerator(config, new Rng(1));
  const ids = Int32Array.of(mask, 1, mask, mask, 0, mask, 2, 3, 1, 1, 1, 1);
  assert.deepEqual([...predictedPositions(generator, ids)], [0, 2, 3, 5, 5, 5, 8, 8, 8]);
});

test('where every shape is a kernel to compile, every token is predicted', () => {
  const generator = createGenerator(config, new Rng(1));
  const device = new Proxy(generator.device, {
    get: (d, key) => (key === 'synchronous' ? false : Reflect.get(d, key)),
  });
  const elsewhere = { config, device } as Generator;
  assert.deepEqual([...predictedPositions(elsewhere, Int32Array.of(mask, 1, 0, mask))], [0, 1, 2, 3]);
});

test('the first step computes one row of each class and projects each kind of token once', () => {
  using _ = tensorScope();
  const generator = createGenerator(config, new Rng(1));
  const seen: unknown[] = [];
  const spy: Generator = {
    config,
    device: generator.device,
    head: (hidden) => generator.head(hidden),
    forward: (sequence, options) => generator.forward(sequence, options),
    hiddenStates: (sequence, options) => {
      seen.push(sequence.shape, options?.positions?.shape, options?.kinds?.first.shape);
      return generator.hiddenStates(sequence, options);
    },
  };
  const labels = [0, 1, 1, 0, 2, 2, 2, 2];
  const ids = new Int32Array(labels.length * 4).fill(mask);
  noGrad(() => predictedStates(spy, ids, labels, predictedPositions(spy, ids)));
  assert.deepEqual(seen, [[3, 5], [3, 4], [3 + 4]]); // 3 classes, the mask at 4 positions
});
