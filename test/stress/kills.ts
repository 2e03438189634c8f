/** Signals at any moment of any stage, several times if need be; going on gives what an undisturbed training gives. */
import fc from 'fast-check';
import { type StageName, stageNames } from '../../train/index.ts';
import { defineKind, expect, part } from './kind.ts';
import {
  apart,
  checkpoint,
  expectSameEnd,
  expectTold,
  extentOf,
  type Outcome,
  removeRun,
  resume,
  startRun,
  train,
  updatesOf,
} from './workshop.ts';

interface Stop {
  readonly signal: NodeJS.Signals;
  /** Part of the way through the training, by file operations in the run or by time. */
  readonly at: number;
  readonly by: 'operation' | 'time';
  /** After the operation instead of before. */
  readonly after: boolean;
}

const stop: fc.Arbitrary<Stop> = fc.record({
  signal: fc.constantFrom<NodeJS.Signals[]>('SIGKILL', 'SIGKILL', 'SIGINT', 'SIGTERM', 'SIGHUP'),
  at: part,
  by: fc.constantFrom('operation', 'operation', 'time'),
  after: fc.boolean(),
});

export const kills = defineKind({
  name: 'kill',
  about: 'signals in a stage, then --resume',
  share: 30,
  trial: fc.record({
    stage: fc.constantFrom(...stageNames),
    stops: fc.array(stop, { minLength: 1, maxLength: 3, size: 'small' }),
  }),
  async run({ stage, stops }) {
    startRun('kill', stage);
    const endings: string[] = [];
    for (const stop of stops) {
      const path = checkpoint('kill', stage);
      const before = updatesOf(path);
      const args = train(stage, 'kill', endings.length > 0 ? resume : {});
      const outcome = await stopped(stop, stage, args);
      const after = updatesOf(path); // it can be read
      expect(after >= before, `expected at least the ${before} updates saved before, got ${after}`);
      endings.push(endingOf(outcome, stop, after));
    }
    await expectSameEnd('kill', stage);
    removeRun('kill');
    return endings.at(-1)!;
  },
});

function stopped({ signal, at, by, after }: Stop, stage: StageName, args: readonly string[]): Promise<Outcome> {
  const { operations, ms } = extentOf(stage);
  if (by === 'operation') return apart(args, { trip: { signal, at: Math.floor(at * operations), after } });
  return apart(args, {
    onStart: (child) => {
      const timer = setTimeout(() => child.kill(signal), at * ms);
      child.on('exit', () => clearTimeout(timer));
    },
  });
}

function endingOf(outcome: Outcome, { signal }: Stop, saved: number): string {
  const { status, err } = outcome;
  if (outcome.signal !== null) {
    expect(outcome.signal === signal, `expected an end by ${signal}, got ${outcome.signal}\n${err}`);
    return signal === 'SIGKILL' ? 'killed' : 'ended at once';
  }
  const number = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal as string];
  if (status === 130 || status === number) {
    expectTold({ ...outcome, status: 130 }, 'a training that got a signal');
    const told = /stopped after (\d+) of \d+ updates; saved/.exec(err);
    if (!told) return 'ended at once';
    expect(Number(told[1]) === saved, `expected ${told[1]} saved updates, as it says, got ${saved}`);
    return 'saved';
  }
  expect(status === 0, `expected an end by ${signal} or status 0, got ${status}\n${err}`);
  return 'finished before';
}
