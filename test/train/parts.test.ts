/** Updates in less memory: with activations computed again the same ones, with a batch in parts the same up to rounding. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { memory, mul, observeOps, Rng, randn, tensorScope } from '../../core/index.ts';
import { finiteGradients, mse } from '../../nn/index.ts';
import type { StepReport, Training } from '../../train/index.ts';
import { gradientsInParts, partsOf } from '../../train/parts.ts';
import { smallModel, smallTraining } from '../training.ts';
import { recipes, useOneThread } from './recipes.ts';

before(useOneThread);

async function train(training: Training, until = training.steps): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  while (training.state.done < until) reports.push(await training.step());
  return reports;
}

const again = { recomputeActivations: true };
const halves = { accumulate: 2 };

for (const name of [
  'teacher by gradient',
  'warmup',
  'finetune',
  'single, with an adaptive weight',
  'generator',
  'diffusion',
])
  test(`${name}: activations computed again change no bit, also when that changes on the way`, async () => {
    const whole = await train(await recipes[name]());
    const first = await recipes[name](1, again);
    const reports = await train(first, 5);
    const second = await recipes[name](99);
    second.state.restore(first.state.groups(), first.state.values());
    assert.deepEqual([...reports, ...(await train(second))], whole);
  });

for (const name of ['teacher', 'warmup', 'finetune', 'single', 'single, with continuous tokens', 'diffusion'])
  test(`${name}: a batch in two parts is the whole batch up to rounding, and resumes to the bit`, async () => {
    const [whole, parted] = [await train(await recipes[name](), 7), await train(await recipes[name](1, halves), 7)];
    for (const [i, report] of whole.entries())
      for (const [figure, value] of Object.entries(report)) {
        const apart = Math.abs(parted[i][figure] - value) / Math.max(1, Math.abs(value));
        assert.ok(apart < 1e-3, `update ${i + 1}, ${figure}: ${parted[i][figure]}, expected ${value}`);
      }
    const first = await recipes[name](1, halves);
    const reports = await train(first, 4);
    const second = await recipes[name](99, halves);
    second.state.restore(first.state.groups(), first.state.values());
    assert.deepEqual([...reports, ...(await train(second, 7))], parted);
  });

test('parts of unequal size count by their rows', async () => {
  using _ = tensorScope();
  const rng = new Rng(0);
  const [w, x, y] = [randn([4, 3], rng), randn([5, 4], rng), randn([5, 3], rng)];
  const forward = ({ x, y }: { x: typeof w; y: typeof w }) => {
    const output = x.matmul(w);
    return { loss: mse(output, y), output };
  };
  const terms = ({ loss }: ReturnType<typeof forward>) => ({ loss });
  const parts = partsOf({ x, y, rows: Int32Array.of(0, 1, 2, 3, 4), none: undefined }, 2);
  assert.deepEqual(
    parts.map(({ rows, none, share }) => [[...rows], none, share]),
    [
      [[0, 1, 2], undefined, 0.6],
      [[3, 4], undefined, 0.4],
    ],
  );
  assert.equal(partsOf({ x }, 9).length, 5);
  const whole = await finiteGradients({ w }, () => forward({ x, y }), terms);
  const parted = await gradientsInParts({ recomputeActivations: false }, { w }, parts, forward, terms);
  const difference = mul(whole.grads.w.sub(parted.grads.w), 1).abs().max().dataSync()[0];
  assert.ok(difference < 1e-6, `${difference}`);
  assert.deepEqual(parted.value.output.dataSync(), whole.value.output.dataSync());
  for (const figure of ['loss', 'gradientNorm'] as const)
    assert.ok(Math.abs(parted.report[figure] - whole.report[figure]) < 1e-6);
});

test('an update needs less memory with each of them, and least with both', async () => {
  const half = { width: 32, layers: 4, heads: 2, patchSize: 4 };
  const model = { ...smallModel, imageSize: 32, encoder: half, decoder: half };
  const peak = async (held: object) => {
    const training = smallTraining(3, { model, batchSize: 8, continuousSteps: 0, optimizer: 'adamw', ...held });
    await training.step();
    const before = memory().bytes;
    let most = 0;
    await observeOps(
      () => {
        most = Math.max(most, memory().bytes);
      },
      () => training.step(),
    );
    return most - before;
  };
  const [plain, parts, computed, both] = [
    await peak({}),
    await peak(halves),
    await peak(again),
    await peak({ ...halves, ...again }),
  ];
  const shares = [parts, computed, both].map((bytes) => bytes / plain);
  assert.ok(shares[0] < 0.6 && shares[1] < 0.3 && shares[2] < 0.2, `${shares}`);
});
