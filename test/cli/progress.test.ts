/** The progress line on a narrow terminal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressLine, showShare } from '../../cli/progress.ts';

test('loss terms are left out until the line fits', () => {
  const figures = { loss: 3.36, crossEntropy: 3.12, learningRate: 0.002, gradientNorm: 0.7 };
  const times = { seconds: 20, images: 48, imagesPerSecond: 14.2, secondsLeft: 125 };
  const progress = { step: 3, steps: 2000, loss: 3.36, figures, ...times };
  const line = (width: number) => progressLine('warmup', progress, width);
  assert.equal(
    line(Number.POSITIVE_INFINITY),
    'warmup 3/2000  loss 3.36  crossEntropy 3.12  14 images/s  2 min 05 s left',
  );
  assert.equal(line(60), 'warmup 3/2000  loss 3.36  14 images/s  2 min 05 s left');
  assert.equal(line(10), 'warmup 3/2');
});

test('before anything is done, no time is left that could be told', (t) => {
  let now = 0;
  let shown = '';
  t.mock.method(performance, 'now', () => now);
  const line = showShare('fetching');
  t.mock.method(process.stderr, 'write', (text: string) => {
    shown += text;
    return true;
  });
  now = 6000;
  line.update(0, 300, '0 of 3 MB');
  now = 12_000;
  line.update(100, 300);
  t.mock.restoreAll();
  assert.match(shown, /fetching {2}0 % {2}0 of 3 MB\n.*fetching {2}33 % {2}24 s left/s);
});
