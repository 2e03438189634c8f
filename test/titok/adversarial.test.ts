/** Losses between images and on a discriminator's logits, by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad, tensor, tensorScope, valueAndGrad, zeros } from '../../core/index.ts';
import { stateDict } from '../../nn/index.ts';
import {
  adaptiveWeight,
  discriminatorFactor,
  gradientL1,
  hingeDiscriminatorLoss,
  hingeGeneratorLoss,
  LeCam,
} from '../../titok/index.ts';
import { close } from '../nn/golden.ts';

test('image gradients and hinge losses', async () => {
  using _ = tensorScope();
  assert.equal(
    await gradientL1(tensor([0, 1, 2, 4], [1, 1, 2, 2]), zeros([1, 1, 2, 2])).item(),
    (1 + 2) / 2 + (2 + 3) / 2,
  );
  assert.equal(await gradientL1(tensor([0, 1, 3], [1, 1, 1, 3]), zeros([1, 1, 1, 3])).item(), 1.5); // 1 pixel high
  assert.equal(await gradientL1(tensor([2], [1, 1, 1, 1]), zeros([1, 1, 1, 1])).item(), 0);
  assert.throws(() => gradientL1(zeros([1, 1, 2, 2]), zeros([1, 1, 1, 2])), {
    name: 'ShapeError',
    message: /one shape/,
  });
  const [real, fake] = [tensor([2, 0.5]), tensor([-2, 0])];
  assert.equal(await hingeDiscriminatorLoss(real, fake).item(), 0.5 * (0.25 + 0.5));
  assert.equal(await hingeGeneratorLoss(fake).item(), 1);
  assert.deepEqual(
    [19, 20, 21].map((step) => discriminatorFactor(step, 20)),
    [0, 1, 1],
  );
});

test('LeCam: penalty against the running means, which move afterwards', async () => {
  using _ = tensorScope();
  const term = new LeCam(0.9);
  term.ema_real_logits_mean.assign([0.5]);
  term.ema_fake_logits_mean.assign([-0.25]);
  const [real, fake] = [tensor([1, 2]), tensor([-1, 0])]; // means 1.5 and −0.5
  const loss = term.loss(real, fake);
  close(await loss.data(), [1.75 ** 2 + 1 ** 2]);
  close(await grad(loss, [real])[0].data(), [1.75, 1.75]);
  term.update(real, fake);
  close(await term.ema_real_logits_mean.data(), [0.6]);
  close(await term.ema_fake_logits_mean.data(), [-0.275]);
  assert.deepEqual(Object.keys(stateDict(term)), ['ema_real_logits_mean', 'ema_fake_logits_mean']);
});

test('adaptive weight: the ratio of the gradients at the last layer, a constant, and never above its limit', async () => {
  using _ = tensorScope();
  const [w, x] = [tensor([2, -1]), tensor([1, 1])];
  const compared = () =>
    w
      .mul(tensor([3, 4]))
      .sum()
      .add(x.square().sum()); // gradient (3, 4)
  const gan = () => w.mul(x).square().sum().mul(0.5); // gradient w at x = 1, |w| = √5
  const { value, grads } = valueAndGrad({ w, x }, () => {
    const factor = adaptiveWeight(compared(), gan(), w);
    return { loss: gan().mul(factor), factor };
  });
  const ratio = 5 / (Math.sqrt(5) + 1e-4);
  close(await value.factor.data(), [ratio]);
  close(await grads.w.data(), [2 * ratio, -ratio]); // as if the factor were a number
  close(await grads.x.data(), [4 * ratio, ratio]);
  const none = valueAndGrad({ w }, () => ({ loss: gan(), factor: adaptiveWeight(compared(), w.sum().mul(0), w) }));
  close(await none.value.factor.data(), [1e4]);
});
