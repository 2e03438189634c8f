/** The 2-D variant: tokens are patches. Shapes, places, round trips, gradients and what is refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkGradients,
  defaultDevice,
  noGrad,
  openDevice,
  Rng,
  setDefaultDevice,
  type Tensor,
  tensor,
  tensorScope,
  uniform,
} from '../../core/index.ts';
import { stateDict } from '../../nn/index.ts';
import { checkConfig, Teacher, TiTok, type TiTokConfig, withPixelDecoder } from '../../titok/index.ts';
import { close } from '../nn/golden.ts';
import { lean, warmup } from './configs.ts';

/** Images of 8 × 8 pixels in 2 × 2 tokens; the decoder gives 4 × 4 outputs. */
const twoD: TiTokConfig = {
  ...warmup,
  variant: '2d',
  latentTokens: 4,
  legacy: false,
  decoder: { ...warmup.decoder, patchSize: 2 },
  init: 'fan-in',
};
const pixels: TiTokConfig = { ...twoD, head: 'pixels' };
const images = (rng: Rng): Tensor => uniform([2, 3, 8, 8], 0, 1, rng);

test('no latents and no masks; a token for each patch, with every head', () => {
  using _ = tensorScope();
  const rng = new Rng(1);
  const model = new TiTok(twoD, rng);
  const names = Object.keys(stateDict(model)).filter((name) => /latent|mask/.test(name));
  assert.deepEqual(names, []);
  const { z, indices, output } = model.forward(images(rng));
  assert.deepEqual(
    [z.shape, indices.shape, output.shape],
    [
      [2, 5, 1, 4],
      [2, 1, 4],
      [2, 10, 4, 4],
    ],
  );
  assert.deepEqual(new TiTok(pixels, rng).forward(images(rng)).output.shape, [2, 3, 8, 8]);
  const teacher = new Teacher({ ...lean, stem: [16] }, rng);
  assert.deepEqual(withPixelDecoder(model, teacher).forward(images(rng)).output.shape, [2, 3, 8, 8]);
});

test('tokens decode as the codes that they stand for', async () => {
  using _ = tensorScope();
  const rng = new Rng(2);
  const model = new TiTok(pixels, rng);
  const { indices, output } = model.forward(images(rng));
  close(await model.decodeTokens(indices).data(), await output.data());
});

test('a token stands where its patch is: before attention, another code changes these positions only', async () => {
  using _ = tensorScope();
  const rng = new Rng(3);
  const model = new TiTok(pixels, rng);
  const z = uniform([1, 5, 1, 4], -1, 1, rng);
  const first = async (z: Tensor) => {
    const seen: Tensor[] = [];
    noGrad(() => model.decode(z, (name, x) => name === 'dec.ln_pre' && seen.push(x)));
    return seen[0].data(); // [1, 1 + 16, 12]
  };
  const changed = z.add(uniform([1, 5, 1, 1], 1, 2, rng).mul(onlyToken(2)));
  const [before, after] = [await first(z), await first(changed)];
  const moved = Array.from({ length: 17 }, (_, i) => i).filter((i) =>
    before.subarray(12 * i, 12 * i + 12).some((x, c) => x !== after[12 * i + c]),
  );
  assert.deepEqual(moved, [9, 10, 13, 14]); // below and left of 4 × 4 positions behind the class token
});

/** [1, 1, 1, 4]: 1 for a token, 0 for the others. */
const onlyToken = (k: number) =>
  tensor(
    [0, 1, 2, 3].map((i) => Number(i === k)),
    [1, 1, 1, 4],
  );

test('gradients through both grids', async (t) => {
  const before = defaultDevice();
  setDefaultDevice(await openDevice('reference'));
  t.after(() => setDefaultDevice(before));
  using _ = tensorScope();
  const rng = new Rng(4);
  const model = new TiTok(pixels, rng);
  await checkGradients((x) => model.encodeLatents(x), [images(rng)]);
  await checkGradients((z) => model.decode(z), [uniform([2, 5, 1, 4], -1, 1, rng)]);
});

test('what does not fit is refused', () => {
  const refused = (change: Partial<TiTokConfig>, message: RegExp) =>
    assert.throws(() => checkConfig({ ...twoD, ...change }), { name: 'OptionError', message });
  refused({ latentTokens: 3 }, /latentTokens: expected 4, the encoder's patches, for variant '2d', got 3/);
  refused({ decoder: { ...twoD.decoder, patchSize: 8 } }, /decoder\.patchSize: expected a divisor of the encoder's 4/);
  refused({ legacy: true }, /legacy: expected false for variant '2d', got true/);
  refused({ variableLength: true }, /variableLength: expected false for variant '2d', got true/);
});
