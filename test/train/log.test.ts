/** What is logged can be read, also when a training was killed, went on, or left a line cut short. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { readLog } from '../../train/index.ts';
import { RunLog } from '../../train/log.ts';
import { temporaryFolder } from '../data/temporary.ts';

test('updates and looks at held-out images are read as they were written', (t) => {
  const folder = temporaryFolder(t);
  let count = 0;
  const value = fc.double().map((x) => x + 0); // NaN and infinities among them; JSON has no -0
  const figures = fc.dictionary(fc.constantFrom('loss', 'psnr', 'gradientNorm'), value, {
    minKeys: 1,
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(figures, fc.option(figures, { nil: undefined })), { maxLength: 6 }), (steps) => {
      const run = join(folder, String(count++));
      mkdirSync(run);
      const log = new RunLog(run, 'warmup');
      for (const [i, [update, heldOut]] of steps.entries()) {
        log.write(i + 1, { seconds: i, ...update });
        if (heldOut) log.writeHeldOut(i + 1, 64, heldOut);
      }
      const read = readLog(run).get('warmup') ?? { updates: [], heldOut: [] };
      assert.deepEqual(
        read.updates.map(({ figures }) => figures),
        steps.map(([update]) => update),
      );
      assert.deepEqual(
        read.heldOut.map(({ figures }) => figures),
        steps.flatMap(([, heldOut]) => (heldOut ? [heldOut] : [])),
      );
      assert.ok(read.updates.every(({ step, seconds }, i) => step === i + 1 && seconds === i));
    }),
    { numRuns: 40 },
  );
});

test('an update that was done again counts once, and what followed it before does not', (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'log.jsonl');
  const update = (step: number, loss: number) => `${JSON.stringify({ stage: 'warmup', step, seconds: step, loss })}\n`;
  const look = (step: number, loss: number) => `${JSON.stringify({ heldOut: 'warmup', step, images: 64, loss })}\n`;
  writeFileSync(path, update(1, 9) + update(2, 8) + look(2, 8.5) + update(3, 7) + update(4, 6) + look(4, 6.5));
  appendFileSync(path, '{"stage":"warm\n\n[]\nnull\n{"stage":"cook","step":1}\n{"stage":"warmup","step":"1"}\n');
  appendFileSync(path, `${update(3, 70)}{"stage":"warmup","step":4,"error":"loss is NaN."}\n`);
  const { updates, heldOut } = readLog(folder).get('warmup')!;
  assert.deepEqual(
    updates.map(({ step, figures }) => [step, figures['loss']]),
    [
      [1, 9],
      [2, 8],
      [3, 70],
    ],
  );
  assert.deepEqual(heldOut, [{ step: 2, figures: { loss: 8.5 } }]);
  assert.deepEqual([...readLog(join(folder, 'nowhere'))], []);
});

test('stages come in the order of training', (t) => {
  const folder = temporaryFolder(t);
  for (const stage of ['generator', 'teacher', 'finetune']) new RunLog(folder, stage).write(1, { seconds: 0, loss: 1 });
  assert.deepEqual([...readLog(folder).keys()], ['teacher', 'finetune', 'generator']);
});

test('going on forgets looks beyond the checkpoint, and keeps one for each update', (t) => {
  const folder = temporaryFolder(t);
  const first = new RunLog(folder, 'warmup');
  for (const step of [1, 2, 3, 4]) {
    first.write(step, { seconds: step, loss: step });
    first.writeHeldOut(step, 8, { loss: step });
  }
  const second = new RunLog(folder, 'warmup', 2);
  second.write(3, { seconds: 3, loss: 30 });
  second.writeHeldOut(3, 8, { loss: 30 });
  second.forgetEarlier(2);
  const third = new RunLog(folder, 'warmup', 3);
  third.writeHeldOut(3, 8, { loss: 31 });
  new RunLog(folder, 'warmup', 3); // killed before: what is saved is there twice
  const { updates, heldOut } = readLog(folder).get('warmup')!;
  const of = (entries: typeof heldOut) => entries.map(({ step, figures }) => [step, figures['loss']]);
  assert.deepEqual(of(updates), [
    [1, 1],
    [2, 2],
    [3, 30],
  ]);
  assert.deepEqual(of(heldOut), [
    [1, 1],
    [2, 2],
    [3, 31],
  ]);
});

test('what has the name of the log and is none is told', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'log.jsonl'));
  const refusal = {
    name: 'CheckpointError',
    message: /log\.jsonl: expected the log of a run, got EISDIR: .+\. Move away what is there\.$/,
  };
  assert.throws(() => readLog(folder), refusal);
  assert.throws(() => new RunLog(folder, 'warmup'), refusal);
});
