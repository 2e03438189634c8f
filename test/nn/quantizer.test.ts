/** The vector quantizer against golden values, and the ways to keep its codebook alive. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  add,
  type Device,
  defaultDevice,
  grad,
  memory,
  mul,
  openDevice,
  Rng,
  randn,
  stopGradient,
  sum,
  tensor,
  tensorScope,
  withDevice,
  zeros,
} from '../../core/index.ts';
import { CodebookUsage } from '../../eval/index.ts';
import { EmaCodebook, kMeans, latentRows, loadStateDict, SimVQ, stateDict, VectorQuantizer } from '../../nn/index.ts';
import { close, Golden } from './golden.ts';

interface Case {
  codebook_size: number;
  token_size: number;
  use_l2_norm: boolean;
  clustering_vq: boolean;
  commitment_cost: number;
}

const golden = new Golden('quantizer');
for (const [name, settings] of Object.entries(golden.json<Record<string, Case>>('cases'))) {
  test(`golden: ${name}`, async () => {
    using _ = tensorScope();
    const quantizer = new VectorQuantizer(settings.codebook_size, settings.token_size, new Rng(0), {
      l2Norm: settings.use_l2_norm,
      commitmentCost: settings.commitment_cost,
      clusteringVQ: settings.clustering_vq,
    });
    loadStateDict(quantizer, golden.under(`${name}/weights/`));
    const equal = async (key: string, got: { data(): Promise<ArrayLike<number>> }) =>
      close(await got.data(), golden.get(`${name}/${key}`).data, 1e-5, key);
    const z = golden.tensor(`${name}/in/z`);
    const out = quantizer.encode(z);
    if (settings.clustering_vq) quantizer.reseed(z, out.indices);
    assert.deepEqual(out.indices.shape, golden.get(`${name}/out/indices`).shape);
    assert.deepEqual(await out.indices.data(), golden.get(`${name}/out/indices`).data);
    assert.deepEqual(out.zQuantized.shape, z.shape);
    await equal('out/z_quantized', out.zQuantized);
    await equal('out/quantizer_loss', out.loss);
    await equal('out/commitment_loss', out.commitmentLoss);
    await equal('out/codebook_loss', out.codebookLoss);
    await equal('out/lookup', quantizer.lookup(golden.tensor(`${name}/in/lookup_ids`)));
    await equal('out/soft_lookup', quantizer.softLookup(golden.tensor(`${name}/in/soft_code`)));
    if (settings.clustering_vq) {
      for (const [key, p] of Object.entries(stateDict(quantizer))) await equal(`after/${key}`, p);
      return;
    }
    const pulled = sum(mul(out.zQuantized, golden.tensor(`${name}/in/grad_z_quantized`)));
    const total = add(pulled, mul(out.loss, 3));
    await equal('loss/total', total);
    const grads = grad(total, { z, 'embedding.weight': quantizer.embedding.weight });
    await equal('grad/z', grads.z);
    await equal('grad/embedding.weight', grads['embedding.weight']);
  });
}

test('the decoder sees codes, the encoder sees the gradient of the decoder', async () => {
  using _ = tensorScope();
  const quantizer = new VectorQuantizer(6, 3, new Rng(1));
  const z = randn([2, 3, 1, 4], new Rng(2));
  const { zQuantized, indices } = quantizer.encode(z);
  const codes = quantizer.lookup(indices); // [2, 1, 4, 3]
  close(await zQuantized.permute([0, 2, 3, 1]).data(), await codes.data());
  const pull = randn(z.shape, new Rng(3));
  close(await grad(sum(mul(zQuantized, pull)), [z])[0].data(), await pull.data());
});

test('codes start evenly in ±1/codebookSize; use is counted only for clusteringVQ', async () => {
  const quantizer = new VectorQuantizer(100, 8, new Rng(1));
  const codes = Array.from(await quantizer.embedding.weight.data());
  const [least, most] = [Math.min(...codes), Math.max(...codes)];
  assert.ok(least >= -0.01 && least < -0.0095 && most <= 0.01 && most > 0.0095, `${least}..${most}`);
  assert.deepEqual(Object.keys(stateDict(quantizer)), ['embedding.weight']);
  const clustering = new VectorQuantizer(4, 2, new Rng(1), { clusteringVQ: true });
  assert.deepEqual(Object.keys(stateDict(clustering)).sort(), ['embed_prob', 'embedding.weight']);
});

test('with l2Norm, codes of ids of any shape have length 1', async () => {
  using _ = tensorScope();
  const quantizer = new VectorQuantizer(6, 3, new Rng(1), { l2Norm: true });
  const codes = quantizer.lookup(tensor([0, 1, 2, 3, 4, 5], [1, 2, 3], { dtype: 'int32' }));
  close(await sum(codes.square(), -1).data(), new Array(6).fill(1), 1e-5);
});

test('a latent of the wrong size is an error with both shapes', () => {
  const quantizer = new VectorQuantizer(6, 3, new Rng(1));
  const shapes = [
    [2, 3, 2, 5],
    [2, 3, 1],
    [2, 3, 1, 5, 1],
    [2, 4, 1, 5],
  ];
  for (const shape of shapes) {
    assert.throws(() => quantizer.encode(zeros(shape)), {
      name: 'ShapeError',
      message: `VectorQuantizer: expected z [batch, 3, 1, tokens], got [${shape.join(', ')}].`,
    });
    if (shape[2] === 2) continue;
    assert.throws(() => latentRows(quantizer, zeros(shape)), {
      name: 'ShapeError',
      message: `latentRows: expected z [batch, 3, 1, tokens], got [${shape.join(', ')}].`,
    });
  }
  assert.throws(() => quantizer.encode(zeros([2, 4, 1, 5])), /expected z \[batch, 3, 1, tokens\], got \[2, 4, 1, 5\]/);
});

test('usage counts codes; its perplexity is how many are used equally often', () => {
  const usage = new CodebookUsage(8).add([0, 1, 2, 3]).add(Int32Array.of(0, 1, 2, 3));
  assert.equal(usage.used, 4);
  assert.equal(usage.fraction, 0.5);
  close([usage.perplexity], [4], 1e-5);
  assert.equal(new CodebookUsage(8).perplexity, 0);
  assert.throws(() => usage.add([0, 8]), /ids in 0\.\.7, got 8 at position 1/);
  assert.equal(usage.counts[0], 2);
});

/** Latents that the given codes stand for exactly. */
function latentsAt(quantizer: VectorQuantizer, ids: number[]) {
  const rows = quantizer.lookup(tensor(ids, [1, ids.length], { dtype: 'int32' })); // [1, tokens, dim]
  return stopGradient(rows.permute([0, 2, 1]).unsqueeze(2));
}

