/** report.html: everything of a run on one page, in one file, with all text escaped. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { loadImageFolder } from '../../data/index.ts';
import {
  binned,
  openRun,
  type Point,
  readLog,
  readResults,
  shortNumber,
  teacher,
  ticks,
  writeReport,
} from '../../train/index.ts';
import { html } from '../../train/report/html.ts';
import { writePictures } from '../cli/command-line.ts';
import { temporaryFolder } from '../data/temporary.ts';
import { useOneThread } from './recipes.ts';

before(useOneThread);

const settings = {
  imageSize: 16,
  teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 },
  steps: 8,
  batchSize: 2,
  continuousSteps: 3,
} as const;

/** No scripts, nothing that is loaded from elsewhere, and every tag closed. */
function expectSelfContained(page: string): void {
  assert.ok(page.startsWith('<!doctype html>\n<html lang="en">'));
  assert.doesNotMatch(page, /<script|<link|<iframe|javascript:|@import|https?:/i);
  for (const [, url] of page.matchAll(/(?:src|href)="([^"]*)"/g)) assert.match(url, /^data:image\/png;base64,/);
  const open: string[] = [];
  for (const [, end, name, own] of page.matchAll(/<(\/?)([a-z1-9]+)\b[^>]*?(\/?)>/g)) {
    if (own || ['meta', 'br', 'img'].includes(name)) continue;
    if (end) assert.equal(open.pop(), name, `</${name}>`);
    else open.push(name);
  }
  assert.deepEqual(open, []);
}

test('a run writes its report: curves, pictures, figures, settings and the commands', async (t) => {
  const folder = temporaryFolder(t);
  const dataset = await loadImageFolder(await writePictures(join(folder, 'images')), 16);
  const [command, longer] = ['titok train teacher --name "<i>&"', 'titok train teacher --resume'];
  const options = { dataset, measureEvery: 2, pictureEvery: 3, command, preset: '</style><b>' };
  const path = join(folder, 'run/report.html');
  for await (const { step } of (await openRun(join(folder, 'run'), options)).train(teacher, settings)) {
    if (step === 2) assert.match(readFileSync(path, 'utf8'), /<meta http-equiv="refresh" content="20">/); // of update 1
    if (step === 5) break;
  }
  assert.doesNotMatch(readFileSync(path, 'utf8'), /http-equiv="refresh"/, 'nobody trains any more');
  const row = await (await openRun(join(folder, 'run'), { ...options, command: longer })).fit(teacher, settings);
  const page = readFileSync(path, 'utf8');
  expectSelfContained(page);
  assert.ok(page.includes('<code>titok train teacher --name &#34;&#60;i&#62;&#38;&#34;</code>'));
  assert.ok(page.includes(`<code>${longer}</code>`));
  assert.ok(
    page.includes('preset &#60;/style&#62;&#60;b&#62;, seed 0, 12 training and 4 held-out images in 2 classes'),
  );
  assert.ok(page.includes(`<td>${row.psnr!.toFixed(2)}</td>`));
  assert.ok(page.includes('<tr><td>teacher.stem</td><td>[8,8]</td></tr>'));
  assert.ok(page.includes('8 of 8 updates in 0.0 min'));
  assert.deepEqual(
    [...page.matchAll(/<figcaption>teacher after update (\d+)</g)].map(([, step]) => Number(step)),
    [1, 3, 6, 8],
  );
  assert.ok(page.includes(`base64,${readFileSync(join(folder, 'run/pictures/teacher-000003.png'), 'base64')}"`));
  assert.equal(page.match(/<figcaption><b>psnr<\/b> [\d.]+, held-out [\d.]+</g)?.length, 1);
  assert.deepEqual(readResults(join(folder, 'run')).teacher, { commands: [command, longer], row: { ...row } });

  const other = join(folder, 'other/run');
  await (await openRun(other, { dataset, measureEvery: 0 })).fit(teacher, { ...settings, steps: 6 });
  writeReport(join(folder, 'both.html'), [join(folder, 'run'), other]);
  const both = readFileSync(join(folder, 'both.html'), 'utf8');
  expectSelfContained(both);
  assert.ok(both.includes('<title>run (1), run (2)</title>'));
  const loss = both.slice(both.indexOf('<b>loss</b>'), both.indexOf('<b>mse</b>'));
  for (const style of ['train c0', 'train c1', 'held-out c0']) assert.ok(loss.includes(`class="${style}"`), style);
  assert.ok(!loss.includes('held-out c1'));
});

