/** Heat maps of tokens: against pictures decoded one by one, and on a trained model, where a token touches few pixels. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memory, noGrad, Rng, tensor, tidy } from '../../core/index.ts';
import { stateDict } from '../../nn/index.ts';
import { nearestCodes, TiTok, tokenHeatMap } from '../../titok/index.ts';
import { loadModel } from '../../train/index.ts';
import { forms } from './configs.ts';

const pictureOf = async (model: TiTok, ids: readonly number[]): Promise<number[]> => {
  const t = tensor(Int32Array.from(ids), [1, ids.length], { dtype: 'int32' });
  const image = noGrad(() => tidy(() => model.decodeTokens(t)));
  const values = Array.from(await image.data(), (x) => Math.min(1, Math.max(0, x)));
  for (const made of [t, image]) made.dispose();
  return values;
};

for (const form of ['pixels', 'laptopFinetune'] as const) {
  test(`${form}: maps are the shares of change by replacement codes, pixel by pixel`, async () => {
    const model = new TiTok(forms[form], new Rng(4));
    const ids = [5, 0, 8];
    const pixels = 64;
    const n = 3;
    const maps = await tokenHeatMap(model, ids, { replacements: n });
    assert.equal(maps.length, 3 * pixels);
    const picture = await pictureOf(model, ids);
    for (const [k, id] of ids.entries()) {
      const ranked = (await nearestCodes(model, id)).ids; // 8 others: ranks 2, 4, 6
      const change = new Array<number>(pixels).fill(0);
      for (const r of [2, 4, 6]) {
        const other = await pictureOf(model, ids.with(k, ranked[r]));
        for (const [i, x] of other.entries()) change[i % pixels] += Math.abs(x - picture[i]);
      }
      const total = change.reduce((a, b) => a + b);
      assert.ok(total > 0);
      for (const [p, share] of change.entries()) assert.ok(Math.abs(maps[k * pixels + p] - share / total) < 1e-4);
    }
    const some = await tokenHeatMap(model, ids, { replacements: n, tokens: [2, 0] });
    assert.equal(some.length, 2 * pixels);
    for (let p = 0; p < pixels; p++) {
      assert.ok(Math.abs(some[p] - maps[2 * pixels + p]) < 1e-4);
      assert.ok(Math.abs(some[pixels + p] - maps[p]) < 1e-4);
    }
  });
}

test('a token that changes nothing has an empty map', async () => {
  const model = new TiTok(forms['pixels'], new Rng(4));
  stateDict(model)['quantize.embedding.weight'].assign(new Float32Array(9 * 5).fill(1)); // all codes are equal
  assert.ok((await tokenHeatMap(model, [1, 2, 3])).every((x) => x === 0));
});

test('the model in the box: a token touches a part of the picture, and not the same one as another token', async () => {
  const { tokenizer } = await loadModel('emoji-32');
  const { latentTokens: K, codebookSize } = tokenizer.config;
  const rng = new Rng(1);
  const image = tensor(
    Float32Array.from({ length: 3 * 32 * 32 }, (_, i) =>
      Math.hypot((i % 32) - 15, (Math.floor(i / 32) % 32) - 15) < 11 ? 0.2 : 1,
    ),
    [1, 3, 32, 32],
  ); // a disk
  const encoded = noGrad(() => tidy(() => tokenizer.encode(image).indices));
  const ids = await encoded.data();
  const before = memory();
  const maps = await tokenHeatMap(tokenizer, ids);
  assert.deepEqual(memory(), before);
  assert.equal(maps.length, K * 32 * 32);
  const rows = Array.from({ length: K }, (_, k) => maps.subarray(k * 1024, (k + 1) * 1024));
  const areas = rows.map((row) => 1 / row.reduce((sum, h) => sum + h * h, 0) / 1024); // 1: all pixels alike
  for (const row of rows) assert.ok(Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-4);
  const mean = areas.reduce((a, b) => a + b) / K;
  assert.ok(mean < 0.4, `effective share of the pixels: ${mean}`);
  const peaks = new Set(rows.map((row) => row.indexOf(row.reduce((a, b) => Math.max(a, b), 0))));
  assert.ok(peaks.size > K / 4, `${peaks.size} different peaks`);

  const change = async (at: number, id: number) => {
    const [a, b] = [await pictureOf(tokenizer, [...ids]), await pictureOf(tokenizer, [...ids].with(at, id))];
    return a.reduce((sum, x, i) => sum + Math.abs(x - b[i]), 0);
  };
  let [near, far] = [0, 0];
  for (let i = 0; i < 8; i++) {
    const at = rng.int(K);
    const others = (await nearestCodes(tokenizer, ids[at])).ids;
    assert.equal(others.length, codebookSize - 1);
    near += await change(at, others[0]);
    far += await change(at, others[others.length - 1]);
  }
  assert.ok(far > 1.5 * near, `the farthest codes change ${far}, the nearest ${near}`);
});

test('mistakes are named', async () => {
  const model = new TiTok(forms['pixels'], new Rng(1));
  const ids = [0, 1, 2];
  const bad: [Promise<unknown>, RegExp][] = [
    [tokenHeatMap(model, [0, 1]), /tokenHeatMap: expected 3 tokens per image, got 2/],
    [tokenHeatMap(model, [0, 1, 9]), /tokenHeatMap: expected ids in 0\.\.8, got 9/],
    [tokenHeatMap(model, ids, { tokens: [3] }), /tokenHeatMap tokens: expected a whole number from 0 to 2, got 3/],
    [tokenHeatMap(model, ids, { tokens: [] }), /tokenHeatMap tokens: expected at least one position/],
    [tokenHeatMap(model, ids, { replacements: 9 }), /tokenHeatMap replacements: expected .* from 1 to 8, got 9/],
    [tokenHeatMap(new TiTok(forms['vae'], new Rng(1)), ids), /quantizeMode 'vq', got 'vae'/],
    [
      tokenHeatMap(new TiTok(forms['warmup'], new Rng(1)), ids),
      /tokenHeatMap: expected a model that decodes to pixels/,
    ],
  ];
  for (const [call, message] of bad) await assert.rejects(call, message);
});
