/** The masked-token loss. */
import {
  argmax,
  crossEntropy,
  div,
  expectNumber,
  mul,
  noGrad,
  ShapeError,
  show,
  sum,
  type Tensor,
  tensor,
} from '../core/index.ts';

/** Target of a token without weight. */
const IGNORED = -1;

/** How tokens count in `maskedTokenLoss`. */
export interface MaskedLossOptions {
  /** ε. Default 0.1, as published. */
  readonly labelSmoothing?: number;
  /** w of a token that the generator was shown. Default 0.1, as published. */
  readonly unmaskedWeight?: number;
}

/**
 * Label-smoothed cross-entropy over all tokens of the batch; tokens that are not masked count less.
 *
 *   l_j = (1−ε)(−log p_target) + ε mean_v(−log p_v);   w_j = 1 where masked, else w
 *   loss = Σ w l / (Σ w + 1e-8)
 *
 * @param logits   [batch, K, V]
 * @param targets  batch·K ids
 * @param masks    batch·K, 1 where masked
 * @returns        one element
 * @throws ShapeError unless there are a target and a mask for each token; OptionError for an option out of range
 */
export function maskedTokenLoss(
  logits: Tensor,
  targets: ArrayLike<number>,
  masks: ArrayLike<number>,
  options: MaskedLossOptions = {},
): Tensor {
  const { labelSmoothing = 0.1, unmaskedWeight = 0.1 } = options;
  expectNumber('maskedTokenLoss, labelSmoothing', labelSmoothing, 0, 1);
  expectNumber('maskedTokenLoss, unmaskedWeight', unmaskedWeight, 0, Number.MAX_VALUE);
  expectTokens('maskedTokenLoss', logits, targets, masks);
  const { device } = logits;
  const shape = logits.shape.slice(0, -1); // [batch, K]
  const weights = weightsOf(masks, unmaskedWeight);
  const total = totalWeight(masks, options);
  const counted = Int32Array.from(targets, (id, i) => (weights[i] === 0 ? IGNORED : id)); // 0 · ∞ would be NaN
  const target = tensor(counted, shape, { dtype: 'int32', device });
  const losses = crossEntropy(logits, target, { smoothing: labelSmoothing, ignoreIndex: IGNORED }); // [batch, K]
  return div(sum(mul(losses, tensor(weights, shape, { device }))), total + 1e-8);
}

/** @throws ShapeError unless logits are [batch, K, V], with batch·K targets and masks */
function expectTokens(where: string, { shape }: Tensor, targets: ArrayLike<number>, masks: ArrayLike<number>): void {
  const count = shape[0] * shape[1];
  if (shape.length === 3 && targets.length === count && masks.length === count) return;
  throw new ShapeError(
    `${where}: expected logits [batch, K, V] with batch·K targets and masks, got ${show(shape)}, ${targets.length} and ${masks.length}.`,
  );
}

const weightsOf = (masks: ArrayLike<number>, unmaskedWeight: number) =>
  Float32Array.from(masks, (masked) => (masked ? 1 : unmaskedWeight));

/** Σ w of `maskedTokenLoss`, which a part of a batch has its share of. */
export const totalWeight = (masks: ArrayLike<number>, { unmaskedWeight = 0.1 }: MaskedLossOptions = {}): number =>
  weightsOf(masks, unmaskedWeight).reduce((sum, w) => sum + w, 0);

/** The share of masked tokens whose likeliest id is right, averaged over rows; parameters and ShapeError as `maskedTokenLoss`. */
export async function maskedAccuracy(
  logits: Tensor,
  targets: ArrayLike<number>,
  masks: ArrayLike<number>,
): Promise<number> {
  expectTokens('maskedAccuracy', logits, targets, masks);
  const [batch, length] = logits.shape;
  const guess = noGrad(() => argmax(logits, -1));
  const guesses = await guess.data();
  guess.dispose();
  let accuracy = 0;
  for (let b = 0; b < batch; b++) {
    let right = 0;
    let masked = 0;
    for (let i = b * length; i < (b + 1) * length; i++) {
      if (!masks[i]) continue;
      masked++;
      if (guesses[i] === targets[i]) right++;
    }
    accuracy += right / (masked + 1e-8) / batch;
  }
  return accuracy;
}
