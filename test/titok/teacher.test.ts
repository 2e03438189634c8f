/** Teachers: codes, decoding, the residual quirk and the PCA start. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { argmax, Rng, randn, ShapeError, type Tensor, tensorScope, uniform, zeros } from '../../core/index.ts';
import { mse } from '../../nn/index.ts';
import { decodeArgmax, startFromPca, Teacher, type TeacherConfig, VqganEncoder } from '../../titok/index.ts';
import { imageToPatches, patchesToImage } from '../../titok/patches.ts';
import { principalComponents } from '../../titok/pca.ts';
import { createPixelDecoder } from '../../titok/teacher.ts';
import { lean, vqgan } from './configs.ts';

const images = (rng: Rng, n = 2): Tensor => uniform([n, 3, 8, 8], 0, 1, rng);
const largest = async (t: Tensor) => Math.max(...Array.from(await t.data(), Math.abs));

test('both teachers: codes of a grid, and the same picture from codes as from latents', async () => {
  for (const config of [lean, vqgan]) {
    using _ = tensorScope();
    const rng = new Rng(1);
    const teacher = new Teacher(config, rng);
    const { indices, zQuantized, reconstruction } = teacher.forward(images(rng));
    assert.deepEqual(indices.shape, [2, 4]);
    assert.deepEqual(zQuantized.shape, [2, 6, 2, 2]);
    assert.ok((await largest(teacher.decodeTokens(indices).sub(reconstruction))) < 1e-5);
    const logits = randn([2, 10, 2, 2], rng);
    assert.ok((await largest(decodeArgmax(teacher, logits).sub(teacher.decodeTokens(argmax(logits, 1))))) < 1e-6);
  }
});

test('impossible sizes are refused by teachers and their decoders', () => {
  for (const [config, wrong] of [
    [lean, { dim: 0 }],
    [lean, { codebookSize: 0 }],
    [lean, { stem: [] }],
    [lean, { stem: [0, 8] }],
    [lean, { resBlocks: -1 }],
    [vqgan, { zChannels: 0 }],
    [vqgan, { channelMult: [1, 0.5] }],
    [vqgan, { hiddenChannels: Number.NaN }],
    [lean, { kind: 'mean' }],
  ] as const) {
    const [name] = Object.keys(wrong);
    const message = new RegExp(`^teacher ${name}: expected `);
    for (const make of [
      () => new Teacher({ ...config, ...wrong } as TeacherConfig, new Rng(0)),
      () => createPixelDecoder({ ...config, ...wrong } as TeacherConfig, new Rng(0)),
    ])
      assert.throws(make, { name: 'OptionError', message });
  }
});

test('both teachers take square images of whole codes, and codes of a square', () => {
  for (const config of [lean, vqgan]) {
    using _ = tensorScope();
    const teacher = new Teacher(config, new Rng(1)); // a code for 4 × 4 pixels
    const refused = (call: () => unknown, message: string) =>
      assert.throws(call, (error) => error instanceof ShapeError && error.message.includes(message), message);
    for (const shape of [
      [1, 3, 9, 9],
      [1, 3, 4, 16],
      [1, 1, 8, 8],
      [3, 8, 8],
      [0, 3, 8, 8],
    ]) {
      const message = `expected images [batch, 3, size, size] with a size that 4 divides, got [${shape.join(', ')}]`;
      refused(() => teacher.encode(zeros(shape)), message);
    }
    for (const shape of [[1, 15], [1, 2, 8], [16], [1, 0]]) {
      const message = `expected codes [batch, g·g] or [batch, g, g], got [${shape.join(', ')}]`;
      refused(() => teacher.decodeTokens(zeros(shape, { dtype: 'int32' })), message);
    }
  }
});

test('MaskGIT-VQGAN: a block that changes width has no identity path', async () => {
  using _ = tensorScope();
  const { down } = new VqganEncoder(vqgan, new Rng(2));
  const [same, wider] = [down[0].block[0], down[1].block[0]]; // 32 → 32, 32 → 64
  const x = randn([1, 32, 4, 4], new Rng(3));
  for (const block of [same, wider]) block.conv2.weight.assign(new Float32Array(block.conv2.weight.size));
  assert.equal(await largest(same.forward(x).sub(x)), 0);
  assert.equal(await largest(wider.forward(x)), 0);
});

test('patches: color fastest, and back', async () => {
  using _ = tensorScope();
  const x = images(new Rng(4));
  const rows = imageToPatches(x, 4); // [2·2·2, 48]
  const [pixels, patches] = [await x.data(), await rows.data()];
  assert.equal(patches[48 + (1 * 4 + 2) * 3 + 1], pixels[64 + 1 * 8 + 4 + 2]); // second patch, row 1, column 2, green
  const grid = rows.reshape([2, 2, 2, 48]).permute([0, 3, 1, 2]);
  assert.equal(await largest(patchesToImage(grid).sub(x)), 0);
});

test('principal components of a known covariance', () => {
  const rng = new Rng(5);
  const rows = Array.from({ length: 4000 }, () => [3 * rng.normal(), rng.normal()]).flatMap(([a, b]) => [
    a + b + 5,
    a - b,
  ]);
  const { mean, components, variances } = principalComponents(rows, 2, 2);
  assert.ok(Math.abs(mean[0] - 5) < 0.2 && Math.abs(mean[1]) < 0.2);
  assert.ok(Math.abs(Math.abs(components[0][0]) - Math.SQRT1_2) < 0.02, String(components[0]));
  assert.ok(Math.abs(variances[0] / 18 - 1) < 0.1 && Math.abs(variances[1] / 2 - 1) < 0.1, String(variances));
});

test('started from PCA, the lean teacher is the best linear autoencoder of its size', async () => {
  using _ = tensorScope();
  const rng = new Rng(6);
  const teacher = new Teacher(lean, rng);
  const x = images(rng, 16);
  await startFromPca(teacher, x);
  const all = principalComponents(await imageToPatches(x, 4).data(), 48, 48).variances;
  const lost = all.slice(lean.dim).reduce((s, v) => s + v, 0) / 48;
  const error = await mse(x, teacher.decode(teacher.encoder.forward(x))).item();
  assert.ok(Math.abs(error / lost - 1) < 1e-3, `${error} and ${lost}`);
});

test('the quantizer loss weighs the codebook as each teacher does', async () => {
  for (const [config, share] of [
    [lean, 1],
    [vqgan, 0.25],
  ] as const) {
    using _ = tensorScope();
    const rng = new Rng(7);
    const { quantizerLoss, commitmentLoss, codebookLoss } = new Teacher(config, rng).encode(images(rng));
    const expected = (await commitmentLoss.item()) + share * (await codebookLoss.item());
    assert.ok(Math.abs((await quantizerLoss.item()) / expected - 1) < 1e-6, config.kind);
  }
});

test('only a lean teacher starts from principal components', async () => {
  using _ = tensorScope();
  const rng = new Rng(8);
  const start = startFromPca(new Teacher(vqgan, rng), images(rng));
  await assert.rejects(start, /startFromPca: expected a teacher of kind 'lean', got vqgan/);
});
