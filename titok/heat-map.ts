/** What a token touches: where a picture changes when the token is replaced. */
import { expectKnown, expectOption, expectWhole, noGrad, tensor, tidy } from '../core/index.ts';
import { byDistance, codebookOf, distancesFrom, expectIds, readCodes } from './codes.ts';
import { expectPixels, hasUnitCodes } from './config.ts';
import type { TiTok } from './model.ts';
import { expectLength } from './tail.ts';

/** Options of `tokenHeatMap`. */
export interface HeatMapOptions {
  /** Positions of the tokens to look at, in 0..K−1. Default: all. */
  readonly tokens?: readonly number[];
  /** By how many other codes each token is replaced, one after the other, 1 to V − 1. Default 2. */
  readonly replacements?: number;
}

/**
 * For each token, what share of the change that replacing it makes falls on each pixel:
 *
 *   h_k(p) = Σ_{r, color} |x(p) − x_{k→r}(p)| / Σ_q Σ_{r, color} |x(q) − x_{k→r}(q)|
 *
 * x is the decoded picture, clamped to 0..1, and x_{k→r} the same with code r in place of token k. The codes r are a
 * fixed choice: n of them at equal steps of rank between the nearest code and the farthest. Each map sums to 1, or is 0
 * where no replacement changes anything. Decodes 1 + n·K pictures, in batches.
 *
 * @param ids  the tokens of one picture, [K]; fewer of a model of variable length
 * @returns    [K, size, size], or a map for each of `options.tokens`
 * @throws OptionError for ids, positions or options out of range, for a model without pixels, or in VAE mode
 */
export async function tokenHeatMap(
  model: TiTok,
  ids: ArrayLike<number>,
  options: HeatMapOptions = {},
): Promise<Float32Array> {
  expectKnown('tokenHeatMap', options, ['tokens', 'replacements']);
  const { codebookSize } = codebookOf('tokenHeatMap', model);
  expectPixels('tokenHeatMap', model.config);
  const k = ids.length;
  expectLength('tokenHeatMap', k, model.config);
  expectIds('tokenHeatMap', ids, codebookSize);
  const { tokens = Array.from({ length: k }, (_, i) => i), replacements = 2 } = options;
  for (const token of tokens) expectWhole('tokenHeatMap tokens', token, 0, k - 1);
  expectOption(tokens.length > 0, 'tokenHeatMap tokens', 'at least one position', tokens);
  expectWhole('tokenHeatMap replacements', replacements, 1, codebookSize - 1);

  const codes = await readCodes(model);
  const rows = tokens.flatMap((token) => {
    const others = byDistance(ids[token], distancesFrom(ids[token], codes, codebookSize, hasUnitCodes(model.config)));
    return Array.from({ length: replacements }, (_, r) => {
      const row = Int32Array.from(ids);
      row[token] = others[Math.floor(((r + 1) * others.length) / (replacements + 1))];
      return row;
    });
  });
  const pixels = model.config.imageSize ** 2;
  const maps = new Float32Array(tokens.length * pixels);
  const [picture] = await decodeRows(model, [Int32Array.from(ids)]);
  const atOnce = Math.max(1, Math.floor(valuesAtOnce / (3 * pixels)));
  for (let from = 0; from < rows.length; from += atOnce) {
    const changed = await decodeRows(model, rows.slice(from, from + atOnce));
    for (const [i, other] of changed.entries()) {
      const map = Math.floor((from + i) / replacements) * pixels;
      for (const [j, x] of other.entries()) maps[map + (j % pixels)] += Math.abs(x - picture[j]);
    }
  }
  for (let map = 0; map < maps.length; map += pixels) {
    const total = maps.subarray(map, map + pixels).reduce((a, b) => a + b, 0);
    if (total > 0) for (let p = map; p < map + pixels; p++) maps[p] /= total;
  }
  return maps;
}

const valuesAtOnce = 400_000; // 32 pictures of 64 × 64 pixels: a few hundred megabytes of activations

/** The pictures of rows of tokens, [3, size, size] each, clamped to 0..1. */
async function decodeRows(model: TiTok, rows: readonly Int32Array[]): Promise<Float32Array[]> {
  const [{ length: k }] = rows;
  const ids = Int32Array.from(rows.flatMap((row) => [...row]));
  const { device } = model.decoder.class_embedding;
  const images = noGrad(() =>
    tidy(() => model.decodeTokens(tensor(ids, [rows.length, k], { dtype: 'int32', device })).clamp(0, 1)),
  );
  try {
    const values = Float32Array.from(await images.data());
    const each = values.length / rows.length;
    return rows.map((_, i) => values.subarray(i * each, (i + 1) * each));
  } finally {
    images.dispose();
  }
}