test('an averaged codebook follows its latents: e = Σ γ-weighted means', async () => {
  using _ = tensorScope();
  const [V, D, decay] = [4, 2, 0.9];
  const quantizer = new VectorQuantizer(V, D, new Rng(5));
  const codebook = new EmaCodebook(quantizer, { decay, reviveBelow: 0 });
  const start = await quantizer.embedding.weight.data();
  const share = new Array<number>(V).fill(1 / V);
  const sums = Array.from(start, (x) => x / V);
  const rng = new Rng(6);
  for (let step = 0; step < 5; step++) {
    const z = randn([2, D, 1, 3], rng);
    const { indices } = quantizer.encode(z);
    const [values, ids] = [await z.data(), await indices.data()];
    for (let j = 0; j < V; j++) {
      const rows = Array.from(ids, (id, r) => (id === j ? [r] : [])).flat();
      share[j] = decay * share[j] + ((1 - decay) * rows.length) / 6;
      for (let d = 0; d < D; d++) {
        const seen = rows.reduce((sum, r) => sum + values[Math.floor(r / 3) * D * 3 + d * 3 + (r % 3)], 0) / 6;
        sums[j * D + d] = decay * sums[j * D + d] + (1 - decay) * seen;
      }
    }
    codebook.update(z, indices, rng);
  }
  close(await codebook.share.data(), share);
  close(
    await quantizer.embedding.weight.data(),
    sums.map((x, i) => x / share[Math.floor(i / D)]),
  );
});

