/** Networks that judge: a weight above 0 changes the training, or is refused. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Rng, type Tensor, uniform } from '../../core/index.ts';
import { batches } from '../../data/index.ts';
import { openRun, parseSettings, single, type Training, trainSingle } from '../../train/index.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { discs, judgedSingle, recipes, useOneThread } from './recipes.ts';

before(useOneThread);

async function reportsOf(training: Training) {
  const reports: Readonly<Record<string, number>>[] = [];
  while (training.state.done < training.steps) reports.push(await training.step());
  return reports;
}
const errors = (reports: readonly Readonly<Record<string, number>>[]) => reports.map(({ mse }) => mse);

test('a discriminator changes the single stage from its first update on, an adaptive weight in another way', async () => {
  const without = errors(await reportsOf(await recipes['single']()));
  const constant = await reportsOf(judgedSingle());
  const adaptive = await reportsOf(judgedSingle({ adaptiveWeight: true }));
  assert.deepEqual(errors(constant).slice(0, 7), without.slice(0, 7)); // it joins in at the 7th, whose error is from before
  assert.deepEqual(errors(adaptive).slice(0, 7), without.slice(0, 7));
  for (let i = 7; i < 12; i++) {
    assert.equal(new Set([without[i], errors(constant)[i], errors(adaptive)[i]]).size, 3, `update ${i + 1}`);
    assert.ok(Number.isFinite(constant[i]['discriminator']) && constant[i]['gan'] !== 0);
    assert.equal(constant[i]['ganFactor'], undefined);
    assert.ok(adaptive[i]['ganFactor'] > 0);
  }
  assert.equal(constant[5]['discriminator'], undefined);
});

test('a discriminator that has joined in stays when a training goes on with more steps', async () => {
  const first = judgedSingle();
  await reportsOf(first);
  const second = judgedSingle({ steps: 40 }); // in which it would join in after 20
  second.state.restore(first.state.groups(), first.state.values());
  assert.ok(Number.isFinite((await second.step())['discriminator']));
});

test('held-out terms have the adaptive weight of the latest update', async () => {
  const weights = { l1: 0, gradient: 0, quantizer: 0 };
  const training = judgedSingle({ adaptiveWeight: true, weights });
  const last = (await reportsOf(training)).at(-1)!;
  const images: Tensor = uniform([2, 3, 8, 8], 0, 1, new Rng(5));
  const seen = await training.measure!(images, images);
  assert.equal(seen['ganFactor'], Math.fround(last['ganFactor']));
  const total = seen['mse'] + 0.1 * seen['ganFactor'] * seen['gan'];
  assert.ok(Math.abs(seen['loss'] - total) < 1e-5, `${seen['loss']}, expected ${total}`);
});

test('a weight without its network is refused', () => {
  for (const term of ['adversarial', 'perceptual']) {
    const settings = parseSettings(single.settings, { weights: { [term]: 0.1 } }, 'single');
    const data = batches(discs(), { batchSize: 2, seed: 3, flip: true });
    assert.throws(() => trainSingle(settings, data, new Rng(1)), {
      name: 'OptionError',
      message: `single, weights.${term}: expected 0 without a network that judges, got 0.1.`,
    });
  }
});

test('images that the discriminator cannot halve twice are refused before the first update, not when it joins in', async (t) => {
  const folder = temporaryFolder(t);
  const set = discs(12, 18);
  const dataset = { name: 'discs', size: 18, classes: ['a', 'b'], train: set, validation: set };
  const half = { width: 8, layers: 1, heads: 2, patchSize: 6 };
  const settings = {
    ...{ steps: 2, batchSize: 2, continuousSteps: 0, warmupSteps: 0, discriminatorStart: 0.5 },
    model: { imageSize: 18, latentTokens: 2, codebookSize: 8, encoder: half, decoder: half },
    weights: { adversarial: 0.1 },
  };
  const run = await openRun(folder, { dataset });
  await assert.rejects(run.train(single, settings).next(), {
    name: 'OptionError',
    message:
      'discriminator small: expected images with a size that 4 divides, got 18. Take the published discriminator, another size, or weights.adversarial 0.',
  });
});
