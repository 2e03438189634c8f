/** `titok study` end to end: killed twice and resumed, it ends as a study that nobody disturbs. */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { memory } from '../../core/index.ts';
import {
  type BudgetName,
  chartOf,
  overviewOf,
  pageOf,
  type Results,
  readStudyResults,
  runStudy,
} from '../../studies/index.ts';
import { startTitok, titok, workIn, writePictures } from '../cli/command-line.ts';
import { mite, pair } from './pair.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));
before(async () => {
  await writePictures('pictures');
});

const study = (out: string, ...more: string[]) => [
  ...['study', 'pair', '--preset', 'mite', '--data', 'pictures', '--threads', '1', '--out', out],
  ...more,
];
const resultsIn = (out: string): Results => readStudyResults(join(out, 'pair.json'))!;
/** What does not depend on the clock. */
const timeless = ({ runs, claims }: Results) => ({
  claims,
  runs: runs.map(({ figures: { seconds: _, samplesPerSecond: __, ...figures }, ...run }) => ({ ...run, figures })),
});
const trainings = (kind: string) => readdirSync('runs/studies').filter((name) => name.startsWith(`${kind}-`)).length;

test('a study writes its page, charts, pictures and figures; rows share what they have in common', {
  timeout: 120_000,
}, async (t) => {
  const { status, out, err } = await titok(t, ...study('whole'));
  assert.equal(status, 0, err);
  assert.equal(memory().tensors, 0, 'a study of many rows needs the memory of one');
  assert.match(out, /^pair: 2 tokens, seed 0 \(1 of 6\)$/m);
  assert.match(out, /pair: Longer rows need more parameters: reproduced\npair: Shorter rows need more: not reproduced/);
  const kinds = ['teacher', 'warmup', 'finetune', 'generator'].map(trainings);
  assert.deepEqual(kinds, [3, 6, 6, 6], 'a teacher for each seed');

  const results = resultsIn('whole');
  assert.deepEqual(
    results.runs.map(({ row, seed }) => `${row} ${seed}`),
    ['2 tokens 0', '2 tokens 1', '2 tokens 2', '4 tokens 0', '4 tokens 1', '4 tokens 2'],
  );
  for (const { figures } of results.runs) {
    const { fd, psnr, probe, sampleFd, samplesPerSecond, parameters, seconds } = figures;
    for (const value of [fd, psnr, probe, sampleFd, samplesPerSecond, parameters, seconds])
      assert.ok(Number.isFinite(value), JSON.stringify(figures));
    const { ssim, inceptionScore, precision } = figures;
    assert.ok(ssim! > -1 && ssim! < 1 && inceptionScore! >= 1 && inceptionScore! <= 2, 'of two classes');
    assert.equal(precision, null, 'four pictures have too few neighbors');
  }
  assert.equal(new Set(results.runs.map(({ figures }) => figures.psnr)).size, 6, 'all of them differ');
  const page = readFileSync('whole/pair.md', 'utf8');
  assert.match(
    page,
    /^\| Longer rows need more parameters \| a law of arithmetic \| parameters \(M\) \d\.\d\d ± 0\.00 \(2 tokens\), \d\.\d\d ± 0\.00 \(4 tokens\) \| \*\*reproduced\*\* \|$/m,
  );
  assert.match(page, /^\| 2 \| -?\d+\.\d ± \d+\.\d \| .* \| 16 tokens \| 5 \|$/m);
  assert.match(page, /^titok study pair --preset mite --seeds 3 --data pictures$/m);
  for (const file of ['pair.svg', 'pair.png']) assert.ok(page.includes(`](${file})`) && existsSync(`whole/${file}`));
});

test('the page and its verdicts follow from the figures', () => {
  const results = resultsIn('whole');
  assert.equal(readFileSync('whole/pair.md', 'utf8'), pageOf(pair, results, true));
  assert.equal(readFileSync('whole/pair.svg', 'utf8'), chartOf(pair, pair.plan(mite), results));
  const flipped = results.runs.map((run) => ({ ...run, figures: { ...run.figures, parameters: 1 } }));
  assert.match(
    pageOf(pair, { ...results, runs: flipped }, true),
    /Longer rows need more parameters .*\*\*not decided\*\*/,
  );
  const [first, ...others] = results.runs;
  const diverged = { ...first, figures: { ...first.figures, fd: null } };
  assert.match(
    pageOf(pair, { ...results, runs: [diverged, ...others] }, true),
    /^\| 2 \| -?\d+\.\d ± \d+\.\d \(2 of 3 seeds\) \|/m,
    'a mean of fewer seeds says so',
  );
});

test('the table of README.md has a line for each claim of the paper', () => {
  const table = overviewOf([[pair, resultsIn('whole')]], 'docs/studies').split('\n');
  assert.equal(table.length, 2 + 2);
  assert.match(table[3], /^\| Shorter rows need more \| nothing of the kind \| parameters .* \| \[not reproduced\]\(docs\/studies\/pair\.md\) \| `titok study pair .*` \|$/); // biome-ignore format: one thought
});