test('revival moves dead codes to latents and leaves used codes where they are', async () => {
  for (const l2Norm of [false, true]) {
    using _ = tensorScope();
    const quantizer = new VectorQuantizer(5, 3, new Rng(1), { l2Norm });
    quantizer.embedding.weight.assign([1, 0, 0, 0, 1, 0, 9, 9, 9, 9, 9, -9, 0, 0, 1]);
    const codebook = new EmaCodebook(quantizer, { decay: 0.5, reviveBelow: 0.03 });
    const z = latentsAt(quantizer, [0, 1, 4, 0, 1, 4]);
    const rng = new Rng(2);
    for (let step = 1; step <= 8; step++) {
      codebook.update(z, quantizer.encode(z).indices, rng);
      if (step > 5) continue;
      const alive = (await quantizer.embedding.weight.data()).slice(6, 12); // share ½^step / 5, above 0.03 / 5
      close(alive, [9, 9, 9, 9, 9, -9], 1e-6, 'rare codes');
    }
    const codes = await quantizer.embedding.weight.data();
    close(codes.slice(0, 6), [1, 0, 0, 0, 1, 0], 1e-6, 'used codes');
    close(codes.slice(12), [0, 0, 1], 1e-6, 'used code');
    const latents = new Set(['1,0,0', '0,1,0', '0,0,1']);
    for (const j of [2, 3])
      assert.ok(
        latents.has(Array.from(codes.slice(3 * j, 3 * j + 3), Math.round).join()),
        `code ${j} is ${codes.slice(3 * j, 3 * j + 3)}`,
      );
    const shares = await codebook.share.data();
    assert.ok(
      shares.every((share) => share >= 0.03 / 5),
      `shares ${shares}`,
    );
  }
});

test('dead codes start from different latents, with the share of a code that is used evenly', async () => {
  using _ = tensorScope();
  const quantizer = new VectorQuantizer(8, 2, new Rng(1));
  quantizer.embedding.weight.assign([0, 0, ...new Array<number>(14).fill(99)]);
  const codebook = new EmaCodebook(quantizer, { decay: 0, reviveBelow: 0.5 });
  const z = randn([4, 2, 1, 8], new Rng(2));
  codebook.update(z, zeros([4, 1, 8], { dtype: 'int32' }), new Rng(3));
  const codes = Array.from(await quantizer.embedding.weight.data());
  const revived = Array.from({ length: 7 }, (_, j) => codes.slice(2 * j + 2, 2 * j + 4));
  assert.ok(new Set(revived.map(String)).size > 3, `${revived}`);
  close(await codebook.share.data(), [1, ...new Array<number>(7).fill(1 / 8)]);
  close(
    (await codebook.sum.data()).slice(2),
    codes.slice(2).map((x) => x / 8),
  );
});

test('without revival a code that nothing chooses stays where it is; no latents change nothing', async () => {
  using _ = tensorScope();
  const quantizer = new VectorQuantizer(3, 2, new Rng(4));
  const codebook = new EmaCodebook(quantizer, { decay: 0, reviveBelow: 0 });
  const [, , unused] = (await quantizer.codes.tolist()) as number[][];
  const ids = tensor([0, 1], [1, 1, 2], { dtype: 'int32' });
  for (let n = 0; n < 2; n++) codebook.update(tensor([5, 6, 7, 8], [1, 2, 1, 2]), ids, new Rng(1));
  const none = zeros([1, 1, 0], { dtype: 'int32' });
  codebook.update(zeros([1, 2, 1, 0]), none, new Rng(1));
  assert.deepEqual(await quantizer.codes.tolist(), [[5, 7], [6, 8], unused]); // biome-ignore format: a matrix
});

test('a codebook works on its own device, whichever is the default', async () => {
  const reference = await openDevice('reference');
  const run = async (device: Device) => {
    const quantizer = withDevice(device, () => new VectorQuantizer(4, 2, new Rng(1)));
    const codebook = withDevice(device, () => new EmaCodebook(quantizer));
    await codebook.warmStart(randn([64, 2], new Rng(4)).dataSync(), new Rng(5));
    const z = randn([2, 2, 1, 3], new Rng(2), { device });
    codebook.update(z, quantizer.encode(z).indices, new Rng(3));
    return quantizer.embedding.weight.data();
  };
  using _ = tensorScope();
  close(await run(reference), await run(defaultDevice()), 1e-5);
});

