/** Ctrl-C, kill -9 and a full disk in the middle of a training: nothing that was saved is lost, and --resume goes on. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { interruptAfter, logged, quick, small, startTitok, titok, workIn, writePictures } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

const STEPS = 40;
const train = (name: string, ...more: string[]) => [
  ...['train', 'teacher', ...quick(name, 'pictures'), ...small.teacher, '--steps', String(STEPS)],
  ...['--continuous-steps', '12', ...more],
];
const losses = (name: string) => logged(join('runs', name), 'teacher').map(({ step, loss }) => [step, loss]);
let whole: number[][];

before(async () => {
  await writePictures('pictures');
});
test('a training that nobody interrupts, to compare with', async (t) => {
  assert.equal((await titok(t, ...train('whole'))).status, 0);
  whole = losses('whole');
  assert.deepEqual(
    whole.map(([step]) => step),
    Array.from({ length: STEPS }, (_, i) => i + 1),
  );
});

test('Ctrl-C saves, says how to go on and exits with 130; --resume repeats the losses', {
  timeout: 60_000,
}, async (t) => {
  const preload = new URL('./interrupt-at-log.ts', import.meta.url).href;
  const { status, out, err } = await startTitok(folder, train('stopped'), [preload]).ended;
  assert.equal(status, 130, err);
  const stopped =
    /^teacher: stopped after (\d+) of 40 updates; saved in runs\/stopped\/teacher\.safetensors\. Go on with the same command and --resume\.\n$/;
  const done = Number(err.match(stopped)?.[1]);
  assert.ok(done >= 7 && done < STEPS, err);
  assert.match(
    out,
    /^12 training and 4 held-out images of 16×16 in 2 classes\nTraining images are not mirrored\. .*\nteacher 1\/40 {2}loss/,
  );
  assert.equal(losses('stopped').length, done);

  const goOn = ['train', 'teacher', '--name', 'stopped', '--data', 'pictures', '--threads', '1', '--resume'];
  const resumed = await titok(t, ...goOn, '--image-size', '16'); // the settings come from the checkpoint
  assert.equal(resumed.status, 0, resumed.err);
  assert.ok(resumed.out.includes(`\nteacher: ${done} of 40 updates are done\n`), resumed.out);
  assert.deepEqual(losses('stopped'), whole);
});

test('stopped in the middle and resumed: the log is that of a training without a pause', {
  timeout: 60_000,
}, async (t) => {
  for (const [name, at] of [
    ['early', 5],
    ['boundary', 12],
    ['late', 23],
  ] as const) {
    const settle = interruptAfter(at, `runs/${name}`, 'teacher');
    const { status, err } = await titok(t, ...train(name));
    settle();
    assert.equal(status, 130);
    assert.match(err, /^teacher: stopped after \d+ of 40 updates; saved/);
    appendFileSync(`runs/${name}/log.jsonl`, '{"stage":"teacher","st'); // as a kill may leave it
    assert.equal((await titok(t, ...train(name, '--resume'))).status, 0);
    assert.deepEqual(losses(name), whole, name);
    const seconds = logged(`runs/${name}`, 'teacher').map((entry) => entry.seconds);
    assert.deepEqual(
      seconds,
      seconds.toSorted((a, b) => a - b),
      'time goes on where it stopped',
    );
  }
});

test('kill -9 during a save: the checkpoint before is whole, and --resume goes on from it', {
  timeout: 60_000,
}, async (t) => {
  const preload = new URL('./kill-at-save.ts', import.meta.url).href;
  const outcome = await startTitok(folder, train('killed', '--save-every', '10'), [preload]).ended;
  assert.equal(outcome.signal, 'SIGKILL', outcome.err);
  const info = await titok(t, 'info', 'runs/killed/teacher.safetensors');
  assert.match(info.out, /^runs\/killed\/teacher\.safetensors: stage teacher, preset tiny, 10 updates done\n/);
  assert.equal(losses('killed').length, 20);
  const resumed = await titok(t, ...train('killed', '--resume'));
  assert.match(resumed.out, /\nteacher: 10 of 40 updates are done\n/);
  assert.deepEqual(losses('killed'), whole);
});

test('a full disk: one line, status 1, and the checkpoint before is whole', { timeout: 60_000 }, async (t) => {
  const preload = new URL('./fill-disk.ts', import.meta.url).href;
  const { status, err } = await startTitok(folder, train('full', '--save-every', '10'), [preload]).ended;
  assert.equal(status, 1);
  assert.match(
    err,
    /^runs\/full\/teacher\.safetensors: expected to write .*, got ENOSPC: no space left on device, write\. The file saved before is untouched\. Free some space and save again\.\n$/,
  );
  assert.deepEqual(readdirSync('runs/full').sort(), ['log.jsonl', 'teacher.safetensors']);
  assert.match((await titok(t, 'info', 'runs/full/teacher.safetensors')).out, /, 10 updates done\n/);
  assert.equal((await titok(t, ...train('full', '--resume'))).status, 0);
  assert.deepEqual(losses('full'), whole);
});
