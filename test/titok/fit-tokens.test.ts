/** Fitting tokens to pixels: what is yielded is what the tokens decode to, it gets better, and only the latents move. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memory, noGrad, Rng, type Tensor, tensor, tensorScope, tidy, uniform } from '../../core/index.ts';
import { psnr } from '../../eval/index.ts';
import { stateDict } from '../../nn/index.ts';
import { type FitOptions, type FitState, fitTokens, TiTok } from '../../titok/index.ts';
import { loadModel } from '../../train/index.ts';
import { forms } from './configs.ts';

const fit = async (model: TiTok, image: Tensor, options: FitOptions): Promise<FitState[]> => {
  const states: FitState[] = [];
  for await (const state of fitTokens(model, image, options)) states.push(state);
  return states;
};
const decoded = async (model: TiTok, ids: ArrayLike<number>): Promise<Float32Array> => {
  using _ = tensorScope();
  const t = tensor(Int32Array.from(ids), [1, ids.length], { dtype: 'int32' });
  return Float32Array.from(await noGrad(() => model.decodeTokens(t)).data(), (x) => Math.min(1, Math.max(0, x)));
};
const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number) => {
  assert.equal(a.length, b.length);
  for (let i = 0; i < a.length; i++) assert.ok(Math.abs(a[i] - b[i]) < tolerance, `${a[i]} and ${b[i]} at ${i}`);
};

for (const form of ['pixels', 'finetune', 'laptopFinetune'] as const) {
  test(`${form}: starts with the encoder's tokens; picture and PSNR are those of the ids; PSNR never falls`, async () => {
    const model = new TiTok(forms[form], new Rng(2));
    const image = uniform([1, 3, 8, 8], 0, 1, new Rng(3));
    const original = await image.data();
    const encoded = tidy(() => model.encode(image).indices);
    const weights = await Promise.all(Object.values(stateDict(model)).map((t) => t.data()));
    const before = memory();
    const states = await fit(model, image, { steps: 12, learningRate: 0.2 });
    assert.deepEqual(memory(), before);
    assert.deepEqual(
      states.map(({ step }) => step),
      Array.from({ length: 13 }, (_, i) => i),
    );
    assert.deepEqual([...states[0].ids], [...(await encoded.data())]);
    for (const [i, state] of states.entries()) {
      close(state.image, await decoded(model, state.ids), 1e-4);
      assert.ok(Math.abs(state.psnr - psnr(original, state.image)) < 1e-3);
      if (i > 0) assert.ok(state.psnr >= states[i - 1].psnr);
    }
    assert.ok((states.at(-1)?.psnr ?? 0) > states[0].psnr, 'twelve steps find better tokens');
    const after = await Promise.all(Object.values(stateDict(model)).map((t) => t.data()));
    assert.deepEqual(after, weights);
  });
}

test('start ids: the first state is theirs; from other ones, the way leads towards the picture', async () => {
  const model = new TiTok(forms['laptopFinetune'], new Rng(2));
  const ids = [3, 7, 1];
  const image = tensor(await decoded(model, ids), [1, 3, 8, 8]);
  const [own] = await fit(model, image, { steps: 0, start: ids });
  assert.deepEqual([...own.ids], ids);
  const wrong = [4, 7, 1];
  const states = await fit(model, image, { steps: 20, start: wrong });
  assert.deepEqual([...states[0].ids], wrong);
  assert.ok(own.psnr > 60);
  assert.ok(states[20].psnr > states[0].psnr, `${states[0].psnr} → ${states[20].psnr}`);
});

test('region: only its pixels count', async () => {
  const model = new TiTok(forms['pixels'], new Rng(2));
  const image = uniform([1, 3, 8, 8], 0, 1, new Rng(3));
  const original = await image.data();
  const region = Float32Array.from({ length: 64 }, (_, p) => (p % 8 < 3 ? 1 : 0));
  const inside = (values: ArrayLike<number>) => Array.from(values).filter((_, i) => region[i % 64] === 1);
  const states = await fit(model, image, { steps: 12, learningRate: 0.2, region });
  for (const state of states)
    assert.ok(Math.abs(state.psnr - psnr(inside(original), inside(state.image))) < 1e-3, `${state.psnr}`);
  // other pixels elsewhere make no difference
  const other = tensor(
    original.map((x, i) => (region[i % 64] === 1 ? x : 1 - x)),
    [1, 3, 8, 8],
  );
  const start = states[0].ids;
  const [a, b] = [
    await fit(model, image, { steps: 6, region, start }),
    await fit(model, other, { steps: 6, region, start }),
  ];
  assert.deepEqual(
    b.map(({ ids }) => [...ids]),
    a.map(({ ids }) => [...ids]),
  );
  const half = region.map((w) => w / 2); // a common factor makes none either
  const c = await fit(model, image, { steps: 6, region: half, start });
  close(
    c.map(({ loss }) => loss),
    a.map(({ loss }) => loss),
    1e-6,
  );
});

test('the model in the box: 20 steps gain half a dB on a picture it never saw; leaving early frees everything', async () => {
  const { tokenizer } = await loadModel('emoji-32');
  const inDisk = (i: number, x: number, y: number, r: number) =>
    Math.hypot((i % 32) - x, (Math.floor(i / 32) % 32) - y) < r;
  const image = tensor(
    Float32Array.from({ length: 3 * 1024 }, (_, i) =>
      inDisk(i, 12, 10, 4) ? 0.1 : inDisk(i, 16, 16, 13) ? [1, 0.8, 0.2][Math.floor(i / 1024)] : 1,
    ),
    [1, 3, 32, 32],
  ); // a yellow face with one eye
  const before = memory();
  const psnrs: number[] = [];
  for await (const { psnr } of fitTokens(tokenizer, image)) if (psnrs.push(psnr) > 20) break;
  assert.deepEqual(memory(), before);
  assert.ok(psnrs[20] > psnrs[0] + 0.5, `${psnrs[0]} → ${psnrs[20]}`);
});

test('a consumer with a scope around every step takes nothing away', async () => {
  const model = new TiTok(forms['pixels'], new Rng(2));
  const image = uniform([1, 3, 8, 8], 0, 1, new Rng(3));
  const expected = await fit(model, image, { steps: 4 });
  const iterator = fitTokens(model, image, { steps: 4 });
  for (const state of expected) {
    const scope = tensorScope();
    const next = iterator.next();
    scope[Symbol.dispose]();
    assert.deepEqual((await next).value, state);
  }
});

test('mistakes are named', async () => {
  const model = new TiTok(forms['pixels'], new Rng(1));
  const image = uniform([1, 3, 8, 8], 0, 1, new Rng(3));
  const bad: [FitOptions, RegExp][] = [
    [{ steps: -1 }, /fitTokens steps: expected a whole number from 0 to 100000, got -1/],
    [{ learningRate: 0 }, /fitTokens learningRate: expected a number above 0, got 0/],
    [{ region: [1] }, /fitTokens region: expected 8 × 8 weights, got 1 of them/],
    [{ region: new Float32Array(64) }, /fitTokens region: expected a weight above 0, got none/],
    [{ region: new Float32Array(64).fill(2) }, /fitTokens region: expected weights in 0\.\.1, got 2/],
    [{ start: [1] }, /fitTokens start: expected 3 ids, got 1 of them/],
    [{ start: [0, 1, 9] }, /fitTokens start: expected ids in 0\.\.8, got 9/],
    [{ rate: 1 } as FitOptions, /fitTokens: expected options steps, learningRate, region, start, got 'rate'/],
  ];
  for (const [options, message] of bad) await assert.rejects(fit(model, image, options), message);
  const wrong = uniform([2, 3, 8, 8], 0, 1, new Rng(3));
  await assert.rejects(
    fit(model, wrong, {}),
    /^ShapeError: fitTokens: expected an image \[1, 3, 8, 8\], got \[2, 3, 8, 8\]/,
  );
  await assert.rejects(fit(new TiTok(forms['vae'], new Rng(1)), image, {}), /quantizeMode 'vq', got 'vae'/);
  await assert.rejects(
    fit(new TiTok(forms['warmup'], new Rng(1)), image, {}),
    /expected a model that decodes to pixels/,
  );
});

test('damaged weights are named', async () => {
  const model = new TiTok(forms['pixels'], new Rng(1));
  for (const t of Object.values(stateDict(model.decoder))) t.assign(new Float32Array(t.size).fill(Number.NaN));
  const before = memory();
  await assert.rejects(fit(model, tensor(new Float32Array(192), [1, 3, 8, 8]), {}), {
    name: 'NonFiniteError',
    message: "fitTokens, step 0: expected a finite error, got NaN. Are the model's weights damaged?",
  });
  assert.equal(memory().tensors, before.tensors + 1);
});
