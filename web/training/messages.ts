/** What the page and the worker that trains tell each other. */
import type { Pixels } from '../engine/model.ts';

/** What can be trained: MaskGIT on token rows, the 1-D tokenizer, or the 2-D one that teaches it. */
export type Kind = 'generator' | 'titok' | 'teacher';

/** What a training is, from its first update to its last. */
export interface Plan {
  readonly kind: Kind;
  /** updates */
  readonly steps: number;
  readonly seed: number;
}

/** Page → worker: once, to begin. */
export interface Start {
  readonly kind: 'start';
  /** A name that `openDevice` knows. */
  readonly device: string;
  readonly plan: Plan;
  /** The visitor's own pictures, of `imageSize` pixels; none: drawn shapes. Not for a generator. */
  readonly pictures: readonly Pixels[];
  /** A training that goes on, as `packTraining` wrote it: its plan and pictures count. */
  readonly file?: Uint8Array<ArrayBuffer> | undefined;
  /** URL of emoji-32, whose decoder draws what a generator samples. */
  readonly tokenizer: string;
}
/** Page → worker, at any time. */
export type Request =
  | Start
  /** Train on; `updates` many, then pause. */
  | { readonly kind: 'play'; readonly updates: number }
  | { readonly kind: 'pause' }
  /** Finish the present update, save, and end. */
  | { readonly kind: 'stop' }
  /** Whether to wait between updates, to let people look. */
  | { readonly kind: 'slow'; readonly slow: boolean }
  /** The class that a generator draws. */
  | { readonly kind: 'class'; readonly name: string };

/** One update on the curve. */
export interface Point {
  /** Updates done. */
  readonly done: number;
  /** Of the batch that it was trained on: squared error of a pixel, or cross-entropy of a token. */
  readonly value: number;
  /** The same on pictures that it never trains on, where it was measured. */
  readonly heldOut?: number;
}

/** What the model makes of the pictures that are shown, or samples, after some updates. */
export interface Frame {
  readonly done: number;
  readonly pictures: readonly Pixels[];
  /** Token ids or codes of each; undefined while latents are not quantized yet. */
  readonly ids: readonly (readonly number[])[] | undefined;
  /** dB, of all of them together; undefined for samples, which have no original. */
  readonly psnr: number | undefined;
}

/** What is known once a training is ready. */
export interface Ready {
  readonly kind: 'ready';
  readonly plan: Plan;
  readonly done: number;
  readonly device: string;
  readonly threads: number;
  readonly parameters: number;
  /** Pictures or rows that it learns from. */
  readonly learned: number;
  /** Those that it never sees; 0: too few to spare any, so that it learns those that are shown, too. */
  readonly heldOut: number;
  /** The pictures that are shown; none for a generator. */
  readonly originals: readonly Pixels[];
  /** The curve so far, of a training that goes on. */
  readonly log: readonly Point[];
  /** The names that 'class' may have. */
  readonly classes: readonly string[];
}

/** Worker → page. The last message is `finished` or `failed`. */
export type Report =
  /** What it is busy with before the first update. */
  | { readonly kind: 'preparing'; readonly what: string }
  | Ready
  | { readonly kind: 'step'; readonly point: Point; readonly perSecond: number; readonly secondsLeft: number }
  | { readonly kind: 'frame'; readonly frame: Frame }
  /** Everything that the training needs to go on. */
  | { readonly kind: 'saved'; readonly done: number; readonly file: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'paused' }
  | { readonly kind: 'finished'; readonly done: number }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string };
