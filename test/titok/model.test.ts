/** The tokenizer's forward pieces, on small models. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  memory,
  noGrad,
  observeOps,
  Rng,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  tensorScope,
  uniform,
  zeros,
} from '../../core/index.ts';
import { stateDict } from '../../nn/index.ts';
import {
  decodeSoft,
  isTrainedInStage2,
  presets,
  Teacher,
  TiTok,
  throughTokens,
  withPixelDecoder,
  withPixelsFolded,
} from '../../titok/index.ts';
import { forms, lean, warmup } from './configs.ts';

const images = (rng: Rng): Tensor => uniform([2, 3, 8, 8], 0, 1, rng);
const close = async (a: Tensor, b: Tensor, tolerance = 1e-5) => {
  assert.deepEqual(a.shape, b.shape);
  const [x, y] = [await a.data(), await b.data()];
  x.forEach((v, i) => {
    assert.ok(Math.abs(v - y[i]) <= tolerance, `${v} and ${y[i]} at ${i}`);
  });
};

test('shapes of every form', () => {
  using _ = tensorScope();
  const rng = new Rng(1);
  for (const [form, config] of Object.entries(forms)) {
    const model = new TiTok(config, rng);
    const vae = form === 'vae';
    const z = vae
      ? model.encodeContinuous(images(rng), randn([2, 5, 1, 3], rng)).z
      : model.encode(images(rng)).zQuantized;
    assert.deepEqual(z.shape, [2, 5, 1, 3], form);
    const logits = form === 'warmup' || form === 'corrected';
    assert.deepEqual(model.decode(z).shape, logits ? [2, 10, 2, 2] : [2, 3, 8, 8], form);
  }
});

test('legacy: channel w at position k reads element wK + k of the [K, W] latents', async () => {
  using _ = tensorScope();
  const rng = new Rng(2);
  const [K, W, C] = [warmup.latentTokens, warmup.encoder.width, warmup.tokenSize];
  for (const legacy of [true, false]) {
    const model = new TiTok({ ...warmup, legacy }, rng);
    let latents: Tensor | undefined;
    const z = model.encodeLatents(images(rng), (name, x) => {
      if (name === 'enc.ln_post') latents = x;
    });
    const x = await latents!.data(); // [2, K, W]
    const weight = await model.encoder.conv_out.weight.data(); // [C, W]; the bias is 0
    const at = (b: number, w: number, k: number) => x[b * K * W + (legacy ? w * K + k : k * W + w)];
    const expected = Float32Array.from({ length: 2 * C * K }, (_v, i) => {
      const [b, c, k] = [Math.floor(i / (C * K)), Math.floor(i / K) % C, i % K];
      return Array.from({ length: W }, (_w, w) => weight[c * W + w] * at(b, w, k)).reduce((s, v) => s + v, 0);
    });
    await close(z, tensor(expected, [2, C, 1, K]));
  }
});

test('tokens decode as the codes that they stand for', async () => {
  using _ = tensorScope();
  const rng = new Rng(3);
  for (const form of ['warmup', 'pixels', 'laptopFinetune'] as const) {
    const model = new TiTok(forms[form], rng);
    const { indices, output } = model.forward(images(rng));
    assert.deepEqual(indices.shape, [2, 1, 3]);
    await close(model.decodeTokens(indices), output);
    await close(model.decodeTokens(indices.reshape([2, 3])), output);
  }
});

test('stage 2 starts as the soft decoding of stage 1', async () => {
  using _ = tensorScope();
  const rng = new Rng(4);
  const model = new TiTok(forms['corrected'], rng);
  const teacher = new Teacher(lean, rng);
  const tuned = withPixelDecoder(model, teacher);
  const x = images(rng);
  await close(tuned.forward(x).output, decodeSoft(teacher, model.forward(x).output));
  const sharp = withPixelDecoder(model, teacher, 2.5);
  await close(sharp.forward(x).output, decodeSoft(teacher, model.forward(x).output.mul(2.5)));
  assert.notEqual(tuned.encoder.patch_embed.weight, model.encoder.patch_embed.weight); // a copy
  const frozen = Object.keys(stateDict(tuned)).filter((name) => !isTrainedInStage2(name));
  assert.ok(
    frozen.every((name) => /^(encoder|latent_tokens|quantize)/.test(name)),
    frozen.join(),
  );
});

test('centering the pixels can be folded into the first layer, as the official code has it', async () => {
  using _ = tensorScope();
  const rng = new Rng(5);
  const model = new TiTok({ ...warmup, pixels: { mean: 0.77, std: 0.29 } }, rng);
  model.encoder.patch_embed.bias!.assign(() => rng.normals(model.encoder.patch_embed.bias!.size));
  const folded = withPixelsFolded(model);
  assert.equal(folded.config.pixels, undefined);
  const batch = images(rng);
  await close(folded.encodeLatents(batch), model.encodeLatents(batch), 1e-4);
});

test('evaluation keeps nothing but its result, and computes the same', async () => {
  using _ = tensorScope();
  const rng = new Rng(5);
  for (const form of ['corrected', 'finetune'] as const) {
    const model = new TiTok(forms[form], rng);
    const x = images(rng);
    const { z, output } = model.forward(x);
    const before = memory();
    const latents = noGrad(() => model.encodeLatents(x));
    assert.equal(memory().tensors - before.tensors, 1);
    await close(latents, z);
    const decoded = noGrad(() => model.decode(model.encode(x).zQuantized));
    await close(decoded, output);
    const middle = memory();
    noGrad(() => model.decode(randn([2, 5, 1, 3], rng)));
    assert.ok(memory().tensors - middle.tensors <= 3, `${memory().tensors - middle.tensors} tensors left`);
  }
});

test('evaluation needs no more memory for more layers', () => {
  using _ = tensorScope();
  const peak = (layers: number) => {
    const model = new TiTok({ ...warmup, encoder: { ...warmup.encoder, layers } }, new Rng(6));
    const x = images(new Rng(7));
    const before = memory().bytes;
    let most = 0;
    const see = () => {
      most = Math.max(most, memory().bytes - before);
    };
    observeOps(see, () => noGrad(() => model.encodeLatents(x)));
    return most;
  };
  assert.equal(peak(8), peak(3));
});

test('narrow models start with std width^-0.5, published ones with 0.02', async () => {
  using _ = tensorScope();
  const std = async (t: Tensor) => Math.sqrt(await t.square().mean().item());
  const near = (value: number, expected: number) =>
    assert.ok(Math.abs(value / expected - 1) < 0.1, `${value}, expected ${expected}`);
  const sized = { ...warmup, encoder: { ...warmup.encoder, width: 64 } };
  const [published, wide] = [new TiTok(sized, new Rng(6)), new TiTok({ ...sized, init: 'width' }, new Rng(6))];
  near(await std(published.encoder.transformer[0].mlp.c_fc.weight), 0.02);
  near(await std(published.encoder.positional_embedding), 1 / 8);
  near(await std(published.encoder.transformer[0].attn.in_proj_weight), Math.sqrt(2 / (4 * 64)));
  near(await std(wide.encoder.transformer[0].mlp.c_fc.weight), 1 / 8);
  near(await std(wide.encoder.positional_embedding), 0.3);
});

test('calls that do not fit the form say what to do', () => {
  using _ = tensorScope();
  const rng = new Rng(7);
  const [vq, vae] = [new TiTok(forms['warmup'], rng), new TiTok(forms['vae'], rng)];
  assert.throws(() => vae.encode(images(rng)), /expected quantizeMode 'vq', got 'vae'. Use encodeContinuous/);
  assert.throws(() => vq.encodeContinuous(images(rng)), /expected quantizeMode 'vae', got 'vq'. Use encode/);
  assert.throws(
    () => vq.decodeTokens(tensor([0, 1], [1, 2], { dtype: 'int32' })),
    /expected 3 tokens per image, got 2/,
  );
  const ids = tensor([0, 1, 2], [1, 3], { dtype: 'int32' });
  assert.throws(() => vae.decodeTokens(ids), /decodeTokens: expected quantizeMode 'vq', got 'vae'/);
});

test('images, latents and ids of another shape are refused, also where a convolution or a sum would take them', () => {
  using _ = tensorScope();
  const model = new TiTok({ ...forms['pixels'], variableLength: true }, new Rng(8)); // 8 × 8 pixels, 3 tokens of 5 numbers
  const refused = (call: () => unknown, message: RegExp) =>
    assert.throws(call, (error) => error instanceof ShapeError && message.test(error.message), String(message));
  for (const shape of [
    [1, 3, 9, 11],
    [1, 3, 16, 16],
    [1, 1, 8, 8],
    [3, 8, 8],
    [0, 3, 8, 8],
  ]) {
    const message = `expected images \\[batch, 3, 8, 8\\], got \\[${shape.join(', ')}\\]`;
    refused(() => model.encode(zeros(shape)), new RegExp(message));
  }
  for (const shape of [
    [1, 5, 1, 1],
    [1, 5, 1, 4],
    [1, 4, 1, 3],
    [1, 3, 5],
    [0, 5, 1, 3],
  ]) {
    const message = `expected latents \\[batch, 5, 1, 3\\], got \\[${shape.join(', ')}\\]`;
    refused(() => model.decode(zeros(shape)), new RegExp(message));
  }
  for (const shape of [[3], [0, 3], [1, 3, 1], [2, 1, 1, 3]]) {
    const message = `expected ids \\[batch, K\\] or \\[batch, 1, K\\], got \\[${shape.join(', ')}\\]`;
    refused(() => model.decodeTokens(zeros(shape, { dtype: 'int32' })), new RegExp(message));
  }
  for (const k of [0, 4, 1.5, Number.NaN]) {
    assert.throws(() => throughTokens(model, zeros([1, 3, 8, 8]), k), {
      name: 'OptionError',
      message: `throughTokens k: expected a whole number from 1 to 3, got ${k}.`,
    });
  }
});

test('looking at activations changes nothing, though the last blocks then work for every token', async () => {
  const model = new TiTok({ ...presets.tiny, head: 'pixels' }, new Rng(3));
  const pictures = uniform([2, 3, 32, 32], 0, 1, new Rng(4));
  const seen: string[] = [];
  const short = model.forward(pictures);
  const full = model.forward(pictures, (name) => seen.push(name));
  assert.ok(seen.includes('enc.block.2') && seen.includes('dec.block.2'), `expected taps of all blocks, got ${seen}`);
  const [a, b] = [await short.output.data(), await full.output.data()];
  assert.ok(
    a.every((x, i) => Math.abs(x - b[i]) < 1e-5),
    'expected equal pictures',
  );
});
