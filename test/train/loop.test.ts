/** The loop around a training: clock, rate, what is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Training, TrainingState, trainingLoop } from '../../train/index.ts';

function counting(steps: number, done = 0): Training & { prepared: number } {
  const state = new TrainingState({ models: {}, optimizers: {}, streams: {} });
  state.done = done;
  const training = {
    model: {},
    steps,
    batchSize: 8,
    state,
    prepared: 0,
    async step() {
      state.done++;
      return { loss: state.done };
    },
    async prepare() {
      training.prepared++;
    },
  };
  return training;
}

test('time and images count on from earlier sessions', async () => {
  const training = counting(10, 4);
  const seen = [];
  for await (const progress of trainingLoop(training, { seconds: 100, images: 32 })) seen.push(progress);
  assert.deepEqual(
    seen.map(({ step, loss, images }) => [step, loss, images]),
    [5, 6, 7, 8, 9, 10].map((step) => [step, step, 8 * step]),
  );
  assert.ok(seen.every(({ seconds }) => seconds >= 100 && seconds < 110));
  assert.ok(seen.every(({ imagesPerSecond }) => imagesPerSecond > 0));
  assert.equal(seen.at(-1)!.secondsLeft, 0);
  assert.equal(training.prepared, 1);
});

test('leaving the loop stops between two updates; a finished training is not prepared', async () => {
  const training = counting(10);
  for await (const { step } of trainingLoop(training)) if (step === 3) break;
  assert.equal(training.state.done, 3);
  const finished = counting(3, 3);
  for await (const _ of trainingLoop(finished)) assert.fail('no update is left');
  assert.equal(finished.prepared, 0);
});

test('other tasks get a turn after every update', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  for await (const { step } of trainingLoop(counting(1000)))
    if (turns > 2) break;
    else assert.ok(step < 1000, 'timers ran');
  clearInterval(timer);
});
