/** The row that studies vary: the paper's recipe with a budget's settings. */
import { merge } from '../train/index.ts';
import type { Budget } from './budgets.ts';
import type { Trainings } from './row.ts';

/** Teacher, stage 1, stage 2 and the generator. Studies that change nothing else share these trainings. */
export const usualTrainings = (
  budget: Budget,
): Required<Pick<Trainings, 'teacher' | 'warmup' | 'finetune' | 'generator'>> => ({
  ...usualTokenizer(budget),
  generator: budget.generator,
});

/** `usualTrainings` without the generator. */
export const usualTokenizer = ({
  teacher,
  warmup,
  finetune,
  latentTokens,
  codebookSize,
}: Budget): Required<Pick<Trainings, 'teacher' | 'warmup' | 'finetune'>> => ({
  teacher,
  warmup: merge(warmup, { model: { latentTokens, codebookSize } }),
  finetune,
});
