/** Ctrl-C, other signals, a closed pipe, kill -9 and a full disk in the middle of a training: nothing that was saved is lost, and --resume goes on. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { forgetStopRequest, SignalWatch } from '../../cli/interruption.ts';
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

/** Everything up to the last update was saved, and the rest follows as in a training without a pause. */
async function goesOn(t: TestContext, name: string, err: string): Promise<void> {
  const done = Number(err.match(/^teacher: stopped after (\d+) of 40 updates; saved in .* --resume\.$/m)?.[1]);
  assert.ok(done > 0 && done < STEPS, err);
  assert.doesNotMatch(err, /\n\s+at /); // no stack
  assert.equal(losses(name).length, done);
  const resumed = await titok(t, ...train(name, '--resume'));
  assert.ok(resumed.out.includes(`\nteacher: ${done} of 40 updates are done\n`), resumed.out);
  assert.deepEqual(losses(name), whole);
}

const otherSignals = [['SIGHUP', 129] as const, ['SIGTERM', 143] as const];
for (const [signal, expected] of otherSignals) {
  test(`${signal} saves too, with the status that shells give it`, { timeout: 60_000 }, async (t) => {
    const settle = interruptAfter(7, `runs/${signal}`, 'teacher', () => process.emit(signal));
    const { status, err } = await titok(t, ...train(signal));
    settle();
    assert.equal(status, expected);
    await goesOn(t, signal, err);
  });
}

test('a second Ctrl-C does not lose what was done', { timeout: 60_000 }, async (t) => {
  const exit = t.mock.method(process, 'exit', () => undefined as never);
  const now = performance.now.bind(performance);
  let later = 0;
  t.mock.method(performance, 'now', () => now() + later);
  const settle = interruptAfter(7, 'runs/twice', 'teacher', () => {
    const heard = process.emit('SIGINT');
    if (heard) later += 5000; // not the same one, passed on by npm
    return heard && process.emit('SIGINT');
  });
  const { status, err } = await titok(t, ...train('twice'));
  settle();
  assert.equal(exit.mock.callCount(), 0);
  assert.equal(status, 130);
  assert.match(err, /^\nThe update is finished and saved first\. Ctrl-C once more ends at once and loses it\.\n/);
  await goesOn(t, 'twice', err);
});

test('a third Ctrl-C ends at once, except while saving', (t) => {
  const exit = t.mock.method(process, 'exit', () => undefined as never);
  const error = t.mock.method(console, 'error', () => {});
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const press = () => {
    process.emit('SIGINT');
    process.emit('SIGINT'); // npm and tsx pass it on
    now += 5000;
    return exit.mock.callCount();
  };
  forgetStopRequest();
  const watch = new SignalWatch();
  try {
    assert.deepEqual([press(), press()], [0, 0]);
    assert.equal(error.mock.callCount(), 1);
    watch.saving = true;
    assert.equal(press(), 0);
    watch.saving = false;
    assert.equal(press(), 1);
  } finally {
    watch.close();
    forgetStopRequest();
  }
});

test('an output that nobody reads: the training saves and ends', { timeout: 60_000 }, async (t) => {
  const { child, ended } = startTitok(folder, train('piped'));
  child.stdout.destroy(); // as `| true`
  const { status, err } = await ended;
  assert.equal(status, 141, err);
  await goesOn(t, 'piped', err);
});

test('an output that nobody reads: info ends without a word', async () => {
  const { child, ended } = startTitok(folder, ['info', 'runs/whole/teacher.safetensors', '--tensors']);
  child.stdout.destroy();
  const { status, err } = await ended;
  assert.deepEqual([status, err], [141, '']);
});

test('kill -9 between a save and its log: each update stays in the log once', async (t) => {
  assert.equal((await titok(t, ...train('between'))).status, 0);
  const path = 'runs/between/log.jsonl';
  const lines = readFileSync(path, 'utf8').split('\n');
  const repeated = lines.slice(20, STEPS).map((line) => line.replace('"seconds"', '"first":1,"seconds"'));
  writeFileSync(path, [...lines.slice(0, 20), ...repeated, ...lines.slice(20)].join('\n'));
  assert.equal((await titok(t, ...train('between', '--resume'))).status, 0);
  assert.equal(readFileSync(path, 'utf8'), lines.join('\n'));
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
  const files = ['log.jsonl', 'report.html', 'results.json', 'teacher.safetensors'];
  assert.deepEqual(readdirSync('runs/full').sort(), files);
  assert.match((await titok(t, 'info', 'runs/full/teacher.safetensors')).out, /, 10 updates done\n/);
  assert.equal((await titok(t, ...train('full', '--resume'))).status, 0);
  assert.deepEqual(losses('full'), whole);
});