test('rows may draw without a TiTok', { timeout: 60_000 }, async (t) => {
  const command = ['study', 'without', '--preset', 'mite', '--data', 'pictures', '--threads', '1', '--seeds', '1'];
  const { status, err } = await titok(t, ...command, '--out', 'without');
  assert.equal(status, 0, err);
  const { runs } = readStudyResults('without/without.json')!;
  for (const { row, figures } of runs) {
    const { sampleFd, variety, samplesPerSecond, parameters } = figures;
    assert.ok(Number.isFinite(sampleFd) && Number.isFinite(variety), row);
    assert.ok(samplesPerSecond! > 0 && parameters! > 0, row);
  }
  assert.deepEqual(['teacher', 'generator2d', 'diffusion'].map(trainings), [3, 1, 1], 'the teacher is there already');
});

test('two processes share the rows of a study', { timeout: 120_000 }, async () => {
  const register = new URL('./pair.ts', import.meta.url).href;
  const both = [0, 1].map(() => startTitok(folder, study('both', '--seeds', '4', '--resume'), [register]).ended);
  const [first, second] = await Promise.all(both);
  assert.deepEqual([first.status, second.status], [0, 0], first.err + second.err);
  const rowsOf = ({ out }: typeof first) => [...out.matchAll(/^pair: (\d tokens, seed \d) /gm)].map(([, row]) => row);
  const rows = [...rowsOf(first), ...rowsOf(second)];
  assert.deepEqual([rows.length, new Set(rows).size], [8, 8], 'each once');
  assert.ok(rowsOf(first).length > 0 && rowsOf(second).length > 0);
  const { runs } = timeless(resultsIn('both'));
  assert.deepEqual(runs.filter(({ seed }) => seed < 3), timeless(resultsIn('whole')).runs); // biome-ignore format: one thought
  assert.equal(readFileSync('both/pair.md', 'utf8'), pageOf(pair, resultsIn('both'), true));
});

test('killed twice and resumed, it ends with the same figures', { timeout: 180_000 }, async (t) => {
  rmSync('runs', { recursive: true });
  const register = new URL('./pair.ts', import.meta.url).href;
  const kill = new URL('../cli/kill-at-save.ts', import.meta.url).href;
  for (const more of [[], ['--resume']]) {
    const { signal, err } = await startTitok(folder, study('parts', ...more), [register, kill]).ended;
    assert.equal(signal, 'SIGKILL', err);
  }
  assert.deepEqual(['teacher', 'warmup'].map(trainings), [1, 1], 'the first run, up to its third stage');
  const { status, out, err } = await titok(t, ...study('parts', '--resume'));
  assert.equal(status, 0, err);
  assert.deepEqual(timeless(resultsIn('parts')), timeless(resultsIn('whole')));

  const before = readFileSync('parts/pair.json', 'utf8');
  const again = await titok(t, ...study('parts', '--resume'));
  assert.deepEqual([again.status, again.out.includes('seed')], [0, false], 'nothing is left to do');
  assert.equal(readFileSync('parts/pair.json', 'utf8'), before);
  assert.match(out, /seed 2 \(6 of 6, some \d+ s of work left\)/);
});

test('a figure that is missing is measured again, without a training', { timeout: 60_000 }, async (t) => {
  const results = resultsIn('parts');
  const [, { figures, ...second }, ...others] = results.runs; // without the first
  const { fd: _, ...older } = figures; // as by a version that did not know this figure
  writeFileSync('parts/pair.json', JSON.stringify({ ...results, runs: [{ ...second, figures: older }, ...others] }));
  const { status, out } = await titok(t, ...study('parts', '--resume'));
  assert.equal(status, 0);
  assert.match(out, /^pair: 2 tokens, seed 0 \(5 of 6, .*\)$/m);
  assert.match(out, /^pair: 2 tokens, seed 1 \(6 of 6, .*\)$/m);
  assert.doesNotMatch(out, /\/12 {2}loss/);
  assert.deepEqual(timeless(resultsIn('parts')), timeless(results));
});

test('fewer seeds leave the figures of more seeds as they are', async (t) => {
  const before = resultsIn('whole');
  const { status, err } = await titok(t, ...study('whole', '--seeds', '1', '--resume'));
  assert.equal(status, 0, err);
  assert.deepEqual(resultsIn('whole'), before);
});

test('who holds a lock is said, and where it lies', { timeout: 60_000 }, async () => {
  const register = new URL('./pair.ts', import.meta.url).href;
  const lock = join('whole', 'lock');
  writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere' }));
  const { child, ended } = startTitok(folder, study('whole', '--resume'), [register]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: Buffer) => {
      said += text;
      if (/Waiting: .*process 1 on elsewhere.*delete .*whole\/lock\./s.test(said)) rmSync(lock, { force: true });
    });
  }
  const { status, err } = await ended;
  assert.equal(status, 0, err);
});

