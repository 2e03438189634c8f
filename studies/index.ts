/**
 * The paper as studies: every figure and table as trainings that one command repeats.
 *
 * Reading order: study, claims, figures, measures, budgets, then the studies themselves: tokens, tokenizer, … How they run:
 * trainings, results, run-study, page.
 *
 * @module
 */

export { type Budget, type BudgetName, budgets } from './budgets.ts';
export {
  type Claim,
  criterion,
  falling,
  fallsFurther,
  type Judged,
  judge,
  leastSeeds,
  less,
  type Measured,
  more,
  rising,
  type Term,
  type Test,
  type Tested,
  type Verdict,
} from './claims.ts';
export { type Figure, type FigureName, type Figures, figures } from './figures.ts';
export { latentProbe, type Measure, reconstruction, samples, time } from './measures.ts';
export { chartOf, overviewOf, pageOf } from './page.ts';
export { type Results, type RowRun, readStudyResults } from './results.ts';
export type { PaperRow, Row, Trainings } from './row.ts';
export { claimsOf, runStudy, type StudyOptions } from './run-study.ts';
export { studies } from './studies.ts';
export type { Plan, Study } from './study.ts';
export { stepsOf, trained, type Workshop } from './trainings.ts';
