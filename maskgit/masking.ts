/** How many tokens are masked, and which ones. */
import { expectOption } from '../core/index.ts';

/** Holds the values at both ends beyond them. */
const within0to1 = (f: (r: number) => number) => (r: number) => f(Math.min(1, Math.max(0, r)));

/**
 * The fraction still masked at progress r: 1 up to r = 0, 0 from r = 1 on.
 *
 * The published generators use arccos; cosine, linear, square and root are from MaskGIT's ablation.
 *
 * @see Chang et al. 2022, arXiv:2202.04200, table 3
 */
export const maskingSchedules = {
  /** 2/π arccos r */
  arccos: within0to1((r) => Math.acos(r) / (Math.PI / 2)),
  /** cos(π/2 r) */
  cosine: within0to1((r) => Math.cos((Math.PI / 2) * r)),
  /** 1 − r */
  linear: within0to1((r) => 1 - r),
  /** 1 − √r */
  root: within0to1((r) => 1 - Math.sqrt(r)),
  /** 1 − r² */
  square: within0to1((r) => 1 - r * r),
} as const satisfies Record<string, (r: number) => number>;

/** The name of a masking schedule. */
export type MaskingSchedule = keyof typeof maskingSchedules;

/**
 * Fraction to mask in training: the schedule at t, uniform in [0, 1), within 1e-6..1.
 *
 * Every step is rounded to float32, as in the published code: `maskedCount` rounds the result to a whole number.
 */
export function maskRatio(t: number, schedule: MaskingSchedule = 'arccos'): number {
  const f = Math.fround;
  const ratio = schedule === 'arccos' ? f(f(Math.acos(t)) / f(Math.PI / 2)) : f(maskingSchedules[schedule](t));
  return Math.min(1, Math.max(f(1e-6), ratio));
}

/** Tokens to mask of `count`: max(1, round(count · ratio)), halves to even. */
export function maskedCount(count: number, ratio: number): number {
  const exact = Math.fround(count * ratio);
  return Math.max(1, exact + 2 ** 52 - 2 ** 52); // doubles this large have no fraction: rounds, halves to even
}

/** The random numbers that decide a training mask. */
export interface MaskDraws {
  /** One number per row, uniform in [0, 1): how much of it is masked. */
  readonly t: ArrayLike<number>;
  /** batch·K numbers, uniform in [0, 1): their order says which tokens. */
  readonly order: ArrayLike<number>;
}

/** Tokens with some of them masked. */
export interface MaskedTokens {
  /** batch·K ids with the mask id where masked. */
  readonly tokens: Int32Array;
  /** batch·K, 1 where masked. */
  readonly masks: Uint8Array;
}

/**
 * Masks n of the K tokens of each row, n = maskedCount(K, maskRatio(t)).
 *
 *   masked_j = argsort(order)_j < n
 *
 * Exactly n are masked, and every set of n is equally likely. Equal draws keep their order.
 *
 * @param tokens  batch·K ids
 * @throws RangeError when the numbers of tokens and draws do not fit, or a t is outside 0..1; OptionError for another schedule
 */
export function maskTokens(
  tokens: ArrayLike<number>,
  draws: MaskDraws,
  maskId: number,
  schedule: MaskingSchedule = 'arccos',
): MaskedTokens {
  const batch = draws.t.length;
  const length = tokens.length / batch; // K
  if (!Number.isInteger(length) || draws.order.length !== tokens.length) {
    throw new RangeError(
      `maskTokens: expected batch × K tokens and as many draws, got ${tokens.length} tokens, ${draws.order.length} draws and ${batch} rows.`,
    );
  }
  const names = Object.keys(maskingSchedules);
  expectOption(names.includes(schedule), 'maskTokens schedule', `one of ${names.join(', ')}`, schedule);
  const bad = Array.from(draws.t).find((t) => !(t >= 0 && t <= 1));
  if (bad !== undefined) throw new RangeError(`maskTokens: expected draws t in 0..1, got ${bad}.`);
  const masked = Int32Array.from(tokens);
  const masks = new Uint8Array(tokens.length);
  for (let b = 0; b < batch; b++) {
    const n = maskedCount(length, maskRatio(draws.t[b], schedule));
    const row = b * length;
    const order = Array.from({ length }, (_, j) => j).sort((i, j) => draws.order[row + i] - draws.order[row + j]);
    order.forEach((value, j) => {
      if (value >= n) return;
      masks[row + j] = 1;
      masked[row + j] = maskId;
    });
  }
  return { tokens: masked, masks };
}

/**
 * Tokens of each row that stay masked after sampling step `step` of `steps`, when `masked` are masked before it.
 *
 *   m = max(1, min(masked − 1, ⌊length · schedule((step+1)/steps)⌋));   none from the last step on
 *
 * @param length  masked tokens at the start: K, or fewer where some are given
 */
export function stillMasked(
  length: number,
  step: number,
  steps: number,
  masked: number,
  schedule: MaskingSchedule = 'arccos',
): number {
  if (step >= steps - 1) return 0;
  const wanted = Math.floor(length * maskingSchedules[schedule]((step + 1) / steps));
  return Math.max(1, Math.min(masked - 1, wanted));
}
