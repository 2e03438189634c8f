/** What a study is: rows of trainings that differ in something, what is measured of each, and claims about the figures. */
import type { Budget } from './budgets.ts';
import type { Claim } from './claims.ts';
import type { FigureName } from './figures.ts';
import type { Measure } from './measures.ts';
import type { Row } from './row.ts';

/** The rows and claims of a study for a budget. */
export interface Plan {
  readonly rows: readonly Row[];
  readonly claims: readonly Claim[];
}

/** A study: a figure or a table of the paper as trainings that anyone can repeat. */
export interface Study {
  /** As the command line takes it, and the name of its files. */
  readonly name: string;
  readonly title: string;
  /** Where the claims come from: 'Figure 4 of arXiv:2406.07550'. */
  readonly source: string;
  /** What is compared, and what is kept equal; Markdown. */
  readonly about: string;
  readonly measures: readonly Measure[];
  /** Columns of the table. Runs that lack one of them are measured again. */
  readonly columns: readonly FigureName[];
  readonly chart: {
    readonly figures: readonly FigureName[];
    /** What varies from left to right, a number. Default: a place for each row. */
    readonly over?: string;
    /** What tells lines apart. */
    readonly lines?: string;
  };
  /** What the picture of the study shows of each row. */
  readonly pictures: 'reconstructions' | 'samples';
  /** What was found beyond the verdicts, and what was tried where a claim is not reproduced; Markdown. */
  readonly findings?: string;
  plan(budget: Budget): Plan;
}