test('a study that starts again leaves results as they are while another process has them', async () => {
  mkdirSync('held');
  writeFileSync('held/pair.json', 'results');
  writeFileSync('held/lock', JSON.stringify({ pid: 1, host: 'elsewhere' }));
  const tell = (message: string) => {
    throw new Error(message);
  };
  const options = { preset: 'mite' as BudgetName, seeds: 1, data: 'pictures', out: 'held', runs: 'runs/studies' };
  const more = { resume: false, overwrite: true, command: '', machine: '', notify: tell, train: async () => {} };
  await assert.rejects(runStudy(pair, { ...options, ...more }), /^Error: Waiting: held: expected one process/);
  assert.equal(readFileSync('held/pair.json', 'utf8'), 'results');
});

test('pictures that cannot be read leave the results as they were', async (t) => {
  const typo = ['--data', 'nowhere']; // the last one counts
  const before = readFileSync('whole/pair.json', 'utf8');
  const { status, err } = await titok(t, ...study('whole', '--overwrite', ...typo));
  assert.match(err, /^nowhere: expected a folder of images/);
  assert.equal(status, 1);
  assert.equal(readFileSync('whole/pair.json', 'utf8'), before);
  assert.equal((await titok(t, ...study('typo', ...typo))).status, 1);
  assert.ok(!existsSync('typo/pair.json'), 'results of pictures that there are not would refuse others');
});

test('the command of a page repeats it, whatever the folder of pictures is called', { timeout: 60_000 }, async (t) => {
  renameSync('pictures', "a cat's pictures");
  t.after(() => renameSync("a cat's pictures", 'pictures'));
  const { status, err } = await titok(t, ...study('quoted', '--seeds', '1', '--data', "a cat's pictures"));
  assert.equal(status, 0, err);
  assert.equal(resultsIn('quoted').command, "titok study pair --preset mite --seeds 1 --data 'a cat'\\''s pictures'");
});

test('without the checkpoints, a page is written all the same, and its picture stays', async (t) => {
  const { runs } = resultsIn('whole');
  for (const { folder } of runs) rmSync(join('runs', 'studies', folder, 'generator.safetensors'), { force: true });
  rmSync('whole/pair.md');
  const picture = readFileSync('whole/pair.png');
  const { status, err } = await titok(t, ...study('whole', '--resume'));
  assert.equal(status, 0, err);
  assert.equal(readFileSync('whole/pair.md', 'utf8'), pageOf(pair, resultsIn('whole'), true));
  assert.deepEqual(readFileSync('whole/pair.png'), picture);
});

test('results that were edited are refused', () => {
  const results = resultsIn('whole');
  const read = (change: Partial<Results>) => {
    writeFileSync('edited.json', JSON.stringify({ ...results, ...change }));
    return readStudyResults('edited.json');
  };
  assert.ok(read({}));
  assert.throws(
    () => read({ runs: [...results.runs, results.runs[1]] }),
    /row and seed once, got '2 tokens', seed 1 twice/,
  );
  assert.throws(() => read({ preset: 'toString' }), /expected one of smoke, tiny, small, mite, got 'toString'/);
});

test('figures are not replaced or mixed by mistake', async (t) => {
  mkdirSync('begun');
  const begun = { ...resultsIn('whole'), runs: [], claims: [] }; // as by another process that is at its first row
  writeFileSync('begun/pair.json', JSON.stringify(begun));
  const mixed = await titok(t, ...study('begun', '--preset', 'smoke'));
  assert.match(mixed.err, /^--preset: expected mite, as in begun\/pair\.json, got smoke\./);
  const messages: [more: string[], message: RegExp][] = [
    [[], /^whole\/pair\.json: expected no results yet, got 6 runs of preset mite\. Go on with --resume/],
    [['--resume', '--overwrite'], /^--overwrite: expected one of --resume and --overwrite, got both/],
    [['--resume', '--preset', 'smoke'], /^--preset: expected mite, as in whole\/pair\.json, got smoke\./],
    [['--resume', '--data', 'emoji'], /^--data: expected pictures, as in whole\/pair\.json, got emoji\./],
    [['--seeds', '0'], /^--seeds: expected a whole number from 1 to 100, got '?0/],
  ];
  for (const [more, message] of messages) assert.match((await titok(t, ...study('whole', ...more))).err, message);
  mkdirSync('renamed');
  writeFileSync('renamed/pair.json', JSON.stringify({ ...resultsIn('whole'), study: 'tokens' }));
  const renamed = await titok(t, ...study('renamed', '--resume'));
  assert.match(renamed.err, /^renamed\/pair\.json: expected the results of study pair, got those of tokens\./);
  assert.match((await titok(t, 'study', 'toString')).err, /^titok study: expected one of tokens.*got 'toString'/);
  assert.match((await titok(t, 'study', 'tokenz')).err, /^titok study: expected one of tokens.*did you mean 'tokens'/);
  assert.match(
    (await titok(t, 'study', '--list')).out,
    /^tokens +More tokens, larger models \(figure 4 of arXiv:2406\.07550\)$/m,
  );
});
