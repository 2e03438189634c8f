/** What `bake.ts` computes when the site is built. */
import type { ModelInfo } from './engine/model.ts';

/** A model in the box. */
export interface ModelFile {
  readonly name: string;
  readonly file: string;
  readonly about: string;
  readonly bytes: number;
  /** Of the file, 8 hex digits: its address changes with its content. */
  readonly crc32: string;
  readonly tokens: number;
  readonly codes: number;
}

/** A picture that was encoded. Pictures are data URIs of their own size. */
export interface BakedRow {
  readonly name: string;
  readonly ids: readonly number[];
  readonly original: string;
  readonly picture: string;
}

/** The model of "How few?", which is on the page alone, and what it makes of the first picture. */
export interface BakedFew {
  /** Of its file. */
  readonly bytes: number;
  readonly size: number;
  readonly tokens: number;
  readonly codes: number;
  /** PSNR in dB of held-out pictures, by the number of first tokens. */
  readonly average: readonly (readonly [tokens: number, psnr: number])[];
  /** The picture of the first token, of the first two, …, from left to right: a data URI. */
  readonly strip: string;
}

export interface Baked {
  readonly models: readonly ModelFile[];
  /** The default model. */
  readonly model: ModelInfo;
  /** `codebookComponents` of its codes, two decimals. */
  readonly colors: readonly number[];
  /** Held-out pictures: the first is what the page begins with. */
  readonly rows: readonly BakedRow[];
  /** The heat maps of the first row's tokens, of side `heatSide`, as tiles of a square sheet in gray. A data URI. */
  readonly heat: string;
  readonly few: BakedFew;
}

/** A film with the default model's settings, and its pictures from left to right; step 0 has none. */
export interface BakedFilm {
  readonly className: string;
  readonly seed: number;
  readonly steps: readonly {
    readonly ids: readonly number[];
    readonly guesses: readonly number[];
    readonly confidence: readonly number[];
  }[];
  readonly pictures: string;
}
