/** Losses by hand, discriminators and perceptual distances on small inputs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad, Rng, randn, type Tensor, tensor, tensorScope, uniform, zeros } from '../../core/index.ts';
import { stateDict } from '../../nn/index.ts';
import {
  discriminatorLoss,
  discriminatorParameters,
  LeCam,
  Lpips,
  laptopWarmup,
  MobileNetTrunk,
  mobileNetLoss,
  PatchDiscriminator,
  perceptualDistance,
  publishedFinetune,
  reconstructionLoss,
  SmallDiscriminator,
  warmupLoss,
} from '../../titok/index.ts';
import { unitChannels } from '../../titok/mobilenet.ts';

const near = async (t: Tensor, expected: number, tolerance = 1e-5) => {
  const value = await t.item();
  assert.ok(Math.abs(value - expected) <= tolerance, `${value}, expected ${expected}`);
};

test('stage 1: cross-entropy, quantizer and distance in the embedding', async () => {
  using _ = tensorScope();
  const logits = tensor([0, Math.log(3)], [1, 2, 1, 1]); // probabilities ¼, ¾
  const codes = tensor([1], [1, 1], { dtype: 'int32' });
  const codebook = tensor([
    [0, 4],
    [2, 0],
  ]);
  const quantizerLoss = tensor([0.5], []);
  const published = warmupLoss({ logits, codes, quantizerLoss });
  await near(published.loss, -Math.log(0.75) + 0.5);
  const laptop = warmupLoss({ logits, codes, quantizerLoss, codebook }, laptopWarmup);
  await near(laptop.embeddingLoss, 0.5 ** 2 + 1); // expected latent (1.5, 1), right one (2, 0)
  await near(laptop.loss, -Math.log(0.75) + 0.5 + laptopWarmup.embedding * 1.25);
});

test('stage 1 with an embedding loss needs the codebook, which the loss left out in silence', () => {
  using _ = tensorScope();
  const parts = { logits: zeros([1, 2, 1, 1]), codes: tensor([1], [1, 1], { dtype: 'int32' }) };
  assert.throws(() => warmupLoss(parts, laptopWarmup), {
    name: 'OptionError',
    message: /^warmupLoss: expected the codebook .*got none\. Pass teacher\.codebook/,
  });
});

test('reconstruction: absent terms are 0, weights apply to the sum only', async () => {
  using _ = tensorScope();
  const [images, reconstruction] = [tensor([0, 0, 0, 0], [1, 1, 2, 2]), tensor([1, 1, 1, 3], [1, 1, 2, 2])];
  const parts = { images, reconstruction, perceptual: () => tensor([7], []) };
  const l2 = (1 + 1 + 1 + 9) / 4;
  const before = reconstructionLoss(parts, publishedFinetune);
  await near(before.loss, l2 + 0.7);
  await near(before.ganLoss, 0);
  const discriminator = { forward: (x: Tensor) => x.mul(2) };
  const after = reconstructionLoss({ ...parts, discriminator }, { ...publishedFinetune, l1: 0.75, gradient: 1 });
  await near(after.ganLoss, -3);
  await near(after.gradientLoss, 1 + 1);
  await near(after.perceptualLoss, 7);
  await near(after.loss, l2 + 0.75 * 1.5 + 2 + 0.7 - 0.03);
  assert.equal(after.ganFactor, undefined);
  const ganFactor = (compared: Tensor, gan: Tensor) => compared.mul(gan).neg();
  const adaptive = reconstructionLoss({ ...parts, discriminator, ganFactor }, publishedFinetune);
  await near(adaptive.ganFactor!, (l2 + 0.7) * 3);
  await near(adaptive.ganLoss, -3);
  await near(adaptive.loss, (l2 + 0.7) * (1 - 0.01 * 3 * 3));
});

test('discriminator: hinge, LeCam against the means so far', async () => {
  using _ = tensorScope();
  const discriminator = { forward: (x: Tensor) => x };
  const lecam = new LeCam();
  const parts = { discriminator, lecam, images: tensor([0.5, 2]), reconstruction: tensor([-3, 0]) };
  const first = discriminatorLoss(parts);
  await near(first.hingeLoss, 0.5 * (0.25 + 0.5));
  await near(first.lecamLoss, 1.25 ** 2 + 1.5 ** 2);
  await near(first.loss, 0.375 + 0.001 * 3.8125);
  lecam.update(first.realLogits, first.fakeLogits);
  await near(lecam.ema_real_logits_mean, 0.00125);
  await near(lecam.ema_fake_logits_mean, -0.0015);
});

test('discriminators: logits per patch; the blur is stored, sums to 1 and is not trained', async () => {
  using _ = tensorScope();
  const rng = new Rng(1);
  const model = new PatchDiscriminator({ hiddenChannels: 32, stages: 1 }, rng);
  assert.deepEqual(model.forward(randn([1, 3, 13, 10], rng)).shape, [1, 1, 16, 16]);
  assert.deepEqual(new SmallDiscriminator(rng).forward(randn([2, 3, 32, 32], rng)).shape, [2, 1, 8, 8]);
  await near(stateDict(model)['blocks.0.1.kernel'].sum(), 1);
  assert.equal(Object.keys(stateDict(model)).length - Object.keys(discriminatorParameters(model)).length, 1);
});

test('unit channels: length 1; all-zero positions stay and have a finite gradient', async () => {
  using _ = tensorScope();
  const f = tensor([3, 0, 4, 0], [1, 2, 1, 2]); // positions (3, 4) and (0, 0)
  const u = unitChannels(f);
  assert.deepEqual(
    Array.from(await u.data(), (v) => Math.round(v * 1e6) / 1e6),
    [0.6, 0, 0.8, 0],
  );
  assert.ok((await grad(u.square().sum(), [f])[0].data()).every(Number.isFinite));
});

test('LPIPS: zero for equal images, five halvings whatever the side', async () => {
  using _ = tensorScope();
  const rng = new Rng(3);
  const lpips = new Lpips(rng, [2, 3, 2, 2, 2]);
  const x = uniform([2, 3, 22, 16], 0, 1, rng);
  assert.deepEqual(
    lpips.features(x).map((f) => f.shape.slice(1)),
    [
      [2, 22, 16],
      [3, 11, 8],
      [2, 5, 4],
      [2, 2, 2],
      [2, 1, 1],
    ],
  );
  assert.deepEqual(lpips.forward(x, x).shape, [2, 1, 1, 1]);
  await near(lpips.forward(x, x).sum(), 0);
});

test('the trunk runs what its metadata says', async () => {
  using _ = tensorScope();
  const conv = { op: 'conv', stride: 2, groups: 3, padding: [0, 1, 1, 0], activation: 'relu6' };
  const layers = [
    { ...conv, name: 'a', inputs: ['input'] },
    { op: 'add', name: 'b', inputs: ['a', 'a'] },
  ];
  const tensors = {
    'a.weight': { shape: [3, 1, 3, 3], data: new Float32Array(27).fill(2) },
    'a.bias': { shape: [3], data: new Float32Array(3) },
  };
  const metadata = { layers: JSON.stringify(layers), taps: JSON.stringify({ block_2_add: 'b' }) };
  const trunk = new MobileNetTrunk({ tensors, metadata });
  const x = tensor(new Float32Array(3 * 16).fill(0.75), [1, 3, 4, 4]); // 0.5 after preprocessing
  const y = trunk.features(x)['block_2_add'];
  assert.deepEqual(y.shape, [1, 3, 2, 2]);
  assert.deepEqual(Array.from(await y.data()).slice(0, 4), [12, 8, 12, 12]); // zeros on the right and above; 9 → 6
  await near(perceptualDistance(trunk, x, x, ['block_2_add']).sum(), 0);
  assert.throws(
    () => trunk.features(x, ['block_3']),
    /MobileNetTrunk taps: expected names among block_2_add, got block_3/,
  );
  assert.throws(() => new MobileNetTrunk({ tensors, metadata: {} }), /expected 'layers' as JSON/);
  assert.throws(() => new MobileNetTrunk({ tensors: {}, metadata }), /expected 'a\.weight'/);
  assert.ok(
    (
      await grad(perceptualDistance(trunk, x, uniform([1, 3, 4, 4], 0, 1, new Rng(2)), ['block_2_add']).sum(), [
        x,
      ])[0].data()
    ).every(Number.isFinite),
  );
});

test('the perceptual term of images that are larger than the network takes them sees every pixel', async () => {
  using _ = tensorScope();
  const conv = { op: 'conv', name: 'a', inputs: ['input'], stride: 1, groups: 1, padding: [0, 0, 0, 0] };
  const rng = new Rng(4);
  const trunk = new MobileNetTrunk({
    tensors: {
      'a.weight': { shape: [2, 3, 1, 1], data: rng.normals(6) },
      'a.bias': { shape: [2], data: new Float32Array(2) },
    },
    metadata: {
      layers: JSON.stringify([{ ...conv, activation: 'linear' }]),
      taps: JSON.stringify({ block_2_add: 'a' }),
    },
  });
  const distance = mobileNetLoss(trunk, 4);
  for (const side of [2, 4, 16]) {
    const [x, y] = [0, 1].map(() => uniform([1, 3, side, side], 0, 1, rng));
    const [gradient] = grad(distance(x, y), [y]);
    assert.ok(
      (await gradient.data()).every((g) => g !== 0),
      `${side} pixels`,
    );
  }
});
