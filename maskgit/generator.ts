/** What the two generators share: their interface and their input sequence. */
import { embedding, type Rng, reshape, ShapeError, type Tensor, tensor } from '../core/index.ts';
import type { Tap } from '../nn/index.ts';
import { type GeneratorConfig, nullLabel } from './config.ts';

export interface Generator {
  readonly config: GeneratorConfig;
  /**
   * Logits of the image tokens.
   *
   * @param sequence  [batch, 1+K] ids, as `inputSequence` makes them
   * @param rng       dropout is on when it is passed
   * @returns         [batch, K, V], or [batch, count, V] for the tokens that are wanted
   */
  forward(sequence: Tensor, rng?: Rng, tap?: Tap, shortcuts?: Shortcuts): Tensor;
}

/** What is known of a sequence and needed of it, to save work. */
export interface Shortcuts {
  /** [batch, count] places b·(1+K) + i of the tokens that logits are wanted for: the last layer and the head work for these alone. */
  readonly wanted?: Tensor | undefined;
  /**
   * Takes what enters the head, [batch, count, width], to what enters it instead. The head is affine, so means of rows,
   * with weights that sum to one, go through it as those of logits do, with fewer products.
   */
  readonly combine?: ((hidden: Tensor) => Tensor) | undefined;
  /** Tokens with the same id at the same place enter the first layer alike, and it projects each kind once. */
  readonly kinds?: TokenKinds | undefined;
}
export interface TokenKinds {
  /** [kinds] a place b·(1+K) + i of each. */
  readonly places: Tensor;
  /** [batch, 1+K] which kind each token is. */
  readonly of: Tensor;
}

/** The tokens of x [batch, 1+K, width] at `places`, [...places, width]; x when none are named. */
export const tokensAt = (x: Tensor, places: Tensor | undefined): Tensor =>
  places ? embedding(reshape(x, [-1, x.shape[2]]), places) : x;

/**
 * The row of ids that a generator reads: the class, then the image tokens.
 *
 *   [V + 1 + label, token 0, …, token K−1]
 *
 * @param tokens  batch·K ids in 0..V, where V is the mask
 * @param labels  batch classes in 0..C, where C is no class
 * @returns       int32 [batch, 1+K], on the device that new tensors go to
 */
export function inputSequence(config: GeneratorConfig, tokens: ArrayLike<number>, labels: ArrayLike<number>): Tensor {
  const { codebookSize, latentTokens } = config;
  const batch = labels.length;
  if (tokens.length !== batch * latentTokens) {
    throw new ShapeError(
      `inputSequence: expected ${batch} × ${latentTokens} tokens for ${batch} labels, got ${tokens.length}.`,
    );
  }
  const ids = new Int32Array(batch * (1 + latentTokens));
  for (let b = 0; b < batch; b++) {
    const row = b * (1 + latentTokens);
    ids[row] = codebookSize + 1 + checked(labels[b], nullLabel(config), 'label');
    for (let i = 0; i < latentTokens; i++) {
      ids[row + 1 + i] = checked(tokens[b * latentTokens + i], codebookSize, 'token');
    }
  }
  return tensor(ids, [batch, 1 + latentTokens], { dtype: 'int32' });
}

function checked(id: number, highest: number, what: string): number {
  if (Number.isInteger(id) && id >= 0 && id <= highest) return id;
  throw new RangeError(`inputSequence: expected a ${what} in 0..${highest}, got ${id}.`);
}

/** Labels with some replaced by no class: where `draws`, uniform in [0, 1), fall below the probability. */
export function dropLabels(
  config: GeneratorConfig,
  labels: ArrayLike<number>,
  draws: ArrayLike<number>,
  probability: number,
): Int32Array {
  return Int32Array.from(labels, (label, i) => (draws[i] < probability ? nullLabel(config) : label));
}
