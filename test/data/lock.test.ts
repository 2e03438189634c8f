/** One process at a time in a folder; what dead ones left is no obstacle. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockFolder, removeLeftovers, waitToLock, writeFileAtomic } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const index = JSON.stringify(fileURLToPath(new URL('../../data/index.ts', import.meta.url)));
const program = (code: string) => [
  ...['--import', 'tsx', '--input-type=module', '--eval', `import { lockFolder } from ${index};\n${code}`],
];
const hasProc = fs.existsSync('/proc/self/stat');

/** The id of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['--eval', '']).pid;
const writeLock = (folder: string, owner: object) => fs.writeFileSync(join(folder, 'lock'), JSON.stringify(owner));
const busy = (message: RegExp) => ({ name: 'CheckpointError', message });

test('a second lock is refused in the same process, and after release there is nothing left', (t) => {
  const folder = join(temporaryFolder(t), 'runs/a');
  const release = lockFolder(folder);
  assert.throws(() => lockFolder(folder), busy(/expected one training at a time, got a second one of this program/));
  release();
  release();
  assert.equal(fs.existsSync(folder), false, 'it was made for the lock');
  const again = lockFolder(folder);
  fs.writeFileSync(join(folder, 'a'), '');
  again();
  lockFolder(folder)();
  assert.deepEqual(fs.readdirSync(folder), ['a']);
});

test('another process that lives is named; killed, it is no obstacle', { timeout: 30_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const code = `lockFolder(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, program(code), { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  assert.throws(
    () => lockFolder(folder),
    busy(
      new RegExp(
        `expected one process at a time, got process ${child.pid}, which is training there\\. .*delete .*lock`,
      ),
    ),
  );
  child.kill('SIGKILL');
  await exited;
  assert.ok(fs.existsSync(join(folder, 'lock')));
  lockFolder(folder)();
  assert.deepEqual(fs.readdirSync(folder), []);
});

test('a program that ends or fails releases its lock', (t) => {
  for (const end of ['', 'process.exit(3);', "throw new Error('x');", 'await new Promise(() => {});']) {
    const folder = temporaryFolder(t);
    spawnSync(process.execPath, program(`lockFolder(${JSON.stringify(folder)}); ${end}`));
    assert.deepEqual(fs.readdirSync(folder), [], end);
  }
});

test('stale: of a dead process, of one whose id another has now, cut short; not: of another host, just being written', (t) => {
  const folder = temporaryFolder(t);
  const host = hostname();
  writeLock(folder, { pid: deadPid(), host });
  lockFolder(folder)();
  if (hasProc) {
    writeLock(folder, { pid: process.ppid, host, started: '1' });
    lockFolder(folder)();
  }
  writeLock(folder, { pid: process.ppid, host }); // where the system does not say when a process started
  assert.throws(() => lockFolder(folder), busy(new RegExp(`got process ${process.ppid}, which`)));
  writeLock(folder, { pid: 1, host: 'elsewhere' });
  assert.throws(() => lockFolder(folder), busy(/got process 1 on elsewhere/));
  fs.writeFileSync(join(folder, 'lock'), '');
  assert.throws(() => lockFolder(folder), busy(/got another process/));
  fs.utimesSync(join(folder, 'lock'), 0, 0);
  lockFolder(folder)();
});

test('a file in the place of a folder, and a folder that cannot be written to', (t) => {
  const folder = temporaryFolder(t);
  fs.writeFileSync(join(folder, 'file'), '');
  for (const path of [join(folder, 'file'), join(folder, 'file/run')]) {
    assert.throws(() => lockFolder(path), busy(/expected a folder to write to, got (EEXIST|ENOTDIR)/));
  }
  t.mock.method(fs, 'openSync', () => {
    throw Object.assign(new Error('EROFS: read-only file system, open'), { code: 'EROFS' });
  });
  assert.throws(() => lockFolder(join(folder, 'new')), busy(/expected a folder to write to, got EROFS/));
});

test('leftovers of killed saves go at once, those of living processes and other files stay', (t) => {
  const folder = temporaryFolder(t);
  const dead = deadPid();
  const stay = [`a.safetensors.${process.ppid}-0.tmp`, 'mine.tmp', 'a.safetensors.tmp', 'notes-1.tmp'];
  const others = [`b.safetensors.${dead}-3.tmp`];
  const gone = [`a.safetensors.${dead}-0.tmp`, `a.safetensors.${process.pid}-7.tmp`];
  for (const name of [...stay, ...gone, ...others]) fs.writeFileSync(join(folder, name), '');
  writeFileAtomic(join(folder, 'a.safetensors'), [new Uint8Array(3)]);
  assert.deepEqual(fs.readdirSync(folder).sort(), ['a.safetensors', ...stay, ...others].sort());
  removeLeftovers(folder);
  assert.deepEqual(fs.readdirSync(folder).sort(), ['a.safetensors', ...stay].sort());
});

test('a lock of another machine is waited for as long as its owner touches it', { timeout: 30_000 }, async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'lock');
  writeLock(folder, { pid: 1, host: 'elsewhere', beats: true });
  const beat = setInterval(() => fs.utimesSync(path, new Date(), new Date()), 50);
  let said = '';
  const waiting = waitToLock(folder, ({ message }) => (said = message), 1000);
  const first = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 2500, 'waits'))]);
  assert.equal(first, 'waits');
  assert.match(said, /process 1 on elsewhere/);
  clearInterval(beat);
  (await waiting)();
  writeLock(folder, { pid: 1, host: 'elsewhere' }); // a training, which does not touch it
  const other = waitToLock(folder, () => {}, 300);
  assert.equal(await Promise.race([other, new Promise((resolve) => setTimeout(resolve, 1500, 'waits'))]), 'waits');
  fs.rmSync(path);
  (await other)();
});
