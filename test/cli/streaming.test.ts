/** A training on streamed shards that is killed twice goes on to the bit, and stays a streamed one. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadCheckpoint } from '../../data/index.ts';
import { writeShards } from '../data/shards.ts';
import { logged, quick, small, startTitok, titok, workIn } from './command-line.ts';

const folder = workIn(mkdtempSync(join(tmpdir(), 'titok-test-')));
after(() => rmSync(folder, { recursive: true, force: true }));

const train = (name: string, ...more: string[]) => [
  ...['train', 'teacher', ...quick(name, 'shards'), ...small.teacher, '--steps', '60', '--save-every', '6', ...more],
];
const buffered = ['--stream', '--shuffle-buffer', '100', '--random-crop'];

/** Tensors and state of a checkpoint, without its times. */
function resultOf(name: string) {
  const { groups, meta } = loadCheckpoint(join('runs', name, 'teacher.safetensors'));
  return { groups, state: meta['state'], origin: meta['origin'] };
}

test('killed twice and resumed: the checkpoint is that of a training without a pause', {
  timeout: 120_000,
}, async (t) => {
  mkdirSync('shards');
  await writeShards('shards', { pictures: 200, shards: 3, size: 16, width: 24 });
  const whole = await titok(t, ...train('whole', ...buffered));
  assert.equal(whole.status, 0, whole.err);
  assert.match(whole.out, /\nstreamed: 180 training images are decoded .*, shuffled by a buffer of 100\n/);
  const updates = () =>
    existsSync('runs/killed/log.jsonl') ? readFileSync('runs/killed/log.jsonl', 'utf8').split('\n').length - 1 : 0;
  for (const [at, options] of [
    [13, buffered],
    [31, ['--resume']], // the run knows that it streams
  ] as const) {
    const { child, ended } = startTitok(folder, train('killed', ...options));
    while (updates() < at && child.exitCode === null) await sleep(1);
    child.kill('SIGKILL');
    const { signal, err } = await ended;
    assert.equal(signal, 'SIGKILL', err);
  }
  const resumed = await titok(t, ...train('killed', '--resume'));
  assert.match(resumed.out, /\nteacher: \d+ of 60 updates are done\n/, resumed.err);
  assert.deepEqual(resultOf('killed'), resultOf('whole'));
  const losses = (name: string) => logged(join('runs', name), 'teacher').map(({ step, loss }) => [step, loss]);
  assert.deepEqual(losses('killed'), losses('whole'));
});

test('a run that streams refuses another buffer', async (t) => {
  const again = (...options: string[]) => titok(t, ...train('whole', '--resume', ...options));
  assert.match((await again('--no-stream')).err, /expected a stream with --shuffle-buffer, got none\./);
  assert.match(
    (await again('--shuffle-buffer', '50')).err,
    /expected the position in a shuffle buffer of 50 images, got/,
  );
});
