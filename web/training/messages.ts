/** What the page and its worker tell each other. */
import type { RgbImage } from '../../data/browser.ts';

/** What can be trained: the 1-D tokenizer, or the 2-D one that teaches it. */
export type ModelName = 'titok' | 'teacher';

/** Page → worker: once, to begin. */
export interface Start {
  readonly kind: 'start';
  /** A name that `openDevice` knows. */
  readonly device: string;
  readonly model: ModelName;
  readonly steps: number;
  readonly seed: number;
  /** The user's pictures, square and of `imageSize` pixels; none: drawn shapes. */
  readonly pictures: readonly RgbImage[];
}
/** Page → worker: finish the present step, send the last pictures and end. */
export interface Stop {
  readonly kind: 'stop';
}
export type Request = Start | Stop;

/** One update of the model. */
export interface Step {
  readonly kind: 'step';
  /** Updates done, of `steps`. */
  readonly done: number;
  /** What is minimized: the squared error and what the recipe adds to it. */
  readonly loss: number;
  /** Mean over the pixels of this batch. */
  readonly squaredError: number;
}
/** Held-out pictures, and what the model makes of them. */
export interface Pictures {
  readonly kind: 'pictures';
  readonly done: number;
  readonly originals: readonly RgbImage[];
  readonly reconstructions: readonly RgbImage[];
  /** Each picture's token ids or codes; undefined while latents are not quantized yet. */
  readonly ids: readonly (readonly number[])[] | undefined;
  /** dB, of all of them together. */
  readonly psnr: number;
}
/** Worker → page. The last message is `finished` or `failed`. */
export type Report =
  | {
      readonly kind: 'ready';
      readonly device: string;
      readonly threads: number;
      readonly parameters: number;
      readonly pictures: number;
    }
  | Step
  | Pictures
  | { readonly kind: 'finished'; readonly done: number }
  | { readonly kind: 'failed'; readonly message: string };
