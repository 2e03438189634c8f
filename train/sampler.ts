/** What stages have in common that draw pictures of classes. */
import type * as z from 'zod';
import type { Rng, Tensor } from '../core/index.ts';

/** Receives how much is done, and how much there is to do. */
export type OnProgress = (done: number, total: number) => void;

/** Draws images of classes: a trained model, and what turns its output into pixels. */
export interface Sampler<Sampling = unknown> {
  readonly classes: readonly string[];
  /** Width and height of the images, pixels. */
  readonly imageSize: number;
  /** The settings of sampling. */
  readonly settings: z.ZodType<Sampling>;
  /** Their values as trained. */
  readonly sampling: Sampling;
  /** The models of other stages that it draws with, by the name under which checkpoints keep their fingerprints. */
  readonly madeWith: Readonly<Record<string, object>>;
  /**
   * Images, one for each class index, in batches [n, 3, size, size], not clamped. A batch is freed when the next is asked for.
   * Without `sampling`, as trained; at most `batchSize` are computed at once, by default as many as fit into some 1 GiB.
   */
  draw(
    labels: ArrayLike<number>,
    rng: Rng,
    options?: {
      readonly sampling?: Sampling;
      readonly onProgress?: OnProgress | undefined;
      readonly batchSize?: number | undefined;
    },
  ): AsyncGenerator<Tensor, void>;
}
