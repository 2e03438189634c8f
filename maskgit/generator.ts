/** What both generators offer, and the sequence of ids that they read. */
import {
  type Device,
  defaultDevice,
  embedding,
  expectNumber,
  type Rng,
  reshape,
  ShapeError,
  show,
  type Tensor,
  tensor,
} from '../core/index.ts';
import type { Tap } from '../nn/index.ts';
import { type GeneratorConfig, nullLabel } from './config.ts';

/** A transformer that predicts masked image tokens from a class and the tokens that are known. */
export interface Generator {
  readonly config: GeneratorConfig;
  /** The device of the weights. */
  readonly device: Device;
  /**
   * Logits of the image tokens: head(hiddenStates(sequence)).
   *
   * @param sequence  [batch, 1+K] ids, as `inputSequence` makes them
   * @returns         [batch, K, V], or [batch, count, V] with `positions`
   * @throws ShapeError for a sequence of another length
   */
  forward(sequence: Tensor, options?: ForwardOptions): Tensor;
  /** The image tokens' states in front of the head: [batch, K, width], or [batch, count, width] with `positions`. */
  hiddenStates(sequence: Tensor, options?: ForwardOptions): Tensor;
  /**
   * Logits [..., V] of hidden states [..., width]. The head is affine: mixing states, with weights that sum to one,
   * gives the same as mixing their logits, with fewer products.
   */
  head(hidden: Tensor): Tensor;
}

/** What a forward pass may be given besides its sequence. */
export interface ForwardOptions {
  /** Draws the dropout masks. Without it there is no dropout. */
  readonly rng?: Rng | undefined;
  /** Sees activations by name. */
  readonly tap?: Tap | undefined;
  /**
   * [batch, count] flat indices b·(1+K) + i of the tokens to predict. The last layer and the head skip all others.
   * Default: every image token.
   */
  readonly positions?: Tensor | undefined;
  /** Which tokens enter the first layer alike. ImageBert then projects each kind once, unless dropout is on. */
  readonly kinds?: TokenKinds | undefined;
}

/** Groups of equal tokens: the same id at the same position. */
export interface TokenKinds {
  /** [kinds] flat index b·(1+K) + i of one token of each kind. */
  readonly first: Tensor;
  /** [batch, 1+K] the kind of every token. */
  readonly of: Tensor;
}

/** @throws ShapeError unless a sequence is [batch, 1+K]: one id a row would be broadcast to all positions */
export function expectSequence(where: string, { latentTokens }: GeneratorConfig, { shape }: Tensor): void {
  if (shape.length === 2 && shape[1] === 1 + latentTokens) return;
  throw new ShapeError(
    `${where}: expected a sequence [batch, ${1 + latentTokens}], a class and ${latentTokens} tokens a row, got ${show(shape)}. Use inputSequence.`,
  );
}

/** Rows of x [batch, 1+K, width] by flat index: [...positions, width]. Without positions, x itself. */
export const tokensAt = (x: Tensor, positions: Tensor | undefined): Tensor =>
  positions ? embedding(reshape(x, [-1, x.shape[2]]), positions) : x;

/**
 * The ids that a generator reads, one row per image: its class, then its tokens.
 *
 *   [V + 1 + label, token 0, …, token K−1]
 *
 * @param tokens  batch·K ids in 0..V, where V is the mask
 * @param labels  batch classes in 0..C, where C is no class
 * @returns       batch·(1+K) ids
 * @throws ShapeError when there are not K tokens per label, RangeError when an id is out of range
 */
export function sequenceIds(config: GeneratorConfig, tokens: ArrayLike<number>, labels: ArrayLike<number>): Int32Array {
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
  return ids;
}

function checked(id: number, highest: number, what: string): number {
  if (Number.isInteger(id) && id >= 0 && id <= highest) return id;
  throw new RangeError(`inputSequence: expected a ${what} in 0..${highest}, got ${id}.`);
}

/**
 * `sequenceIds` as a tensor: the input of a generator.
 *
 * @param tokens  batch·K ids in 0..V, where V is the mask
 * @param labels  batch classes in 0..C, where C is no class
 * @param device  the generator's; default: the default device
 * @returns       int32 [batch, 1+K]
 * @throws ShapeError when there are not K tokens per label, RangeError when an id is out of range
 */
export const inputSequence = (
  config: GeneratorConfig,
  tokens: ArrayLike<number>,
  labels: ArrayLike<number>,
  device: Device = defaultDevice(),
): Tensor =>
  tensor(sequenceIds(config, tokens, labels), [labels.length, 1 + config.latentTokens], { dtype: 'int32', device });

/**
 * Replaces labels by no class where their draw, uniform in [0, 1), falls below the probability. Guidance needs a
 * generator that was trained with some labels dropped.
 *
 * @throws ShapeError unless there is a draw for each label; OptionError unless the probability is in 0..1
 */
export function dropLabels(
  config: GeneratorConfig,
  labels: ArrayLike<number>,
  draws: ArrayLike<number>,
  probability: number,
): Int32Array {
  expectNumber('dropLabels, probability', probability, 0, 1);
  if (draws.length !== labels.length)
    throw new ShapeError(`dropLabels: expected a draw for each of ${labels.length} labels, got ${draws.length}.`);
  return Int32Array.from(labels, (label, i) => (draws[i] < probability ? nullLabel(config) : label));
}
