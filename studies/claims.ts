/** Claims as tests on numbers, and the verdicts that follow from them. */
import { type FigureName, type Figures, figures } from './figures.ts';

/** Part of a sum: a figure of a row, times a factor. */
export interface Term {
  readonly row: string;
  readonly figure: FigureName;
  readonly times: number;
}

/** A sum of figures that is above 0 where a claim is right. */
export interface Test {
  readonly says: string;
  readonly terms: readonly Term[];
}

/** A statement about rows that holds when all its tests do. */
export interface Claim {
  readonly says: string;
  /** What the paper has to show for it; left out: nothing, and README.md does without the claim. */
  readonly paper?: string;
  readonly tests: readonly Test[];
}

/** The figures of rows, by row and seed. */
export type Measured = readonly { readonly row: string; readonly seed: number; readonly figures: Figures }[];

/** What becomes of a claim. */
export type Verdict = 'reproduced' | 'not reproduced' | 'not decided';

/** A test with what each seed says: the sum of its terms. */
export interface Tested {
  readonly says: string;
  readonly sums: readonly number[];
}

/** A claim, tested. */
export interface Judged {
  readonly says: string;
  readonly verdict: Verdict;
  readonly tests: readonly Tested[];
}

/** Seeds that a verdict needs: with three, chance alone gives the same sign in every fourth test. */
export const leastSeeds = 3;

/** The rule behind every verdict, as it stands on the pages. */
export const criterion =
  `Each test is a difference between rows that were trained with the same seed; a seed without one of the figures does not count. ` +
  `A claim is *reproduced* when all its tests have the sign that it predicts in every seed, *not reproduced* when a test has the other ` +
  `sign in every seed, and else *not decided*. With fewer than ${leastSeeds} seeds nothing is decided.`;

const times = (factor: number): string => (factor === 1 ? '' : `${Number(factor.toPrecision(3))} × `);

/** `figure` of row a < `factor` × that of row b. */
export const less = (figure: FigureName, a: string, b: string, factor = 1): Test => ({
  says: `${figures[figure].title} of ${a} < ${times(factor)}that of ${b}`,
  terms: [
    { row: b, figure, times: factor },
    { row: a, figure, times: -1 },
  ],
});

/** `figure` of row a > `factor` × that of row b. */
export const more = (figure: FigureName, a: string, b: string, factor = 1): Test => ({
  says: `${figures[figure].title} of ${a} > ${times(factor)}that of ${b}`,
  terms: [
    { row: a, figure, times: 1 },
    { row: b, figure, times: -factor },
  ],
});

/** `figure` falls from each row to the next. */
export const falling = (figure: FigureName, rows: readonly string[]): Test[] =>
  rows.slice(1).map((row, i) => less(figure, row, rows[i]));

/** `figure` rises from each row to the next. */
export const rising = (figure: FigureName, rows: readonly string[]): Test[] =>
  rows.slice(1).map((row, i) => more(figure, row, rows[i]));

/** `figure` falls further from a to b than from c to d. */
export const fallsFurther = (
  figure: FigureName,
  [a, b]: readonly [string, string],
  [c, d]: readonly [string, string],
): Test => ({
  says: `${figures[figure].title} falls further from ${a} to ${b} than from ${c} to ${d}`,
  terms: [
    { row: a, figure, times: 1 },
    { row: b, figure, times: -1 },
    { row: c, figure, times: -1 },
    { row: d, figure, times: 1 },
  ],
});

/** Tests a claim on figures. Depends on nothing else. */
export function judge({ says, tests }: Claim, measured: Measured): Judged {
  const seeds = [...new Set(measured.map(({ seed }) => seed))].sort((a, b) => a - b);
  const termOf = (seed: number, { row, figure, times }: Term): number => {
    const found = measured.find((one) => one.row === row && one.seed === seed)?.figures[figure];
    return typeof found === 'number' ? times * found : Number.NaN;
  };
  const tested = tests.map(({ says, terms }) => ({
    says,
    sums: seeds
      .map((seed) => terms.reduce((sum, term) => sum + termOf(seed, term), 0))
      .filter((sum) => Number.isFinite(sum)),
  }));
  return { says, verdict: verdictOf(tested.map(({ sums }) => sums)), tests: tested };
}

function verdictOf(sums: readonly (readonly number[])[]): Verdict {
  const enough = sums.filter((seeds) => seeds.length >= leastSeeds);
  if (enough.some((seeds) => seeds.every((sum) => sum < 0))) return 'not reproduced';
  const all = sums.length > 0 && enough.length === sums.length;
  return all && enough.every((seeds) => seeds.every((sum) => sum > 0)) ? 'reproduced' : 'not decided';
}
