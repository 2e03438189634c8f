/** `titok plot` and `titok report`: curves of a log in the terminal, and on a page. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { drawPlot } from '../../cli/braille.ts';
import { titok, workIn } from './command-line.ts';

workIn(mkdtempSync(join(tmpdir(), 'titok-plot-')));
mkdirSync('runs/mine', { recursive: true });
const updates = Array.from({ length: 200 }, (_, i) => ({
  stage: 'warmup',
  step: i + 1,
  seconds: i,
  loss: 6 / (1 + i / 20),
}));
const looks = [50, 100, 150, 200].map((step) => ({ heldOut: 'warmup', step, images: 64, loss: 5, psnr: 12 }));
const others = [{ stage: 'teacher', step: 1, seconds: 1, loss: 2 }];
writeFileSync('runs/mine/log.jsonl', [...updates, ...looks, ...others].map((x) => `${JSON.stringify(x)}\n`).join(''));

test('a falling curve falls, held-out values are marked, and no line is wider than asked', () => {
  const points = Array.from({ length: 100 }, (_, i) => ({ step: i + 1, value: 100 - i }));
  for (const [width, height] of [
    [80, 14],
    [20, 2],
    [33, 5],
    [200, 40],
  ] as const) {
    const lines = drawPlot({ train: points, heldOut: [{ step: 50, value: 50 }] }, { title: 'loss', width, height });
    assert.equal(lines.length, height + 3);
    assert.ok(
      lines.every((line) => [...line].length <= width),
      lines.join('\n'),
    );
    const whole = ['loss', 'training 1', 'held-out o 50'];
    assert.deepEqual(lines[0].split('   '), whole.slice(0, width < 24 ? 2 : 3), 'what has no room is left out whole');
    const rows = lines.slice(1, -2);
    const firstDot = rows.map((row) => row.search(/[\u2801-\u28ff]/)).filter((at) => at >= 0);
    assert.deepEqual(
      firstDot,
      [...firstDot].sort((a, b) => a - b),
      'the further down, the further right',
    );
    assert.equal(rows.join('').match(/o/g)?.length, 1);
    const marked = rows.findIndex((row) => row.includes('o'));
    assert.ok(Math.abs(marked - (height - 1) / 2) <= 1, `half-way down, got line ${marked} of ${height}`);
  }
});

test('curves with one point, equal values or none have a plot', () => {
  for (const values of [[], [3], [0, 0, 0], [1e-30, 1e30], [-5, -5]]) {
    const train = values.map((value, i) => ({ step: i + 1, value }));
    const lines = drawPlot({ train, heldOut: [] }, { title: 'x', width: 40, height: 5 });
    assert.equal(lines.length, 8);
    assert.doesNotMatch(lines.join(''), /NaN|Infinity|undefined/);
  }
});

test('plot draws each stage, or the one that is named, in 80 columns when nobody says how many', async (t) => {
  const all = await titok(t, 'plot', 'mine');
  assert.equal(all.status, 0, all.err);
  const titles = all.out.split('\n').filter((line) => line.includes(': loss'));
  assert.deepEqual(titles, ['teacher: loss   training 2', 'warmup: loss   training 0.5479   held-out o 5']);
  assert.ok(all.out.split('\n').every((line) => [...line].length <= 80));
  const one = await titok(
    t,
    'plot',
    'runs/mine',
    '--stage',
    'warmup',
    '--metric',
    'psnr',
    '--width',
    '50',
    '--height',
    '6',
  );
  assert.equal(one.out.split('\n').length, 9);
  assert.match(one.out, /^warmup: psnr {3}held-out o 12\n/);
});

test('runs, stages and metrics that are not there are told', async (t) => {
  const mistakes: [args: string[], message: string][] = [
    [
      ['plot', 'mien'],
      "run: expected a folder in runs/, or the path of a run, got 'mien' (did you mean 'mine'?). Runs here: mine.",
    ],
    [
      ['report', 'mine', 'yours'],
      "run: expected a folder in runs/, or the path of a run, got 'yours'. Runs here: mine.",
    ],
    [
      ['plot', 'mine', '--stage', 'single'],
      '--stage: expected one of teacher, warmup, which runs/mine has a log of, got single.',
    ],
    [['plot', 'mine', '--metric', 'los'], "--metric: expected one of loss, psnr, got 'los' (did you mean 'loss'?)."],
    [['plot', 'mine', '--width', '3'], "--width: expected a whole number from 20 to 1000, got '3'."],
    [['report', 'mine', '--output', 'a.png'], "--output: expected a file name that ends in .html, got 'a.png'."],
  ];
  for (const [args, message] of mistakes)
    assert.deepEqual(await titok(t, ...args), { status: 1, out: '', err: message });
  assert.equal(existsSync('report.html'), false);
  mkdirSync('runs/half', { recursive: true });
  writeFileSync('runs/half/teacher.safetensors', '');
  const half = await titok(t, 'plot', 'half');
  assert.equal(half.err, 'run: expected a log with curves, got runs/half without one (log.jsonl).');
});

test('report writes into the run, or for several where one is told', async (t) => {
  assert.deepEqual(await titok(t, 'report', 'mine'), { status: 0, out: join('runs/mine', 'report.html'), err: '' });
  assert.match(readFileSync('runs/mine/report.html', 'utf8'), /<b>psnr<\/b> held-out 12</);
  mkdirSync('runs/yours');
  writeFileSync('runs/yours/log.jsonl', readFileSync('runs/mine/log.jsonl'));
  const { out } = await titok(t, 'report', 'mine', 'yours', '--output', 'pages/both.html');
  assert.equal(out, 'pages/both.html');
  assert.match(readFileSync(out, 'utf8'), /<title>mine, yours<\/title>/);
});
