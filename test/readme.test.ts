/** What README.md, CONTRIBUTING.md and docs/ name is there. Their programs: doc-examples.test.ts. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { markers, resultsTable, withResults } from '../docs/results.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pages = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).filter((file) => file.endsWith('.md')).map((file) => `docs/${file}`)]; // biome-ignore format: one thought

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

test('links lead to files that are there', () => {
  for (const page of pages) {
    for (const [, target] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}, which is not there`);
    }
  }
});

test('files named in the documentation are there', () => {
  for (const page of pages) {
    for (const [, path] of read(page).matchAll(
      /`((?:core|nn|titok|maskgit|diffusion|data|eval|train|studies|http|cli|web|tools|bench|docs|test)\/[\w./-]*)`/g,
    )) {
      assert.ok(existsSync(join(root, path)), `${page} names ${path}, which is not there`);
    }
  }
});

test('npm scripts named in the documentation exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const page of pages) {
    for (const [, name] of read(page).matchAll(/npm run (?:--silent )?([\w:]+)/g)) {
      assert.ok(scripts[name], `${page}: expected a script of package.json, got '${name}'`);
    }
  }
});

test('docs:results replaces what stands between its markers, and nothing else', () => {
  const stage = { name: 'teacher', steps: 2, seconds: 3.14, imagesPerSecond: 10.2, loss: 0.5, fd: 12.34 };
  const metrics = {
    preset: 'tiny',
    seed: 0,
    device: 'cpu',
    threads: 2,
    seconds: 600,
    heldOut: 739,
    stages: [
      { ...stage, psnr: 21.456, codesUsed: 512, perplexity: 300.4 },
      { ...stage, name: 'generator', psnr: null, codesUsed: null, perplexity: null },
    ],
  };
  const table = resultsTable(metrics, 'quickstart');
  assert.match(table, /^\| teacher \| 2 \| 3 \| 10 \| 0\.500 \| 21\.46 \| 512 \| 300 \| 12\.3 \|$/m);
  assert.match(table, /^\| generator \| 2 \| 3 \| 10 \| 0\.500 \| – \| – \| – \| 12\.3 \|$/m);
  const page = `before\n${markers.begin}\nold\n${markers.end}\nafter\n`;
  assert.equal(withResults(page, 'new'), `before\n${markers.begin}\n\nnew\n\n${markers.end}\nafter\n`);
  assert.throws(() => withResults('no markers', 'new'), /expected the markers/);
  assert.doesNotThrow(() => withResults(read('README.md'), table));
});
