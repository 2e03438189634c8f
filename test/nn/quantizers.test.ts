/** All quantizers: their values against NumPy's, what they have in common, and their gradients. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkGradients,
  grad,
  memory,
  noGrad,
  openDevice,
  Rng,
  randn,
  type Tensor,
  tensor,
  tensorScope,
  withDevice,
  zeros,
} from '../../core/index.ts';
import { CodebookUsage } from '../../eval/index.ts';
import {
  BinaryQuantizer,
  bitsFor,
  codeDim,
  createQuantizer,
  FiniteScalarQuantizer,
  fsqLevels,
  type Quantizer,
  type QuantizerConfig,
  quantizerNames,
  rotated,
  SimVQ,
  sizesNear,
  stateDict,
  VectorQuantizer,
} from '../../nn/index.ts';
import { close } from './golden.ts';
import { type Saved, tensorOf } from './pytorch.ts';

interface Case {
  readonly z: Saved;
  readonly zQuantized: Saved;
  readonly ids: readonly number[];
}
interface Rounded extends Case {
  readonly levels: readonly number[];
  readonly slopes: Saved;
}
const reference = JSON.parse(readFileSync(new URL('./quantizers.json', import.meta.url), 'utf8')) as {
  readonly fsq: readonly Rounded[];
  readonly ifsq: readonly Rounded[];
  readonly binary: readonly (Case & {
    readonly bits: number;
    readonly options: ConstructorParameters<typeof BinaryQuantizer>[1];
    readonly commitment: number;
    readonly entropy: number;
    readonly loss: number;
  })[];
  readonly simvq: Case & {
    readonly codes: Saved;
    readonly matrix: Saved;
    readonly beta: number;
    readonly commitment: number;
    readonly codebook: number;
    readonly gradient: Saved;
  };
  readonly rotation: Readonly<Record<'e' | 'q' | 'pull' | 'gradient', Saved>>;
};

const config = (quantizer: QuantizerConfig['quantizer'], codebookSize = 64, l2Norm = true): QuantizerConfig => ({
  quantizer,
  codebookSize,
  dim: codeDim({ quantizer, codebookSize, dim: 6 }),
  l2Norm,
  commitmentCost: 0.25,
  entropyCost: 0.1,
});
const all = (codebookSize: number): Quantizer[] =>
  quantizerNames.flatMap((name) =>
    [true, false].map((l2Norm) => createQuantizer(config(name, codebookSize, l2Norm), new Rng(1))),
  );
const int32 = (ids: readonly number[], shape = [ids.length]): Tensor => tensor([...ids], shape, { dtype: 'int32' });

async function sameAs(quantizer: Quantizer, { z, zQuantized, ids }: Case): Promise<ReturnType<Quantizer['encode']>> {
  const out = quantizer.encode(tensorOf(z));
  assert.deepEqual([...(await out.indices.data())], ids);
  close(await out.zQuantized.data(), zQuantized.data, 1e-5, 'zQuantized');
  return out;
}

for (const bound of ['fsq', 'ifsq'] as const) {
  test(`${bound}: codes, ids and slopes as NumPy computes them`, async () => {
    using _ = tensorScope();
    for (const saved of reference[bound]) {
      const quantizer = new FiniteScalarQuantizer(saved.levels, { bound });
      const { loss } = await sameAs(quantizer, saved);
      assert.equal(await loss.item(), 0);
      const z = tensorOf(saved.z);
      const [slopes] = grad(quantizer.encode(z).zQuantized.sum(), [z]);
      close(await slopes.data(), saved.slopes.data, 1e-5, 'slopes');
    }
  });
}

test('fsq by hand: 3 levels round at ±½, 4 levels have code 0 at z = 0', async () => {
  using _ = tensorScope();
  const at = async (L: number, values: number[], bound: 'fsq' | 'ifsq' = 'fsq') => {
    const z = tensor(values, [1, 1, 1, values.length]);
    return [...(await new FiniteScalarQuantizer([L], { bound }).encode(z).zQuantized.data())];
  };
  const near = Math.atanh(0.5 / 0.999); // h = 0.999: tanh(z) h = ½
  assert.deepEqual(await at(3, [-9, -near - 0.01, -near + 0.01, near - 0.01, near + 0.01, 9]), [-1, -1, 0, 0, 1, 1]);
  assert.deepEqual(await at(4, [-9, 0, 9]), [-1, 0, 0.5]);
  assert.deepEqual(
    await at(4, [-9, -0.01, 0.01, 9], 'ifsq').then((xs) => xs.map((x) => Math.round(3 * x))),
    [-3, -1, 1, 3],
  );
});

test('lfq and bsq: codes, ids, commitment and entropy as NumPy computes them, over all codes', async () => {
  using _ = tensorScope();
  for (const saved of reference.binary) {
    const quantizer = new BinaryQuantizer(saved.bits, saved.options);
    await sameAs(quantizer, saved);
    const out = quantizer.encode(tensorOf(saved.z));
    close([await out.commitmentLoss.item()], [saved.commitment], 1e-5, 'commitment');
    close([await out.entropyLoss.item()], [saved.entropy], 1e-5, 'entropy');
    close([await out.loss.item()], [saved.loss], 1e-5, 'loss');
  }
});

test('the entropy term is lowest for sure latents that use all codes equally: −log V', async () => {
  using _ = tensorScope();
  for (const spherical of [false, true]) {
    const quantizer = new BinaryQuantizer(3, { spherical, temperature: 0.01 });
    const corners = quantizer.lookup(int32([0, 1, 2, 3, 4, 5, 6, 7])); // [8, 3]
    const lossOf = async (rows: Tensor) =>
      quantizer.encode(rows.permute([1, 0]).reshape([1, 3, 1, -1])).entropyLoss.item();
    close([await lossOf(corners)], [-Math.log(8)], 1e-5);
    close([await lossOf(quantizer.lookup(int32([5, 5, 5, 5])))], [0], 1e-5); // sure, but one code
    close([await lossOf(zeros([8, 3]))], [0], 1e-5); // all codes, but unsure
  }
});

test('simvq: codes through a matrix, its losses, and the gradient of the matrix as NumPy computes them', async () => {
  using _ = tensorScope();
  const saved = reference.simvq;
  const quantizer = new SimVQ(6, 3, new Rng(1), { commitmentCost: saved.beta });
  quantizer.embedding.weight.assign(saved.codes.data);
  quantizer.embedding_proj.weight.assign(saved.matrix.data);
  const out = await sameAs(quantizer, saved);
  close([await out.commitmentLoss.item()], [saved.commitment], 1e-5, 'commitment');
  close([await out.codebookLoss.item()], [saved.codebook], 1e-5, 'codebook');
  close([await out.loss.item()], [saved.commitment + saved.codebook], 1e-5, 'loss');
  const [gradient] = grad(out.loss, [quantizer.embedding_proj.weight]);
  close(await gradient.data(), saved.gradient.data, 1e-5, 'gradient');
  assert.deepEqual(Object.keys(stateDict(quantizer)), ['embedding.weight', 'embedding_proj.weight']);
});

test('the rotation trick: the value is the code, the gradient is turned back, as NumPy computes it by an angle', async () => {
  using _ = tensorScope();
  const { e, q, pull, gradient } = reference.rotation;
  const latents = tensorOf(e);
  const turned = rotated(latents, tensorOf(q));
  close(await turned.data(), q.data, 1e-6);
  close(await grad(turned.mul(tensorOf(pull)).sum(), [latents])[0].data(), gradient.data, 1e-5);
  const opposite = rotated(latents, latents.neg());
  close(
    await opposite.data(),
    e.data.map((x) => -x),
    1e-6,
  );
});

test('a vector quantizer with the rotation trick has the values and losses of one without', async () => {
  using _ = tensorScope();
  for (const l2Norm of [true, false]) {
    const [plain, turning] = (['vq', 'rotation'] as const).map((name) =>
      createQuantizer(config(name, 64, l2Norm), new Rng(1)),
    );
    const z = randn([2, 6, 1, 5], new Rng(2));
    const [a, b] = [plain.encode(z), turning.encode(z)];
    close(await b.zQuantized.data(), await a.zQuantized.data(), 1e-5);
    assert.deepEqual(await b.indices.data(), await a.indices.data());
    assert.equal(await b.loss.item(), await a.loss.item());
    const pull = randn(z.shape, new Rng(3));
    const gradients = [a, b].map(({ zQuantized }) => grad(zQuantized.mul(pull).sum(), [z])[0]);
    assert.notDeepEqual(await gradients[1].data(), await gradients[0].data());
  }
});

test('lookup gives what encode gave, ids are in range, and latentsOf leads back to every id', async () => {
  for (const quantizer of all(64)) {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.double({ min: 0.01, max: 30, noNaN: true }), async (seed, size) => {
        using _ = tensorScope();
        const z = randn([2, quantizer.dim, 1, 5], new Rng(seed)).mul(size);
        const { zQuantized, indices } = quantizer.encode(z);
        assert.deepEqual([zQuantized.shape, indices.shape], [z.shape, [2, 1, 5]]);
        for (const id of await indices.data()) assert.ok(Number.isInteger(id) && id >= 0 && id < 64);
        const codes = quantizer.lookup(indices).permute([0, 3, 1, 2]); // [2, dim, 1, 5]
        const error = await codes.sub(zQuantized).abs().max().item();
        assert.ok(error < 1e-6 * Math.max(1, 4 * size), `${error}`); // z + (q − z) is rounded as z is
      }),
      { seed: 1, numRuns: 10 },
    );
    using _ = tensorScope();
    const ids = Array.from({ length: 64 }, (_, id) => id);
    const latents = quantizer.latentsOf(int32(ids)); // [64, dim]
    assert.deepEqual(latents.shape, [64, quantizer.dim]);
    const { indices } = quantizer.encode(latents.permute([1, 0]).reshape([1, quantizer.dim, 1, 64]));
    assert.deepEqual([...(await indices.data())], ids);
    const table = await quantizer.lookup(int32(ids)).data();
    const rows = ids.map((id) => table.slice(id * quantizer.dim, (id + 1) * quantizer.dim).join());
    assert.equal(new Set(rows).size, 64); // no code twice
  }
});

test('the decoder’s gradient reaches z as through relax; fixed codes take all of it, unless a bound flattens it', async () => {
  using _ = tensorScope();
  for (const name of ['vq', 'simvq', 'fsq', 'ifsq', 'bsq'] as const) {
    const quantizer = createQuantizer(config(name), new Rng(1));
    const z = randn([2, quantizer.dim, 1, 4], new Rng(2));
    const pull = randn(z.shape, new Rng(3));
    const through = grad(quantizer.encode(z).zQuantized.mul(pull).sum(), [z])[0];
    const relaxed = grad(quantizer.relax(z).mul(pull).sum(), [z])[0];
    close(await through.data(), await relaxed.data(), 1e-5, name);
  }
  const lfq = createQuantizer(config('lfq'), new Rng(1));
  const z = randn([2, lfq.dim, 1, 4], new Rng(2));
  const pull = randn(z.shape, new Rng(3));
  close(await grad(lfq.encode(z).zQuantized.mul(pull).sum(), [z])[0].data(), await pull.data(), 1e-6);
});

test('gradients of relax and of the losses are those of finite differences', async () => {
  const device = await openDevice('reference');
  for (const name of quantizerNames) {
    const quantizer = withDevice(device, () => createQuantizer(config(name), new Rng(1)));
    const z = randn([2, quantizer.dim, 1, 3], new Rng(4), { device });
    await checkGradients((z) => quantizer.relax(z), [z]);
    if (name === 'fsq' || name === 'ifsq') continue;
    // Codes are locally constant: each loss is a smooth function of what it pulls.
    await checkGradients((z) => quantizer.encode(z).commitmentLoss, [z]);
    if (quantizer instanceof BinaryQuantizer) await checkGradients((z) => quantizer.encode(z).entropyLoss, [z]);
    if (!(quantizer instanceof VectorQuantizer)) continue;
    const weights = quantizer instanceof SimVQ ? quantizer.embedding_proj.weight : quantizer.embedding.weight;
    const start = await weights.data();
    const v = new Rng(5).uniforms(start.length, -1, 1);
    const lossAt = async (eps: number) => {
      weights.assign(start.map((x, i) => x + eps * v[i]));
      return noGrad(() => quantizer.encode(z).codebookLoss).item();
    };
    const slope = ((await lossAt(1e-5)) - (await lossAt(-1e-5))) / 2e-5;
    weights.assign(start);
    const gradient = await grad(quantizer.encode(z).codebookLoss, [weights])[0].data();
    close([gradient.reduce((sum, g, i) => sum + g * v[i], 0)], [slope], 1e-5, name);
  }
});

test('levels are those of the paper where it has some, and the fewest and most even otherwise', () => {
  const published: Record<number, number[]> = {
    240: [8, 6, 5],
    1000: [8, 5, 5, 5],
    4375: [7, 5, 5, 5, 5],
    15360: [8, 8, 8, 6, 5],
    64000: [8, 8, 8, 5, 5, 5],
  };
  for (const [size, levels] of Object.entries(published)) assert.deepEqual(fsqLevels(Number(size)), levels);
  assert.deepEqual(fsqLevels(512), [8, 8, 8]);
  assert.deepEqual(fsqLevels(1024), [8, 8, 4, 4]);
  assert.deepEqual(fsqLevels(4096), [8, 8, 8, 8]);
  assert.deepEqual(fsqLevels(3), [3]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 3, max: 8 }), { minLength: 1, maxLength: 5 }), (levels) => {
      const size = levels.reduce((a, b) => a * b);
      const found = fsqLevels(size);
      assert.equal(
        found.reduce((a, b) => a * b),
        size,
      );
      assert.ok(found.length <= levels.length && found.every((L) => L >= 3 && L <= 8));
    }),
  );
});

test('numbers of codes that a quantizer cannot have are errors that name the nearest ones', () => {
  const fails = (f: () => unknown, message: string | RegExp) => assert.throws(f, { name: 'OptionError', message });
  fails(
    () => new FiniteScalarQuantizer([4, 4], { bound: 'IFSQ' as never }),
    'FiniteScalarQuantizer, bound: expected fsq or ifsq, got IFSQ.',
  );
  fails(
    () => createQuantizer({ quantizer: 'VQ' } as never, new Rng(0)),
    /^createQuantizer, quantizer: expected one of vq,/,
  );
  fails(
    () => fsqLevels(509),
    "codebookSize: expected a product of levels from 3 to 8 for quantizer 'fsq', got 509. Take 504 or 512.",
  );
  fails(() => fsqLevels(2), /got 2\. Take 3\.$/);
  fails(() => fsqLevels(0.5), /got 0\.5\. Take 3\.$/);
  fails(
    () => bitsFor(1000),
    "codebookSize: expected a power of two from 2 to 65536 for quantizer 'lfq' or 'bsq', got 1000. Take 512 or 1024.",
  );
  fails(() => bitsFor(1), /Take 2\.$/);
  fails(() => bitsFor(2 ** 17), /Take 65536\.$/);
  assert.deepEqual(
    (['vq', 'fsq', 'bsq'] as const).map((quantizer) => sizesNear({ quantizer, codebookSize: 509 })),
    [[509], [504, 512], [256, 512]],
  );
  fails(
    () => createQuantizer({ ...config('fsq'), dim: 12 }, new Rng(0)),
    "tokenSize: expected 2, the numbers per code of quantizer 'fsq' with 64 codes, got 12.",
  );
  fails(() => new FiniteScalarQuantizer([8, 2]), 'FiniteScalarQuantizer levels: expected whole numbers from 3, got 2.');
  fails(() => new FiniteScalarQuantizer([]), 'FiniteScalarQuantizer levels: expected at least one, got none.');
  fails(() => new BinaryQuantizer(17), 'BinaryQuantizer bits: expected a whole number from 1 to 16, got 17.');
  fails(() => new BinaryQuantizer(3, { temperature: 0 }), /temperature: expected a finite number above 0, got 0\./);
  fails(() => new BinaryQuantizer(3, { tau: 1 } as never), /^BinaryQuantizer: expected options spherical/);
  for (const quantizer of all(64))
    assert.throws(() => quantizer.encode(zeros([2, 7, 1, 3])), {
      name: 'ShapeError',
      message: new RegExp(`expected z \\[batch, ${quantizer.dim}, 1, tokens\\], got \\[2, 7, 1, 3\\]`),
    });
});

test('ifsq spreads normally distributed latents evenly over −1…1, fsq less so; random latents use all codes', async () => {
  using _ = tensorScope();
  /** Largest difference of the distribution of bounded latents from an even one. */
  const unevenness = async (bound: 'fsq' | 'ifsq') => {
    const quantizer = new FiniteScalarQuantizer([5], { bound });
    const values = [...(await quantizer.relax(randn([1, 1, 1, 20_000], new Rng(1))).data())].sort((a, b) => a - b);
    return Math.max(...values.map((x, i) => Math.abs((x + 1) / 2 - i / values.length)));
  };
  assert.ok((await unevenness('ifsq')) < 0.025);
  assert.ok((await unevenness('fsq')) > 0.035);
  for (const name of ['fsq', 'ifsq', 'lfq', 'bsq'] as const) {
    const quantizer = createQuantizer(config(name), new Rng(1));
    const z = randn([1, quantizer.dim, 1, 20_000], new Rng(1));
    const usage = new CodebookUsage(64).add(await quantizer.encode(z).indices.data());
    assert.equal(usage.used, 64);
    assert.ok(usage.perplexity > 40, `${name}: ${usage.perplexity}`);
  }
});

test('encoding leaves no tensors behind, whichever the quantizer', () => {
  for (const quantizer of all(64)) {
    const step = () => {
      using _ = tensorScope();
      quantizer.encode(randn([2, quantizer.dim, 1, 4], new Rng(2)));
    };
    step();
    const before = memory();
    step();
    assert.deepEqual(memory(), before);
  }
});
