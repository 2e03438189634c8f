/** `titok edit`: tokens replaced, fitted and drawn again, what is written, and options that contradict each other. */
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { parsePositions, parseRectangle, parseReplacements } from '../../cli/tokens.ts';
import { decodeImage } from '../../data/index.ts';
import { trainedRun } from '../train/trained-run.ts';
import { titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-edit-')));
after(() => rmSync(folder, { recursive: true, force: true }));
const image = 'pictures/val/cats/0.png';
let tokens: number[]; // of the image, before any edit

before(async () => {
  await trainedRun('.');
});

interface Edited {
  readonly tokens: number[];
  readonly lines: string[];
  readonly err: string;
}
/** Runs a command that works; 4 tokens of 16 codes. */
async function edit(t: TestContext, ...options: string[]): Promise<Edited> {
  const { status, out, err } = await titok(t, 'edit', image, '--name', 'small', '--threads', '1', ...options);
  assert.equal(status, 0, err);
  const [line, ...lines] = out.split('\n');
  const { image: path, tokens } = JSON.parse(line);
  assert.equal(path, image);
  return { tokens, lines, err };
}
const other = (position: number) => (tokens[position] + 1) % 16;

test('--set replaces the tokens that it names; files: the picture, a sheet, the tokens as tokenize prints them', async (t) => {
  const plain = await titok(t, 'tokenize', image, '--name', 'small', '--threads', '1');
  tokens = JSON.parse(plain.out).tokens;
  const set = `1=${other(1)},3=${other(3)}`;
  const edited = await edit(t, '--set', set, '--output', 'out/a.png', '--tokens-output', 'out/a.jsonl');
  assert.deepEqual(edited.tokens, [tokens[0], other(1), tokens[2], other(3)]);
  assert.match(edited.lines[0], /^2 of 4 tokens changed, \d+\.\d\d dB → \d+\.\d\d dB$/);
  assert.deepEqual(edited.lines.slice(1), ['out/a.jsonl', 'out/a.png', 'out/a-sheet.png']);
  assert.deepEqual(JSON.parse(readFileSync('out/a.jsonl', 'utf8')), { image, tokens: edited.tokens });
  const [picture, sheet] = [await decodeImage('out/a.png'), await decodeImage('out/a-sheet.png')];
  assert.deepEqual([picture.width, picture.height], [16, 16]);
  assert.ok(sheet.width > 3 * 96 && sheet.height > 96);

  const back = await edit(t, '--set', `1=${tokens[1]}`, '--output', 'out/b.png'); // as it was
  assert.match(back.lines[0], /^0 of 4 tokens changed, (\d+\.\d\d) dB → \1 dB$/);
  assert.notDeepEqual(await decodeImage('out/b.png'), picture);
});

test('without --output, the picture goes into the run', async (t) => {
  const { lines } = await edit(t, '--set', '0=1');
  assert.deepEqual(lines.slice(1), ['runs/small/edited.png', 'runs/small/edited-sheet.png']);
  for (const path of lines.slice(1)) assert.ok(existsSync(path));
});

test('--fit comes closer to the pixels, or stays; how far goes to stderr', async (t) => {
  const from = `0=${other(0)},1=${other(1)},2=${other(2)}`;
  const spoiled = await edit(t, '--set', from);
  const fitted = await edit(t, '--set', from, '--fit', '--steps', '30');
  const psnrs = [spoiled, fitted].map(({ lines }) => Number(/→ (\S+) dB$/.exec(lines[0])?.[1]));
  assert.ok(psnrs[1] > psnrs[0], `${psnrs}`);
  const [, first, last] = /^fit: 30 steps, (\S+) → (\S+) dB$/.exec(fitted.err) ?? [];
  assert.deepEqual([Number(first), Number(last)], psnrs);
  const part = await edit(t, '--fit', '--region', '0,0,8,16', '--steps', '3');
  assert.match(part.err, /^fit: 3 steps, \S+ → \S+ dB by the weights of --region$/);
});

test('--resample draws the tokens that it names and keeps all others; a seed gives the same again', async (t) => {
  const some = await edit(t, '--resample', '1-2', '--class', 'dogs', '--seed', '3');
  assert.deepEqual([some.tokens[0], some.tokens[3]], [tokens[0], tokens[3]]);
  assert.ok(some.tokens.every((id) => id >= 0 && id < 16));
  assert.deepEqual((await edit(t, '--resample', '2,1', '--class', 'dogs', '--seed', '3')).tokens, some.tokens);
  const seeds = ['4', '5', '6', '7'];
  const drawn: string[] = [];
  for (const seed of seeds) drawn.push(`${(await edit(t, '--resample', 'all', '--seed', seed)).tokens}`);
  assert.ok(new Set(drawn).size > 1);
  const both = await edit(t, '--resample', '0', '--set', `3=${other(3)}`);
  assert.deepEqual(both.tokens.slice(1), [tokens[1], tokens[2], other(3)]);
});

const mistakes: [options: string, message: string][] = [
  [
    '',
    "titok edit: expected one of --set, --fit and --resample, got none. 'titok reconstruct' shows tokens as they are.",
  ],
  ['--set 1=2 --steps 3', '--steps: expected --fit beside it, got none. It has no effect without it.'],
  ['--set 1=2 --region 0,0,4,4', '--region: expected --fit beside it, got none. It has no effect without it.'],
  ['--fit --class cats', '--class: expected --resample beside it, got none. It has no effect without it.'],
  ['--fit --seed 1', '--seed: expected --resample beside it, got none. It has no effect without it.'],
  ['--fit --resample all', '--resample: expected some positions beside --fit, got all. Nothing would be left of it.'],
  [
    '--set 1=2 --resample all',
    '--resample: expected some positions beside --set, got all. Nothing would be left of it.',
  ],
  ['--set 1=2 --resample 0-1', '--resample: expected other positions than --set, got position 1 in both.'],
  ['--set 1', "--set: expected POSITION=CODE,… such as 3=117,7=12, got '1'."],
  ['--set 1=2,1=3', '--set: expected one code for each position, got two for position 1.'],
  ['--set 4=1', '--set: expected positions in 0..3, got 4.'],
  ['--set 3=16', '--set: expected codes in 0..15, got 16 for position 3.'],
  ['--resample 2-9', '--resample: expected positions in 0..3, got 4.'],
  ['--resample 3-2', "--resample: expected positions such as 3,5,8-12, or all, got '3-2'."],
  ['--resample 1 --class birds', "--class: expected one of 'cats', 'dogs', got 'birds'."],
  ['--fit --region 8,8,9,8', '--region: expected a part of the 16 × 16 pixels, got 8,8,9,8.'],
  ['--fit --region 8,8,0,8', "--region: expected X,Y,WIDTH,HEIGHT in pixels, such as 16,8,32,32, got '8,8,0,8'."],
  ['--fit --output x.gif', "--output: expected a file name that ends in .png, .jpg, .jpeg or .webp, got 'x.gif'."],
];
for (const [options, message] of mistakes) {
  test(`titok edit ${options}`, async (t) => {
    const words = options.split(' ').filter((word) => word !== '');
    const { status, out, err } = await titok(t, 'edit', image, '--name', 'small', ...words);
    assert.deepEqual([status, out, err], [1, '', message]);
  });
}

test('an image that cannot be read, or a folder in the place of a file, is named; nothing is written', async (t) => {
  const missing = await titok(t, 'edit', 'nothing.png', '--name', 'small', '--fit', '--output', 'never.png');
  assert.equal(missing.status, 1);
  assert.match(missing.err, /^image nothing\.png: expected a picture/);
  const tokensOutput = await titok(t, 'edit', image, '--name', 'small', '--fit', '--tokens-output', 'pictures');
  assert.match(tokensOutput.err, /^--tokens-output: expected a file to write, got pictures, which is a folder\.$/);
  assert.ok(!existsSync('never.png'));
});

test('what is read is not written, nor is a picture replaced by text, a link or a pipe by a file', async (t) => {
  const own = await titok(t, 'reconstruct', image, '--name', 'small', '--output', image);
  assert.match(own.err, /^--output: expected a file to write, got pictures\/\S+, which is read\. Give another name\.$/);
  const edited = ['edit', image, '--name', 'small', '--set', '0=1', '--output', 'out/again.png'];
  assert.match((await titok(t, ...edited, '--output', image)).err, /which is read/);
  const text = await titok(t, ...edited, '--tokens-output', image);
  assert.match(text.err, /^--tokens-output: expected a file for text, such as tokens\.jsonl, got pictures\//);
  if (process.platform !== 'win32') {
    const device = await titok(t, ...edited, '--tokens-output', '/dev/null');
    assert.match(device.err, /^--tokens-output: .* got \/dev\/null, which is a pipe or a device\.$/);
    writeFileSync('out/tokens.jsonl', '');
    symlinkSync('tokens.jsonl', 'out/link.jsonl');
    assert.equal((await titok(t, ...edited, '--tokens-output', 'out/link.jsonl')).status, 0);
    assert.match(readFileSync('out/tokens.jsonl', 'utf8'), /^\{"image":/);
    assert.ok(lstatSync('out/link.jsonl').isSymbolicLink());
  }
});

test('tokens as text', () => {
  assert.deepEqual(parsePositions('8-10,3,9', '--x'), [3, 8, 9, 10]);
  assert.equal(parsePositions('all', '--x'), 'all');
  assert.deepEqual(
    [...parseReplacements('3=117,7=12', '--x')],
    [
      [3, 117],
      [7, 12],
    ],
  );
  assert.deepEqual(parseRectangle('1,2,3,4', '--x'), { x: 1, y: 2, width: 3, height: 4 });
  for (const text of ['', ' ', '1,', '-1', '1-', '1;2', 'ALL', '1.5', '1e3', '1-2-3'])
    assert.throws(() => parsePositions(text, '--x'), { name: 'OptionError' }, text);
  for (const text of ['', '1', '1=', '=1', '1=2,', '1=-2', '1=2=3', 'a=b'])
    assert.throws(() => parseReplacements(text, '--x'), { name: 'OptionError' }, text);
  for (const text of ['', '1,2,3', '1,2,3,4,5', '-1,2,3,4', '1,2,3,x'])
    assert.throws(() => parseRectangle(text, '--x'), { name: 'OptionError' }, text);
});
