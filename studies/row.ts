/** A row of a study: which trainings it consists of. Plain data, from which all its figures follow. */
import type { Preset, StageName } from '../train/index.ts';
import type { FigureName } from './figures.ts';

/** Changes of the stages that a row trains, one after the other in the order of `stageNames`. */
export type Trainings = Partial<Pick<Preset, StageName>>;

/** One line of a study's table. Everything in it is plain data: what it says decides what is trained and measured. */
export interface Row {
  /** Tells it from the other rows: 'S, 16 tokens'. */
  readonly name: string;
  /** What varies, a column for each: `{ size: 'S', tokens: 16 }`. */
  readonly varies: Readonly<Record<string, string | number>>;
  readonly trainings: Trainings;
  /** How samples are drawn, where it is not as the training says. */
  readonly sampling?: NonNullable<Preset['generator' | 'diffusion']>['sampling'];
  /** Tokens of each picture that the decoder gets, of a model of variable length. Default: all. */
  readonly tokens?: number;
  /** The row of the paper that this one stands beside, and its figures. */
  readonly paper?: PaperRow;
}

/** What the paper says about a row. */
export interface PaperRow {
  /** 'TiTok-L-32' */
  readonly row: string;
  readonly figures: Readonly<Partial<Record<FigureName, number>>>;
}