test('a codebook names options that it does not have or that are out of range', async () => {
  const quantizer = new VectorQuantizer(4, 2, new Rng(1));
  const fails = (f: () => unknown, name: string, message: string | RegExp) => assert.throws(f, { name, message });
  fails(
    () => new EmaCodebook(quantizer, { decya: 0.9 } as never),
    'OptionError',
    "EmaCodebook: expected options decay, reviveBelow, got 'decya' (did you mean 'decay'?).",
  );
  for (const decay of [-0.1, 1.1, Number.NaN])
    fails(
      () => new EmaCodebook(quantizer, { decay }),
      'OptionError',
      `EmaCodebook, decay: expected a number in 0..1, got ${decay}.`,
    );
  for (const reviveBelow of [-1, 2, Number.NaN])
    fails(() => new EmaCodebook(quantizer, { reviveBelow }), 'OptionError', /^EmaCodebook, reviveBelow: expected/);
  fails(
    () => new EmaCodebook(new SimVQ(4, 2, new Rng(1))),
    'OptionError',
    'EmaCodebook: expected a quantizer whose codes are its embedding.weight, got a SimVQ. Train it by gradient.',
  );
  fails(
    () => new VectorQuantizer(4, 2, new Rng(0), { gradient: 'rotate' as never }),
    'OptionError',
    'VectorQuantizer, gradient: expected straight-through or rotation, got rotate.',
  );
  for (const decay of [0, 1]) assert.doesNotThrow(() => new EmaCodebook(quantizer, { decay }));
  const codebook = new EmaCodebook(quantizer, { reviveBelow: 0 });
  const z = zeros([1, 2, 1, 3]);
  fails(
    () => codebook.update(z, zeros([1, 1, 3], { dtype: 'int32' }), undefined as never),
    'OptionError',
    /^EmaCodebook\.update: expected/,
  );
  await assert.rejects(
    codebook.warmStart([1, 2], undefined as never),
    /^OptionError: EmaCodebook\.warmStart: expected/,
  );
  fails(() => new VectorQuantizer(4, 2, undefined as never), 'OptionError', /^VectorQuantizer: expected/);
  fails(
    () => new VectorQuantizer(4, 2, new Rng(0), { l2norm: true } as never),
    'OptionError',
    "VectorQuantizer: expected options l2Norm, commitmentCost, clusteringVQ, gradient, got 'l2norm' (did you mean 'l2Norm'?).",
  );
});

test('k-means finds separate clusters, and a codebook started from it uses every code', async () => {
  using _ = tensorScope();
  const rng = new Rng(3);
  const centers = [
    [0, 0],
    [10, 0],
    [0, 10],
    [10, 10],
  ];
  const points = Float32Array.from(
    { length: 400 },
    (_, i) => centers[Math.floor(i / 2) % 4][i % 2] + 0.1 * rng.normal(),
  );
  const found = await kMeans(points, 2, 4, new Rng(1));
  const rounded = Array.from({ length: 4 }, (_, j) =>
    [found[2 * j], found[2 * j + 1]].map((x) => x.toFixed(0).replace('-0', '0')).join(),
  );
  assert.deepEqual(rounded.sort(), centers.map(String).sort());

  const quantizer = new VectorQuantizer(16, 2, new Rng(4));
  const codebook = new EmaCodebook(quantizer);
  await codebook.warmStart(points, new Rng(5));
  const usage = new CodebookUsage(16).add(await quantizer.nearest(tensor(points, [200, 2])).data());
  assert.ok(usage.used >= 14, `${usage.used} of 16 codes in use`);
  await assert.rejects(kMeans(points.subarray(0, 6), 2, 4, rng), /at least 4 points of 2 values, got 3/);
});

test('an update leaves no tensors behind', () => {
  const quantizer = new VectorQuantizer(8, 3, new Rng(1), { clusteringVQ: true });
  const codebook = new EmaCodebook(quantizer);
  const rng = new Rng(2);
  const step = () => {
    using _ = tensorScope();
    const z = randn([2, 3, 1, 4], rng);
    const { indices } = quantizer.encode(z);
    quantizer.reseed(z, indices);
    codebook.update(z, indices, rng);
  };
  step();
  const before = memory();
  step();
  assert.deepEqual(memory(), before);
});
