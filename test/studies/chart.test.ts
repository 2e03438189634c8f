/** Charts show every mean at its place, with a bar of one standard deviation to either side. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { svgOf } from '../../studies/chart.ts';
import { summaryOf } from '../../studies/statistics.ts';

const dot = (place: number, ...values: number[]) => ({
  place,
  ...summaryOf(
    values.map((fd, seed) => ({ row: 'a', seed, figures: { fd } })),
    'a',
    'fd',
  )!,
});
const circles = (svg: string) =>
  [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3/g)].map(([, x, y]) => [+x, +y]);

test('mean and standard deviation over seeds', () => {
  assert.deepEqual(dot(0, 1, 2, 3), { place: 0, mean: 2, deviation: 1, values: [1, 2, 3] });
  assert.deepEqual(dot(0, 5), { place: 0, mean: 5, deviation: 0, values: [5] });
  const measured = [{ row: 'a', seed: 0, figures: { fd: null } }];
  assert.equal(summaryOf(measured, 'a', 'fd'), undefined);
});

test('lines over numbers', () => {
  const lines = [
    { name: 'S', dots: [dot(0, 1, 2, 3), dot(1, 4), dot(2, 10)] },
    { name: 'a < b', dots: [dot(1, 6)] },
  ];
  const svg = svgOf('T & U', [{ title: 'FD', places: [4, 8, 64], over: 'tokens', lines }]);
  const found = circles(svg).slice(-4); // after those of the legend
  assert.deepEqual([found[0][0] < found[1][0], found[1][0], found[0][1] > found[1][1]], [true, found[3][0], true]);
  const [x, y] = found[0];
  const [, top, bottom] = new RegExp(`<path d="M${x} ([\\d.]+)V([\\d.]+)"`).exec(svg)!.map(Number);
  assert.ok(Math.abs((top + bottom) / 2 - y) < 0.2 && top - bottom > 5, `${top} ${y} ${bottom}`);
  for (const text of ['>64<', '>tokens<', '>a &lt; b<', '<title>T &amp; U</title>'])
    assert.ok(svg.includes(text), text);
});

test('a dot for each name, and nothing for what was not measured', () => {
  const lines = [{ name: '', dots: [dot(0, 3), dot(2, 1)] }];
  const svg = svgOf('T', [{ title: 'FD', places: ['one', 'two', 'three'], lines }]);
  const [first, last, ...more] = circles(svg);
  assert.deepEqual([first[0] > last[0], first[1] < last[1], more.length], [true, true, 0]);
  for (const name of ['one', 'two', 'three']) assert.ok(svg.includes(`>${name}</text>`), name);
  assert.doesNotMatch(svgOf('T', [{ title: 'FD', places: ['one'], lines: [] }]), /NaN|Infinity/);
});
