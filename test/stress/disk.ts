/** A disk that is full at some moment of a training: a message, nothing half-written, and with room again it goes on. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type StageName, stageNames } from '../../train/index.ts';
import { defineKind, expect, type Kind, part } from './kind.ts';
import {
  apart,
  checkpoint,
  copyEarlier,
  earlier,
  expectSameEnd,
  expectTold,
  extentOf,
  type Outcome,
  removeRun,
  startRun,
  train,
  updatesOf,
} from './workshop.ts';

const run = 'disk';
const trial = fc.record({
  stage: fc.constantFrom(...stageNames),
  /** How full: part of what the training writes. */
  at: part,
});

/** What must hold after a training that may have found the disk full. */
async function check(stage: StageName, outcome: Outcome): Promise<string> {
  expect(outcome.signal === null, `expected a message, got an end by ${outcome.signal}`);
  const ending = expectTold(outcome, 'a training on a full disk');
  updatesOf(checkpoint(run, stage)); // it can be read
  const left = readdirSync(join('runs', run)).filter((file) => file.endsWith('.tmp'));
  expect(left.length === 0, `expected no temporary files after a message, got ${left.join(', ')}`);
  for (const s of earlier[stage]) {
    const [now, before] = [run, 'whole'].map((name) => readFileSync(checkpoint(name, s)));
    expect(now.equals(before), `expected the ${s} as it was`);
  }
  await expectSameEnd(run, stage);
  removeRun(run);
  return ending === 'refused' ? 'told' : 'there was room';
}

const kib = (stage: StageName): number => Math.ceil(readFileSync(checkpoint('whole', stage)).length / 1024);

export const failingWrites: Kind = defineKind({
  name: 'no-space',
  about: 'half of a write arrives, then none',
  share: 8,
  trial,
  async run({ stage, at }) {
    startRun(run, stage);
    const full = Math.floor(at * extentOf(stage).operations);
    return check(stage, await apart(train(stage, run), { trip: { full } }));
  },
});

export const fileLimit: Kind = defineKind({
  name: 'file-limit',
  about: 'no file larger than a part of the checkpoint',
  share: 4,
  trial,
  skip: () => (process.platform === 'win32' ? 'there is no ulimit' : undefined),
  async run({ stage, at }) {
    startRun(run, stage);
    return check(stage, await apart(train(stage, run), { fileLimit: Math.floor(at * (kib(stage) + 16)) }));
  },
});

export const smallDisk: Kind = defineKind({
  name: 'small-disk',
  about: 'a disk with room for a part of the run',
  share: 5,
  trial,
  skip: () => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting a small disk takes root on Linux';
    const folder = mkdtempSync(join(tmpdir(), 'titok-disk-'));
    const problem = mount(folder, 64);
    if (problem === undefined) unmount(folder);
    rmdirSync(folder);
    return problem;
  },
  async run({ stage, at }) {
    const room = earlier[stage].reduce((sum, s) => sum + kib(s) + 8, 16); // for what is there before
    removeRun(run);
    const folder = join('runs', run);
    mkdirSync(folder);
    const problem = mount(folder, Math.ceil(room + at * (2 * kib(stage) + 64)));
    expect(problem === undefined, `expected to mount a small disk, got ${problem}`);
    let outcome: Outcome;
    try {
      copyEarlier(run, stage);
      outcome = await apart(train(stage, run));
      cpSync(folder, 'disk', { recursive: true });
    } finally {
      unmount(folder);
    }
    rmdirSync(folder);
    renameSync('disk', folder);
    return check(stage, outcome);
  },
});

/** Mounts a disk of so many KiB. @returns why not */
function mount(folder: string, size: number): string | undefined {
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}k`, 'titok-stress', folder]);
  return status === 0 ? undefined : `a small disk cannot be mounted: ${error?.message ?? String(stderr).trim()}`;
}

const unmount = (folder: string) => spawnSync('umount', ['-l', folder]);
