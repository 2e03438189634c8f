/** Rows of variable length. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { noGrad, Rng, tensor, uniform } from '../../core/index.ts';
import { drawTails, keepFirst, presets, TiTok, tailLengths } from '../../titok/index.ts';
import { useOneThread } from '../train/recipes.ts';

before(useOneThread);

const half = { width: 16, layers: 1, heads: 2, patchSize: 4 };
const config = {
  ...presets.tiny,
  imageSize: 8,
  latentTokens: 5,
  codebookSize: 8,
  tokenSize: 4,
  encoder: half,
  decoder: half,
  head: 'pixels',
} as const;

test('the first k ids decode as the whole row does with the other latents at 0', async () => {
  const model = new TiTok({ ...config, variableLength: true }, new Rng(1));
  const { zQuantized, indices } = model.encode(uniform([2, 3, 8, 8], 0, 1, new Rng(2)));
  const ids = await indices.data();
  for (const k of [1, 2, 4, 5]) {
    const first = Int32Array.from([0, 1].flatMap((row) => Array.from(ids.subarray(5 * row, 5 * row + k))));
    const pixels = await noGrad(() => model.decodeTokens(tensor(first, [2, k], { dtype: 'int32' }))).data();
    const expected = await noGrad(() => model.decode(keepFirst(zQuantized, [k, k]))).data();
    pixels.forEach((x, i) => {
      assert.ok(Math.abs(x - expected[i]) < 1e-5, `${k} tokens: ${x}, ${expected[i]}`);
    });
  }
});

test('a number of ids that a model was not trained for is refused', () => {
  const ids = (k: number) => tensor(new Int32Array(k), [1, k], { dtype: 'int32' });
  const fixed = new TiTok(config, new Rng(1));
  assert.throws(() => fixed.decodeTokens(ids(3)), {
    name: 'OptionError',
    message: /expected 5 tokens.*got 3.*variableLength/,
  });
  const variable = new TiTok({ ...config, variableLength: true }, new Rng(1));
  assert.throws(() => variable.decodeTokens(ids(6)), { name: 'OptionError', message: /expected 1 to 5 tokens.*got 6/ });
});

test('half of the images keep all tokens, the others each number equally often', () => {
  const counts = drawTails(40_000, 4, new Rng(3));
  const share = (k: number) => counts.filter((count) => count === k).length / counts.length;
  for (const k of [1, 2, 3]) assert.ok(Math.abs(share(k) - 1 / 8) < 0.01, `${k}: ${share(k)}`);
  assert.ok(Math.abs(share(4) - 5 / 8) < 0.01);
});

test('lengths that are measured', () => {
  assert.deepEqual(tailLengths(1), [1]);
  assert.deepEqual(tailLengths(12), [1, 2, 4, 8, 12]);
  assert.deepEqual(tailLengths(16), [1, 2, 4, 8, 16]);
});
