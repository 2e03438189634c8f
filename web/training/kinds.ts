/** What a visitor can choose to train, and for how long unless told otherwise. */
import type { Kind } from './messages.ts';

/** A choice. */
export interface About {
  readonly name: string;
  /** What it learns, one sentence. */
  readonly about: string;
  /** Updates, unless the visitor says otherwise. */
  readonly steps: number;
  /** Of the curve. */
  readonly figure: string;
}

/** The choices, the first of which is the default. */
export const kinds: Readonly<Record<Kind, About>> = {
  generator: {
    name: 'MaskGIT: new emoji from tokens',
    about:
      'It learns to fill in masked tokens of some 2,900 emoji. Samples of the chosen class show what it knows so far.',
    steps: 400,
    figure: 'cross-entropy',
  },
  titok: {
    name: 'TiTok: pictures into 16 tokens',
    about: 'It learns to put a picture into 16 tokens and to draw it again from them.',
    steps: 1000,
    figure: 'squared error',
  },
  teacher: {
    name: 'Teacher: pictures into 8 × 8 codes',
    about:
      'The 2-D tokenizer that TiTok learns from when there is more time: a code for each 4 × 4 pixels, by convolutions.',
    steps: 300,
    figure: 'squared error',
  },
};
