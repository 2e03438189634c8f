/** Help, and what is said about words that the command line does not know. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { mostThreads } from '../../core/index.ts';
import { startTitok, titok, titokAsGiven, workIn } from './command-line.ts';

workIn(tmpdir()); // a mistake that goes unnoticed must not write here

test('help goes to stdout with status 0', async (t) => {
  const pages: [args: string[], usage: string][] = [
    [[], 'Usage: titok [options] [command]'],
    [['--help'], 'Usage: titok [options] [command]'],
    [['help', 'sample'], 'Usage: titok sample [options]'],
    [['train'], 'Usage: titok train [options] [command]'],
    [['train', '--help'], 'Usage: titok train [options] [command]'],
    [['train', 'warmup', '--help'], 'Usage: titok train warmup [options]'],
  ];
  for (const [args, usage] of pages) {
    const { status, out, err } = await titok(t, ...args);
    assert.deepEqual([status, err, out.split('\n')[0]], [0, '', usage], args.join(' '));
  }
});

test('--version is that of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.deepEqual(await titok(t, '--version'), { status: 0, out: version, err: '' });
});

test('every remedy is an option of its stage', async (t) => {
  const help = async (stage: string) => (await titok(t, 'train', stage, '--help')).out;
  const teacher = await help('teacher');
  for (const option of ['--no-pca-start', '--codebook <word>', '--continuous-steps', '--teacher <word>', '--betas'])
    assert.ok(teacher.includes(option), option);
  const warmup = await help('warmup');
  for (const option of ['--model-init <word>', '--weights-embedding', '--codebook', '--no-model-l2-norm'])
    assert.ok(warmup.includes(option), option);
  assert.ok(!warmup.includes('--model-proxy-codebook-size'), 'follows from the teacher');
  assert.ok(!teacher.includes('--weights-kl'), 'nothing there would use it');
  const finetune = await help('finetune');
  for (const option of ['--weights-perceptual', '--weights-adversarial', '--weights-l2'])
    assert.ok(finetune.includes(option), option);
});

const mistakes: [command: string, message: string][] = [
  ['trian', 'titok: unknown command trian. Did you mean train?'],
  [
    'paint',
    'titok: unknown command paint. Expected one of quickstart, train, reconstruct, tokenize, sample, edit, evaluate, export, verify, import, report, watch, plot, info, data, study.',
  ],
  ['train warmp', 'titok train: unknown command warmp. Did you mean warmup?'],
  ['train --lr 3', 'titok train: unknown option --lr. Did you mean --learning-rate?'],
  ['train warmup --lr 3', 'titok train warmup: unknown option --lr. Did you mean --learning-rate?'],
  ['train warmup --stepps 3', 'titok train warmup: unknown option --stepps. Did you mean --steps?'],
  ['quickstart --epochs 3', "titok quickstart: unknown option --epochs. See 'titok quickstart --help'."],
  [
    'train warmup --steps',
    "titok train warmup: option '--steps <number>' argument missing. See 'titok train warmup --help'.",
  ],
  ['info', "titok info: missing required argument 'file'. See 'titok info --help'."],
  ['train warmup --steps many', "--steps: expected a whole number from 0 to 1e9, got 'many'."],
  ['train warmup --steps 2.5', "--steps: expected a whole number from 0 to 1e9, got '2.5'."],
  ['train warmup --batch-size 0', "--batch-size: expected a whole number from 1 to 65536, got '0'."],
  ['train warmup --learning-rate -1', "--learning-rate: expected a number > 0 and ≤ 1e38, got '-1'."],
  ['train warmup --learning-rate=', "--learning-rate: expected a number > 0 and ≤ 1e38, got ''."],
  [
    'train warmup --model bl64',
    "--model: expected one of s128, b64, l32, l64, b128, got 'bl64' (did you mean 'b64'?).",
  ],
  ['train warmup --betas 0.9,x', "--betas: expected 2 numbers ≥ 0 and < 1 with commas, got '0.9,x'."],
  ['train warmup --betas 0.9', "--betas: expected 2 numbers ≥ 0 and < 1 with commas, got '0.9'."],
  ['train warmup --codebook big', "--codebook: expected one of average, gradient, got 'big'."],
  [
    'train warmup --preset tinny',
    "--preset: expected one of smoke, tiny, small, medium, got 'tinny' (did you mean 'tiny'?).",
  ],
  ['train warmup --threads 0', `--threads: expected a whole number from 1 to ${mostThreads()}, got '0'.`],
  ['train warmup --threads 100000', `--threads: expected a whole number from 1 to ${mostThreads()}, got '100000'.`],
  [
    'sample --matmul-precision hihg',
    "--matmul-precision: expected one of highest, high, got 'hihg' (did you mean 'high'?).",
  ],
  [
    'train teacher --teacher lena',
    "--teacher: expected one of lean, vqgan, published, got 'lena' (did you mean 'lean'?).",
  ],
  [
    'train teacher --teacher-hidden-channels 8',
    '--teacher-hidden-channels: expected no such option with a lean teacher, got 8.',
  ],
  ['quickstart --seed one', "--seed: expected a whole number from 0 to 4294967295, got 'one'."],
  ['sample --count 0', "--count: expected a whole number from 1 to 1e6, got '0'."],
  ['sample --count 3 --count 4', "--count: expected one value, got '3' and '4'."],
  [
    'train warmup --learning-rate 0,001',
    "--learning-rate: expected a number > 0 and ≤ 1e38, got '0,001'. Write a decimal point, and no commas.",
  ],
  ['train warmup --data=', "--data: expected a value, got ''."],
  ['--count 3 sample', 'titok: unknown option --count. Give it after the command: titok sample --count.'],
  [
    'train --steps 3 warmup',
    'titok train: unknown option --steps. Give it after the command: titok train warmup --steps.',
  ],
  ['quickstart --flip --no-flip', '--flip: expected one of --flip and --no-flip, got both.'],
  ['--vresion', 'titok: unknown option --vresion. Did you mean --version?'],
];
for (const [command, message] of mistakes) {
  test(`titok ${command}`, async (t) => {
    assert.deepEqual(await titokAsGiven(t, ...command.split(' ')), { status: 1, out: '', err: message });
  });
}

test('titok train warmup --device gpu', async (t) => {
  const { status, err } = await titok(t, 'train', 'warmup', '--device', 'gpu');
  assert.equal(status, 1);
  assert.match(err, /^--device: expected one of cpu, reference, .*, got 'gpu' \(did you mean 'cpu'\?\)\.$/);
});

test('the program itself: one line on stderr, nothing on stdout, status 1', async () => {
  const outcome = await startTitok(process.cwd(), ['train', 'warmup', '--lr', '3']).ended;
  const err = 'titok train warmup: unknown option --lr. Did you mean --learning-rate?\n';
  assert.deepEqual(outcome, { status: 1, signal: null, out: '', err });
});
