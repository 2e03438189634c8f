/** The progress line on a narrow terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitting, ProgressLine } from '../../cli/progress.ts';

test('loss terms are left out until the line fits', () => {
  const first = ['warmup 3/2000', 'loss 3.36', 'crossEntropy 3.12'];
  const last = ['14 images/s', '2 min 05 s left'];
  assert.equal(
    fitting(first, last, Infinity),
    'warmup 3/2000  loss 3.36  crossEntropy 3.12  14 images/s  2 min 05 s left',
  );
  assert.equal(fitting(first, last, 60), 'warmup 3/2000  loss 3.36  14 images/s  2 min 05 s left');
  assert.equal(fitting(first, last, 10), 'warmup 3/2');
});

test('time and images count on from the sessions before', () => {
  const line = new ProgressLine('teacher', { steps: 10, done: 4, batchSize: 8, before: { seconds: 100, images: 32 } });
  const { seconds, images } = line.spent(6);
  assert.ok(seconds >= 100 && seconds < 101);
  assert.equal(images, 48);
});
