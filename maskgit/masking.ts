/** How many tokens are masked, and which ones. */

/**
 * The fraction still masked at progress r: 1 at r = 0, 0 at r = 1.
 *
 * arccos is the published generators'; the paper's ablation names cosine, linear and root as well.
 */
export const schedules = {
  arccos: (r) => Math.acos(r) / (Math.PI / 2),
  cosine: (r) => Math.cos((Math.PI / 2) * r),
  linear: (r) => 1 - r,
  root: (r) => 1 - Math.sqrt(r),
  square: (r) => 1 - r * r,
} as const satisfies Record<string, (r: number) => number>;

export type Schedule = keyof typeof schedules;

/**
 * Fraction to mask in training, t uniform in [0, 1): the schedule at t, within 1e-6..1.
 *
 * In float32 steps, as where the published weights come from: the count below rounds this number.
 */
export function maskRatio(t: number, schedule: Schedule = 'arccos'): number {
  const f = Math.fround;
  const ratio = schedule === 'arccos' ? f(f(Math.acos(t)) / f(Math.PI / 2)) : f(schedules[schedule](t));
  return Math.min(1, Math.max(f(1e-6), ratio));
}

/** Tokens to mask of `count`: max(1, round(count · ratio)), halves to even. */
export function maskedCount(count: number, ratio: number): number {
  return Math.max(1, roundHalfEven(Math.fround(count * ratio)));
}

function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

export interface MaskDraws {
  /** One number per row, uniform in [0, 1): how much of it is masked. */
  readonly t: ArrayLike<number>;
  /** batch·K numbers, uniform in [0, 1): their order says which tokens. */
  readonly order: ArrayLike<number>;
}

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
 * so that exactly n are masked and every set of n is equally likely. Where two draws are equal the first comes first.
 */
export function maskTokens(
  tokens: ArrayLike<number>,
  draws: MaskDraws,
  maskId: number,
  schedule: Schedule = 'arccos',
): MaskedTokens {
  const batch = draws.t.length;
  const length = tokens.length / batch; // K
  if (!Number.isInteger(length) || draws.order.length !== tokens.length) {
    throw new RangeError(
      `maskTokens: expected batch × K tokens and as many draws, got ${tokens.length} tokens, ${draws.order.length} draws and ${batch} rows.`,
    );
  }
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
 * Tokens that stay masked after sampling step `step` of `steps`, when `masked` are masked before it.
 *
 *   m = max(1, min(masked − 1, ⌊K · schedule((step+1)/steps)⌋));   none after the last step
 */
export function stillMasked(
  length: number,
  step: number,
  steps: number,
  masked: number,
  schedule: Schedule = 'arccos',
): number {
  if (step === steps - 1) return 0;
  const wanted = Math.floor(length * schedules[schedule]((step + 1) / steps));
  return Math.max(1, Math.min(masked - 1, wanted));
}
