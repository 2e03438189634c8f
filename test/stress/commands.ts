/** Commands on damaged files of a run: they work or say what is wrong, and leave the files as they are. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { type StageName, stageNames } from '../../train/index.ts';
import { interruptAfter } from '../cli/command-line.ts';
import { checkpointDamage, damagedCheckpoint, damagedPicture, pictureDamage } from './files.ts';
import { defineKind, expect } from './kind.ts';
import { edited, edits } from './mutate.ts';
import { checkpoint, expectTold, here, removeRun, resume, startRun, train } from './workshop.ts';

const run = 'commands';
const picture = 'pictures/val/cats/0.png';
const patience = 10_000; // ms; after that it gets Ctrl-C

/** A run of all stages. */
function copyWhole(): void {
  removeRun(run);
  cpSync(join('runs', 'whole'), join('runs', run), { recursive: true });
}

/** What can be done with the checkpoint of a stage. */
const uses: Readonly<Record<string, (stage: StageName) => string[]>> = {
  info: (stage) => ['info', checkpoint(run, stage)],
  'info --tensors': (stage) => ['info', checkpoint(run, stage), '--tensors'],
  resume: (stage) => train(stage, run, { ...resume, '--steps': '13' }),
  'next stage': (stage) =>
    train(stageNames[Math.min(stageNames.indexOf(stage) + 1, 4)], run, { '--steps': '2', '--overwrite': '' }),
  'tokenize --checkpoint': (stage) => ['tokenize', '--checkpoint', checkpoint(run, stage), picture],
  tokenize: () => ['tokenize', '--name', run, picture],
  reconstruct: () => ['reconstruct', '--name', run, '--output', 'out/damaged.png', picture],
  sample: () => ['sample', '--name', run, '--count', '1', '--output', 'out/damaged.png'],
  'weights-from': (stage) => train('teacher', 'from', { '--weights-from': checkpoint(run, stage), '--steps': '1' }),
};

export const damagedCheckpoints = defineKind({
  name: 'checkpoint',
  about: 'commands on damaged checkpoints',
  share: 8,
  trials: 5,
  trial: fc.record({
    file: checkpointDamage,
    use: fc.constantFrom(...Object.keys(uses)),
  }),
  async run({ file, use }) {
    const { stage } = file;
    copyWhole();
    removeRun('from');
    const path = checkpoint(run, stage);
    const bytes = damagedCheckpoint(file);
    writeFileSync(path, bytes);
    const outcome = await here(uses[use](stage), patience);
    const ending = expectTold(outcome, use);
    const silent = ending === 'done' && !use.startsWith('info') && /\bNaN\b/.test(outcome.out);
    expect(!silent, `${use}: expected no NaN with status 0, got\n${outcome.out}`);
    expect(ending === 'done' || readFileSync(path).equals(bytes), `${use}: expected a refused file to be as it was`);
    const left = readdirSync(join('runs', run)).filter((file) => file.endsWith('.tmp'));
    expect(left.length === 0, `${use}: expected nothing half-written, got ${left.join(', ')}`);
    return ending;
  },
});

export const damagedLogs = defineKind({
  name: 'log',
  about: 'going on with a damaged log',
  share: 3,
  trial: fc.record({ stage: fc.constantFrom(...stageNames), edits }),
  async run({ stage, edits }) {
    startRun(run, stage);
    const settle = interruptAfter(5, join('runs', run), stage);
    const stopped = await here(train(stage, run));
    settle();
    expect(stopped.status === 130, `expected Ctrl-C to stop a training, got status ${stopped.status}`);
    const log = join('runs', run, 'log.jsonl');
    writeFileSync(log, edited(readFileSync(log), edits));
    const { status, err } = await here(train(stage, run, resume), patience);
    expect(status === 0, `expected to go on with a damaged log, got status ${status}\n${err}`);
    return 'done';
  },
});

export const damagedPictures = defineKind({
  name: 'picture-cli',
  about: 'tokenize and reconstruct damaged pictures',
  share: 3,
  trials: 10,
  trial: fc.record({ damage: pictureDamage, command: fc.constantFrom('tokenize', 'reconstruct') }),
  async run({ damage, command }) {
    mkdirSync('out', { recursive: true });
    writeFileSync('out/damaged', await damagedPicture(damage));
    const output = command === 'reconstruct' ? ['--output', 'out/both.png'] : [];
    return expectTold(await here([command, '--name', 'whole', ...output, 'out/damaged'], patience), command);
  },
});
