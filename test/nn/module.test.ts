/** State dicts: names, round trips and what they say when they do not fit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CheckpointError, Rng, randn, type Tensor, tensor, tensorScope, ZeroRng } from '../../core/index.ts';
import { Conv2d, Linear, loadStateDict, pick, stateDict, TransformerBlock } from '../../nn/index.ts';
import { close } from './golden.ts';

class Model {
  readonly latent_tokens = tensor([1, 2], [2, 1]);
  readonly transformer: readonly TransformerBlock[];
  readonly ffn: { readonly 0: Conv2d; readonly 2: Conv2d };
  readonly config = { width: 4, name: 'tiny', steps: [1, 2] };
  readonly head: Linear;
  readonly nothing = null;

  constructor(rng: Rng) {
    this.transformer = [new TransformerBlock(4, 2, rng), new TransformerBlock(4, 2, rng)];
    this.ffn = { 0: new Conv2d(4, 8, 1, rng), 2: new Conv2d(8, 3, 1, rng, { bias: false }) };
    this.head = new Linear(4, 5, rng);
  }
}

test('keys are the paths of field names, as PyTorch writes them', () => {
  const shapes = Object.fromEntries(Object.entries(stateDict(new Model(new Rng(1)))).map(([key, t]) => [key, t.shape]));
  const block = (i: number) => ({
    [`transformer.${i}.ln_1.weight`]: [4],
    [`transformer.${i}.ln_1.bias`]: [4],
    [`transformer.${i}.attn.in_proj_weight`]: [12, 4],
    [`transformer.${i}.attn.in_proj_bias`]: [12],
    [`transformer.${i}.attn.out_proj.weight`]: [4, 4],
    [`transformer.${i}.attn.out_proj.bias`]: [4],
    [`transformer.${i}.ln_2.weight`]: [4],
    [`transformer.${i}.ln_2.bias`]: [4],
    [`transformer.${i}.mlp.c_fc.weight`]: [16, 4],
    [`transformer.${i}.mlp.c_fc.bias`]: [16],
    [`transformer.${i}.mlp.c_proj.weight`]: [4, 16],
    [`transformer.${i}.mlp.c_proj.bias`]: [4],
  });
  assert.deepEqual(shapes, {
    latent_tokens: [2, 1],
    ...block(0),
    ...block(1),
    'ffn.0.weight': [8, 4, 1, 1],
    'ffn.0.bias': [8],
    'ffn.2.weight': [3, 8, 1, 1],
    'head.weight': [5, 4],
    'head.bias': [5],
  });
});

test('a model survives the round trip through its state dict', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 5 }), async (seed, width) => {
      const [a, b] = [new Linear(width, 3, new Rng(seed)), new Linear(width, 3, new Rng(seed ^ 1))];
      const plain = Object.fromEntries(
        await Promise.all(
          Object.entries(stateDict(a)).map(
            async ([key, t]) => [key, { shape: t.shape, data: await t.data() }] as const,
          ),
        ),
      );
      loadStateDict(b, plain);
      const x = randn([2, width], new Rng(seed));
      assert.deepEqual(await b.forward(x).data(), await a.forward(x).data());
    }),
    { numRuns: 10, seed: 1 },
  );
});

test('parameters are made outside every scope', async () => {
  let layer: TransformerBlock;
  {
    using _ = tensorScope();
    layer = new TransformerBlock(4, 2, new Rng(1));
  }
  assert.equal((await layer.forward(randn([1, 3, 4], new Rng(2))).data()).length, 12);
});

test('what does not fit is named, with near matches, and nothing is written', async () => {
  const model = { ln_1: new Linear(2, 2, new Rng(1)), ln_2: new Linear(2, 2, new Rng(2)) };
  const before = await model.ln_1.weight.data();
  const good = { shape: [2, 2], data: [1, 2, 3, 4] };
  const bias = { shape: [2], data: [1, 2] };
  const load = (values: Parameters<typeof loadStateDict>[1]) => () =>
    loadStateDict(model, values, { source: 'run/last.safetensors' });
  assert.throws(
    load({ 'ln_1.weight': good, 'ln_1.bias': bias, 'ln_2.weigth': good, 'ln_2.bias': bias }),
    (e: Error) => {
      assert.equal(e.constructor, CheckpointError);
      assert.match(
        e.message,
        /^run\/last\.safetensors: .*'ln_2\.weigth' is in the file but not in the model \(did you mean 'ln_2\.weight'\?\)/,
      );
      return true;
    },
  );
  assert.throws(
    load({ 'ln_1.weight': good, 'ln_1.bias': bias, 'ln_2.weight': good }),
    /'ln_2\.bias' is missing from the file/,
  );
  assert.throws(
    load({
      'ln_1.weight': good,
      'ln_1.bias': bias,
      'ln_2.weight': { shape: [3, 2], data: [0, 0, 0, 0, 0, 0] },
      'ln_2.bias': bias,
    }),
    /'ln_2\.weight' is \[3, 2\] in the file, \[2, 2\] in the model/,
  );
  close(await model.ln_1.weight.data(), before, 0);
  loadStateDict(model, { 'ln_1.weight': good, elsewhere: bias }, { strict: false });
  close(await model.ln_1.weight.data(), good.data, 0);
});

test('values for a new model are read once, and checked all the same', () => {
  const values = (last: number) => {
    let reads = 0;
    const weight = {
      shape: [1, 2],
      get data() {
        reads++;
        return [1, last];
      },
    };
    const read = () => reads;
    return {
      read,
      load: (isNew: boolean) => loadStateDict(new Linear(2, 1, new ZeroRng(), { bias: false }), { weight }, { isNew }),
    };
  };
  const [once, twice, bad] = [values(2), values(2), values(Number.NaN)];
  once.load(true);
  twice.load(false);
  assert.deepEqual([once.read(), twice.read()], [1, 2]);
  assert.throws(() => bad.load(true), /expected finite values, got NaN in 'weight'/);
});

test('a load that fails halfway through its values changes nothing', () => {
  using _ = tensorScope();
  const model = { a: tensor([0, 0]), b: tensor([[0, 0], [0, 0]]) }; // biome-ignore format: a matrix
  const short = { a: { shape: [2], data: [1, 2] }, b: { shape: [2, 2], data: [1, 2, 3] } };
  assert.throws(() => loadStateDict(model, short), {
    name: 'CheckpointError',
    message: "loadStateDict: expected 4 values for 'b' [2, 2], got 3.",
  });
  const freed = tensor([[1, 2], [3, 4]]); // biome-ignore format: a matrix
  freed.dispose();
  assert.throws(() => loadStateDict(model, { a: tensor([1, 2]), b: freed }), /'b' is a tensor that was freed/);
  assert.deepEqual(Array.from(model.a.dataSync()), [0, 0]);
  assert.throws(() => stateDict(undefined as never), { name: 'TypeError', message: /expected a model, got undefined/ });
});

test('a key without a value is missing, and a value without a shape is an error', () => {
  using _ = tensorScope();
  const model = { a: tensor([0]), b: tensor([0]) };
  const load = (b: unknown, options = {}) => loadStateDict(model, { a: tensor([1]), b: b as Tensor }, options);
  for (const none of [undefined, null])
    assert.throws(() => load(none), { name: 'CheckpointError', message: /'b' is missing from the file/ });
  for (const odd of [[1], 1, { shape: [1] }, { data: [1] }])
    assert.throws(() => load(odd), {
      name: 'CheckpointError',
      message: /'b' is neither a tensor nor \{ shape, data \}/,
    });
  assert.throws(() => load(tensor([1]), { strickt: false }), {
    name: 'OptionError',
    message: /^loadStateDict: .*got 'strickt' \(did you mean 'strict'\?\)/,
  });
  assert.deepEqual(Array.from(model.a.dataSync()), [0]);
  load(undefined, { strict: false }); // the others, as without the key
  assert.deepEqual([...model.a.dataSync(), ...model.b.dataSync()], [1, 0]);
});

test('two tensors of one key are an error: one of them would be lost', () => {
  const model = { a: { b: tensor([1]) }, 'a.b': tensor([1, 2]) };
  assert.throws(() => stateDict(model), { name: 'TypeError', message: /expected one tensor at 'a\.b', got two/ });
});

test('a model that leads back to itself is an error, not an endless walk', () => {
  const child: { parent?: object } = {};
  child.parent = { child };
  assert.throws(() => stateDict(child), /'parent\.child' leads back/);
});

test('pick keeps the keys that pass', () => {
  assert.deepEqual(
    pick({ 'decoder.a': 1, 'encoder.a': 2 }, (key) => key.startsWith('decoder.')),
    { 'decoder.a': 1 },
  );
});