test('damaged files, and figures and names that look like HTML, give a page all the same', (t) => {
  const folder = temporaryFolder(t);
  const run = join(folder, '<b>&');
  mkdirSync(join(run, 'pictures'), { recursive: true });
  symlinkSync('nothing', join(run, 'pictures/teacher-000001.png')); // as one that is deleted once it is listed
  const lines = [
    { stage: 'teacher', step: 1, seconds: 1, loss: 'NaN', '<script>': 3 },
    { stage: 'teacher', step: 2, seconds: 'x', loss: 'Infinity', '<script>': 4 },
    { stage: '<script>', step: 1, loss: 1 },
  ];
  writeFileSync(join(run, 'log.jsonl'), `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"stage`);
  writeFileSync(join(run, 'teacher.safetensors'), 'damaged');
  writeFileSync(join(run, 'results.json'), '{"teacher":{"commands":[7]}}');
  writeReport(join(folder, 'page.html'), [run]);
  const page = readFileSync(join(folder, 'page.html'), 'utf8');
  expectSelfContained(page);
  assert.ok(page.includes('<h1>&#60;b&#62;&#38;</h1>') && page.includes('<b>&#60;script&#62;</b>'));
  assert.ok(!page.includes('<b>loss</b>'), 'without a finite value there is no curve');
  assert.doesNotMatch(page, /NaN|Infinity|undefined/);
  assert.throws(() => writeReport(join(run, 'log.jsonl/report.html'), [run]), {
    name: 'CheckpointError',
    message: new RegExp(`${basename(run)}.*: expected to write a report, got `),
  });
});

test('warnings of guards, and PSNR by the number of tokens', (t) => {
  const run = temporaryFolder(t);
  const line = { stage: 'finetune', step: 60, seconds: 1, loss: 1, warning: 'Codes & <spread>.' };
  writeFileSync(join(run, 'log.jsonl'), `${JSON.stringify(line)}\n`);
  const row = { name: 'finetune', steps: 60, seconds: 1, imagesPerSecond: 1, loss: 1, psnr: 15, psnr1: 9, psnr32: 14 };
  const more = { psnr2: 11, codesUsed: null, perplexity: null, fd: null };
  writeFileSync(join(run, 'results.json'), JSON.stringify({ finetune: { row: { ...row, ...more } } }));
  assert.equal(readLog(run).get('finetune')!.updates[0].warning, line.warning);
  writeReport(join(run, 'report.html'), [run]);
  const page = readFileSync(join(run, 'report.html'), 'utf8');
  expectSelfContained(page);
  assert.ok(page.includes('<p class="warning">update 60: Codes &#38; &#60;spread&#62;.</p>'));
  const titles = page.slice(page.indexOf('<b>PSNR by the number of tokens</b>')).matchAll(/<title>([^<]*)</g);
  assert.deepEqual(
    [...titles].map(([, title]) => title),
    ['1 tokens: 9', '2 tokens: 11', '32 tokens: 14'],
  );
});

test('what is inserted into HTML is text', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const { text: page } = html`<p title="${text}">${text}</p>`;
      assert.doesNotMatch(page.slice(10, -4), /<(?!\/?p\b)/);
      assert.equal(page.match(/"/g)?.length, 2);
      const back = page.slice(10, page.indexOf('">')).replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
      assert.equal(back, text);
    }),
  );
});

test('ticks are round, within the axis and not too many; thinned curves keep their mean', () => {
  const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(
      number,
      fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
      fc.integer({ min: 1, max: 20 }),
      (low, size, count) => {
        const high = low + size;
        if (!(high - low > 1e-9 * Math.abs(low))) return; // nothing is between them
        const found = ticks(low, high, count);
        assert.ok(found.length <= count + 1, `${found}`);
        const slack = 1e-6 * size + 1e-9 * Math.abs(low);
        for (const value of found) assert.ok(value >= low - slack && value <= high + slack, `${value}`);
      },
    ),
  );
  fc.assert(
    fc.property(fc.array(number, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 60 }), (values, most) => {
      const points: Point[] = values.map((value, i) => ({ step: i + 1, value }));
      const bins = binned(points, most);
      assert.ok(bins.length <= Math.max(most, 1) && bins.length >= Math.min(most, points.length) / 2);
      const within = (x: number) => x >= Math.min(...values) - 1e-6 && x <= Math.max(...values) + 1e-6;
      assert.ok(bins.every(({ value }, i) => within(value) && (i === 0 || bins[i - 1].step < bins[i].step)));
    }),
  );
  assert.deepEqual(ticks(0, 10, 5), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(2.4, 6.3, 4), [3, 4, 5, 6]);
  assert.deepEqual([0, 2.45, 1500, 0.00021, -3e9, 1e-3].map(shortNumber), [
    '0',
    '2.45',
    '1,500',
    '2.1e-4',
    '-3e9',
    '0.001',
  ]);
});
