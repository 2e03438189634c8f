/** The codebook of a TiTok as something to look at: which codes are alike, and coordinates for a map of all of them. */
import { expectOption, expectWhole, noGrad, OptionError, tensor, tidy } from '../core/index.ts';
import type { Quantizer } from '../nn/index.ts';
import { hasUnitCodes } from './config.ts';
import type { TiTok } from './model.ts';
import { principalComponents } from './pca.ts';

/** Codes in the order of their distance from one of them. */
export interface NearCodes {
  /** Nearest first. */
  readonly ids: Int32Array;
  /** Of each of `ids`: 1 − cosine (0..2) where codes have length 1 (`hasUnitCodes`), else Euclidean. */
  readonly distances: Float32Array;
}

/**
 * The other codes, from the nearest to the farthest; equally near ones by id.
 *
 * @param id     in 0..V−1
 * @param count  how many, 1 to V − 1. Default: all, so that the last ones are the farthest
 * @throws OptionError for an id or a count out of range, or in VAE mode
 */
export async function nearestCodes(model: TiTok, id: number, count?: number): Promise<NearCodes> {
  const { codebookSize } = codebookOf('nearestCodes', model);
  expectWhole('nearestCodes id', id, 0, codebookSize - 1);
  if (count !== undefined) expectWhole('nearestCodes count', count, 1, codebookSize - 1);
  const distances = distancesFrom(id, await readCodes(model), codebookSize, hasUnitCodes(model.config));
  const ids = byDistance(id, distances).slice(0, count);
  return { ids, distances: Float32Array.from(ids, (i) => distances[i]) };
}

/**
 * Coordinates of the codes along the directions in which they differ most: alike codes get alike coordinates, to be used
 * as a color or as a place on a map. Each coordinate is divided by its largest absolute value; it is 0 where the codes do not differ.
 *
 * @param n  how many coordinates, 1 to C. Default 3
 * @returns  [V, n], row by row, in −1..1; the first coordinate has the largest variance
 * @throws OptionError when n is out of range, or in VAE mode
 */
export async function codebookComponents(model: TiTok, n = 3): Promise<Float32Array> {
  const { codebookSize, dim } = codebookOf('codebookComponents', model);
  expectWhole('codebookComponents n', n, 1, dim);
  const codes = await readCodes(model);
  const { mean, components } = principalComponents(codes, dim, n);
  const rounding = 1e-9 * largest(codes); // codes that differ by less in a direction do not differ
  const coordinates = new Float32Array(codebookSize * n);
  for (const [j, component] of components.entries()) {
    const along = Float64Array.from({ length: codebookSize }, (_, v) =>
      component.reduce((sum, weight, d) => sum + weight * (codes[v * dim + d] - mean[d]), 0),
    );
    const extent = largest(along);
    if (extent > rounding) for (const [v, x] of along.entries()) coordinates[v * n + j] = x / extent;
  }
  return coordinates;
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** The quantizer of a model. @throws OptionError in VAE mode */
export function codebookOf(where: string, { quantize }: TiTok): Quantizer {
  if (quantize) return quantize;
  throw new OptionError(`${where}: expected a model with a codebook, quantizeMode 'vq', got 'vae'.`);
}

/** Checks the token ids of one picture. @throws OptionError unless they are whole numbers in 0..V−1 */
export function expectIds(where: string, ids: ArrayLike<number>, codebookSize: number): void {
  const wrong = Array.from(ids).find((id) => !(Number.isInteger(id) && id >= 0 && id < codebookSize));
  expectOption(wrong === undefined, where, `ids in 0..${codebookSize - 1}`, wrong);
}

/** All codes but one, the nearest to it first. @param distances  of each code from it */
export const byDistance = (id: number, distances: Float64Array): Int32Array =>
  Int32Array.from(distances.keys())
    .filter((i) => i !== id)
    .sort((a, b) => distances[a] - distances[b] || a - b);

/** Distances of all codes from one. @param codes  [V, C], see `readCodes` */
export function distancesFrom(
  id: number,
  codes: ArrayLike<number>,
  codebookSize: number,
  unitCodes: boolean,
): Float64Array {
  const dim = codes.length / codebookSize;
  return Float64Array.from({ length: codebookSize }, (_, v) => {
    let sum = 0;
    for (let d = 0; d < dim; d++) sum += (codes[v * dim + d] - codes[id * dim + d]) ** 2;
    return unitCodes ? sum / 2 : Math.sqrt(sum); // |a − b|² = 2 (1 − cos) for a and b of length 1
  });
}

/** The codes as the decoder sees them: [V, C]. */
export async function readCodes(model: TiTok): Promise<ArrayLike<number>> {
  const codebook = codebookOf('readCodes', model);
  const { device } = model.encoder.positional_embedding;
  const all = Int32Array.from({ length: codebook.codebookSize }, (_, v) => v);
  const codes = noGrad(() => tidy(() => codebook.lookup(tensor(all, [all.length], { dtype: 'int32', device }))));
  try {
    return await codes.data();
  } finally {
    codes.dispose();
  }
}
