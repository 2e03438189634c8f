/** The order in which sampling fills in positions, where it does not follow the generator's confidence. */
import { expectOption } from '../core/index.ts';

/**
 * Which of the predicted tokens a step keeps:
 *
 *   confidence  those with the largest logits, with Gumbel noise, as MaskGIT does
 *   halton      the next ones of `haltonOrder`: positions far from each other, whatever the generator says
 *   halton-2d   the next ones of `haltonGridOrder`, for tokens that are a square grid
 */
export type SamplingOrder = (typeof samplingOrders)[number];

/** The names of all orders. */
export const samplingOrders = ['confidence', 'halton', 'halton-2d'] as const;

/**
 * φ_b(i): the digits of i in base b, mirrored at the point. 1, 2, 3, 4 in base 2: 0.5, 0.25, 0.75, 0.125.
 *
 * @see Halton 1960, On the efficiency of certain quasi-random sequences of points, eq. 2.1
 */
export function radicalInverse(i: number, base: number): number {
  let [inverse, unit] = [0, 1];
  for (let rest = i; rest > 0; rest = Math.floor(rest / base)) {
    unit /= base;
    inverse += unit * (rest % base);
  }
  return inverse;
}

/**
 * All positions of a row, each far from those just before it: ⌊K φ₂(i)⌋ for i = 1, 2, …, without repeats.
 *
 * @returns [K], the positions 0..K−1 in the order of their visit
 */
export const haltonOrder = (latentTokens: number): Int32Array =>
  firstVisits(latentTokens, (i) => Math.floor(latentTokens * radicalInverse(i, 2)));

/**
 * All positions of a square grid, row by row, each far from those just before it: row ⌊G φ₂(i)⌋ and column ⌊G φ₃(i)⌋ for
 * i = 1, 2, …, without repeats; G = √K.
 *
 * @returns [K], the positions 0..K−1 in the order of their visit
 * @throws OptionError when K is not a square
 * @see Besnier et al. 2025, Halton Scheduler for Masked Generative Image Transformer, arXiv:2503.17076, section 3.2
 */
export function haltonGridOrder(latentTokens: number): Int32Array {
  const side = Math.round(Math.sqrt(latentTokens));
  const repair = "Take order 'halton' for tokens in a row.";
  expectOption(side ** 2 === latentTokens, "order 'halton-2d'", 'a square number of tokens', latentTokens, repair);
  return firstVisits(
    latentTokens,
    (i) => side * Math.floor(side * radicalInverse(i, 2)) + Math.floor(side * radicalInverse(i, 3)),
  );
}

/**
 * When each position is visited: the rank of position i is its place in the order.
 *
 * @returns [K], or undefined for order 'confidence', which has no fixed ranks
 */
export function visitRanks(order: SamplingOrder, latentTokens: number): Int32Array | undefined {
  if (order === 'confidence') return undefined;
  const ranks = new Int32Array(latentTokens);
  const visits = order === 'halton' ? haltonOrder(latentTokens) : haltonGridOrder(latentTokens);
  for (const [rank, position] of visits.entries()) ranks[position] = rank;
  return ranks;
}

/** The different values of positionOf(1), positionOf(2), …, until there are `count`. */
function firstVisits(count: number, positionOf: (i: number) => number): Int32Array {
  const seen = new Set<number>();
  for (let i = 1; seen.size < count; i++) seen.add(positionOf(i));
  return Int32Array.from(seen);
}
