/** Two processes in one run: one after the other or one of them is refused; the results are never a mixture. */
import fc from 'fast-check';
import { stageNames } from '../../train/index.ts';
import { defineKind, expect, part } from './kind.ts';
import {
  apart,
  earlier,
  expectSame,
  expectTold,
  extentOf,
  type Outcome,
  removeRun,
  startRun,
  train,
} from './workshop.ts';

export const twice = defineKind({
  name: 'twice',
  about: 'two trainings in one run at once',
  share: 10,
  trial: fc.record({
    first: fc.constantFrom(...stageNames),
    second: fc.option(fc.constantFrom(...stageNames)),
    /** Part of the first one's time after which the second starts. */
    delay: part.map((x) => 0.4 * x),
  }),
  async run({ first, second, delay }) {
    const both = [first, second ?? first];
    const last = [...both].sort((a, b) => earlier[b].length - earlier[a].length)[0];
    startRun('twice', last);
    const start = (stage: (typeof stageNames)[number]) => apart(train(stage, 'twice'));
    const outcomes: Outcome[] = await Promise.all([
      start(both[0]),
      new Promise((done) => setTimeout(done, delay * extentOf(first).ms)).then(() => start(both[1])),
    ]);
    const endings = outcomes.map((outcome) => expectTold(outcome, 'one of two trainings in a run'));
    expect(endings.includes('done'), `expected one of the two to train\n${outcomes.map(({ err }) => err).join('\n')}`);
    for (const [i, stage] of both.entries()) if (endings[i] === 'done') expectSame('twice', stage);
    removeRun('twice');
    return endings.includes('refused') ? 'one was refused' : 'one after the other';
  },
});
