/** NaN and infinity: the first op is named, and the model is as it was. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Rng, type Tensor, tensor, tensorScope } from '../../core/index.ts';
import { finiteGradients } from '../../nn/index.ts';
import type { Training } from '../../train/index.ts';
import { recipes, useOneThread } from './recipes.ts';

before(useOneThread);

async function snapshot(training: Training): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {};
  for (const [group, tensors] of Object.entries(training.state.groups())) {
    for (const [name, t] of Object.entries(tensors)) values[`${group}/${name}`] = Array.from(await t.data());
  }
  return values;
}

for (const [name, start] of Object.entries(recipes)) {
  test(`${name}: a weight that is NaN stops the training before anything changes`, async () => {
    const training = await start();
    for (let i = 0; i < 6; i++) await training.step();
    const model = training.state.groups()['model'];
    const key = Object.keys(model).find((k) => /^(?!encoder).*(norm|ln_).*weight$/i.test(k))!; // part of every update
    const weight = model[key];
    const values = Float32Array.from(await weight.data());
    values[0] = Number.NaN;
    weight.assign(values);
    const before = await snapshot(training);
    await assert.rejects(training.step(), (error: Error) => {
      assert.equal(error.name, 'NonFiniteError');
      assert.match(error.message, /^loss is NaN\. The first op to meet it is \w+, result \[[\d,]*\], whose arguments/);
      assert.ok(error.message.includes(`Weights that hold it: ${key}.`), error.message);
      return true;
    });
    assert.equal(training.state.done, 6);
    assert.deepEqual(await snapshot(training), before);
  });
}

test('finetune: a discriminator that is NaN leaves the decoder alone', async () => {
  const training = await recipes['finetune']();
  for (let i = 0; i < 2; i++) await training.step(); // it joins in at update 3
  const critic = training.state.groups()['discriminator'];
  const bias = critic['to_logits.bias'];
  bias.assign([Number.NaN]);
  await training.step(); // not in use yet
  const before = await snapshot(training);
  await assert.rejects(training.step(), { name: 'NonFiniteError' });
  assert.deepEqual(await snapshot(training), before);
});

test('a batch that is infinite is named by the op that meets it', async () => {
  const training = await recipes['warmup']();
  await training.step();
  using _ = tensorScope();
  const images = tensor(new Float32Array(2 * 3 * 8 * 8).fill(Infinity), [2, 3, 8, 8]);
  const model = (training as unknown as { model: { encodeLatents(x: Tensor): Tensor } }).model;
  const params = training.state.groups()['model'];
  const forward = () => ({ loss: model.encodeLatents(images).mean() });
  await assert.rejects(
    finiteGradients(params, forward, ({ loss }) => ({ loss })),
    {
      name: 'NonFiniteError',
      message: /The first op to meet it is conv2d, .* whose arguments already hold it \(weights or data\)\.$/,
    },
  );
});

test('a finite loss with a gradient that is not: the op of the backward pass is named', async () => {
  using _ = tensorScope();
  const x = tensor([0, 1]);
  const forward = () => ({ loss: x.sqrt().sum() }); // d√x/dx at 0 is infinite
  await assert.rejects(
    finiteGradients({ x }, forward, ({ loss }) => ({ loss })),
    {
      name: 'NonFiniteError',
      message:
        /^gradientNorm is (Infinity|NaN)\. The first op to make it is sqrt\.dx, result \[2\], from finite arguments\.$/,
    },
  );
});

test('dropout: the search repeats the draws of the pass that failed', async () => {
  using _ = tensorScope();
  const rng = new Rng(1);
  const x = tensor([1, 2]);
  let draws: number[] = [];
  const forward = () => {
    const u = rng.uniform();
    draws.push(u);
    return {
      loss: x
        .sum()
        .sub(x.sum())
        .add(u * 0)
        .log(),
    }; // log 0
  };
  await assert.rejects(
    finiteGradients({ x }, forward, ({ loss }) => ({ loss }), rng),
    /first op to make it is log/,
  );
  assert.equal(draws.length, 2);
  assert.equal(draws[0], draws[1]);
  draws = [];
});
