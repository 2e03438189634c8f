/** Verdicts follow from the signs of differences, seed by seed. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { committedStudies, withStudies } from '../../docs/studies.ts';
import {
  budgets,
  chartOf,
  claimsOf,
  falling,
  fallsFurther,
  judge,
  less,
  type Measured,
  more,
  pageOf,
  rising,
  stepsOf,
  studies,
  type Test,
} from '../../studies/index.ts';

/** FD of rows, a number for each seed. */
const measured = (rows: Readonly<Record<string, readonly (number | null)[]>>): Measured =>
  Object.entries(rows).flatMap(([row, values]) => values.map((fd, seed) => ({ row, seed, figures: { fd } })));
const verdict = (rows: Readonly<Record<string, readonly (number | null)[]>>, ...tests: Test[]) =>
  judge({ says: '', paper: '', tests }, measured(rows)).verdict;

test('a claim needs the predicted sign in every seed', () => {
  const b = [10, 20, 30];
  assert.equal(verdict({ a: [9, 19, 29], b }, less('fd', 'a', 'b')), 'reproduced');
  assert.equal(verdict({ a: [11, 21, 31], b }, less('fd', 'a', 'b')), 'not reproduced');
  assert.equal(verdict({ a: [9, 19, 31], b }, less('fd', 'a', 'b')), 'not decided');
  assert.equal(verdict({ a: [9, 19, 30], b }, less('fd', 'a', 'b')), 'not decided', 'equal is no sign');
  assert.equal(verdict({ a: [11, 21, 31], b }, more('fd', 'a', 'b')), 'reproduced');
});

test('all tests of a claim have to hold; one that fails everywhere decides', () => {
  const rows = { a: [1, 1, 1], b: [2, 2, 2], c: [3, 3, 0] };
  assert.equal(verdict(rows, ...rising('fd', ['a', 'b'])), 'reproduced');
  assert.equal(verdict(rows, ...rising('fd', ['a', 'b', 'c'])), 'not decided');
  assert.equal(verdict(rows, ...falling('fd', ['a', 'b', 'c'])), 'not reproduced');
  assert.equal(verdict(rows), 'not decided', 'no test');
});

test('with fewer than three seeds, or without a figure, nothing is decided', () => {
  assert.equal(verdict({ a: [1, 1], b: [2, 2] }, less('fd', 'a', 'b')), 'not decided');
  assert.equal(verdict({ a: [1, 1, null], b: [2, 2, 2] }, less('fd', 'a', 'b')), 'not decided');
  assert.equal(verdict({ a: [1, 1, 1] }, less('fd', 'a', 'b')), 'not decided');
  assert.equal(verdict({ a: [1, 1, null, 1], b: [2, 2, 2, 2] }, less('fd', 'a', 'b')), 'reproduced', 'three others');
});

test('factors and differences of differences', () => {
  const rows = { a: [10, 10, 10], b: [4, 4, 4], c: [5, 5, 5], d: [2, 2, 2] };
  assert.equal(verdict(rows, more('fd', 'a', 'b', 2)), 'reproduced');
  assert.equal(verdict(rows, more('fd', 'a', 'b', 3)), 'not reproduced');
  assert.equal(verdict(rows, less('fd', 'a', 'b', 3)), 'reproduced');
  assert.equal(verdict(rows, fallsFurther('fd', ['a', 'b'], ['c', 'd'])), 'reproduced');
  assert.equal(verdict(rows, fallsFurther('fd', ['c', 'd'], ['a', 'b'])), 'not reproduced');
});

test('claims are about rows that there are, and rows can be trained', () => {
  for (const study of Object.values(studies)) {
    for (const [name, budget] of Object.entries(budgets)) {
      const { rows, claims } = study.plan(budget);
      const names = rows.map((row) => row.name);
      assert.equal(new Set(names).size, names.length, `${study.name} ${name}: ${names.join(', ')}`);
      for (const { trainings } of rows) stepsOf(trainings, 0, { path: 'emoji' }); // throws for settings that do not fit
      assert.ok(claims.length > 0 && claims.every(({ tests }) => tests.length > 0), `${study.name} ${name}`);
      for (const { row } of claims.flatMap(({ tests }) => tests.flatMap(({ terms }) => terms)))
        assert.ok(
          names.includes(row),
          `${study.name} ${name}: a claim is about '${row}'; there are ${names.join(', ')}`,
        );
    }
  }
});

const root = fileURLToPath(new URL('../..', import.meta.url));

test('the pages in docs/studies follow from their figures', () => {
  for (const [study, results] of committedStudies()) {
    const at = (kind: string) => join(root, 'docs/studies', `${study.name}.${kind}`);
    const plan = study.plan(budgets[results.preset as keyof typeof budgets]);
    const repair = `'titok study ${study.name} --preset ${results.preset} --resume' writes it anew`;
    assert.deepEqual(results.claims, claimsOf(plan, results), repair);
    assert.equal(readFileSync(at('md'), 'utf8'), pageOf(study, results, existsSync(at('png'))), repair);
    assert.equal(readFileSync(at('svg'), 'utf8'), chartOf(study, plan, results), repair);
  }
});

test('the table of README.md has the verdicts of all pages', () => {
  const page = readFileSync(join(root, 'README.md'), 'utf8');
  assert.equal(page, withStudies(page, committedStudies()), "'npm run docs:studies' writes it anew");
});
