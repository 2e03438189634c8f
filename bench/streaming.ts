/**
 * Streamed training images beside the same in memory: updates per second, resident memory, and trainings that are killed at random
 * and go on. On WebDataset shards of 50,000 pictures of 32 × 32 pixels in a temporary folder.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Rng } from '../core/index.ts';
import { loadCheckpoint } from '../data/index.ts';
import { milliseconds, percent, round, timing, title } from './format.ts';
import { ours } from './launch.ts';
import { figureOf, ratioOf, takeTurns } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { writeShards } from './shards.ts';
import { difference } from './side.ts';

export async function benchStreaming(options: BenchOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'titok-bench-'));
  try {
    const data = join(folder, 'shards');
    mkdirSync(data);
    await writeShards(data, options.quick ? 300 : 50_000);
    await compareRates(data, options);
    await killAtRandom(folder, data, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Both sides must have the same losses to the last bit. */
async function compareRates(data: string, { threads = 2, quick, print }: BenchOptions): Promise<void> {
  process.env['BENCH_DATA'] = data;
  const [memory, stream] = [await ours('streaming', 'memory', threads), await ours('streaming', 'stream', threads)];
  try {
    difference(stream, memory, 0);
    const times: number[][] = [[], []];
    const resident: number[] = [];
    const cpu: number[] = [];
    const turns = quick ? 1 : 60;
    for (let turn = 0; turn < turns; turn++) {
      const found = await takeTurns([memory, stream], { rounds: 1, sliceMs: quick ? 1 : 3000 });
      for (const [i, side] of found.entries()) times[i].push(...side);
      cpu.push(memory.cpuMs / stream.cpuMs);
      resident.push(await stream.rssMiB());
    }
    const [inMemory, streamed] = times.map(figureOf);
    const [rate, work] = [ratioOf(times[0], times[1]), figureOf(cpu)];
    const later = resident.slice(Math.floor(turns / 3)); // after a minute of training
    const [least, most, beside] = [Math.min(...later), Math.max(...later), await memory.rssMiB()];
    print(
      {
        ...{ bench: 'streaming', case: 'rate', threads, ...timing(streamed), memoryMs: round(inMemory.median) },
        ...{ rate: round(rate.median), rateSpread: round(rate.spread), floor: 0.95, cpu: round(work.median) },
        ...{ rssMiB: later, growth: round(most / least), memoryRssMiB: beside },
      },
      `${title('warm-up, streamed', threads)}${milliseconds(streamed)}  in memory${milliseconds(inMemory)}  ` +
        `rate × ${rate.median.toFixed(3)} ${percent(rate.spread)}, by processor time × ${work.median.toFixed(3)}; ` +
        `resident ${least} to ${most} MiB after a minute, in memory ${beside}`,
    );
  } finally {
    for (const side of [memory, stream]) await side.close();
  }
}

/** A training that is killed often ends with the weights of one that never was. */
async function killAtRandom(folder: string, data: string, { quick, print }: BenchOptions): Promise<void> {
  const [kills, steps] = quick ? [2, 40] : [20, 500];
  const run = (name: string) => ({
    child: spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), titok, ...training(data, steps), '--name', name],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    ),
    updates: () => updatesIn(join(folder, 'runs', name, 'log.jsonl')),
  });
  const finish = async (name: string) => {
    const [status] = await once(run(name).child, 'exit');
    if (status !== 0) throw new Error(`bench: expected the training ${name} to end well, got status ${status}.`);
    return hashOf(join(folder, 'runs', name, 'teacher.safetensors'));
  };
  const whole = await finish('whole');
  const rng = new Rng(1);
  const at: number[] = [];
  while (at.length < kills) {
    const { child, updates } = run('killed');
    const before = updates();
    const after = 1 + rng.int(Math.floor((1.5 * steps) / kills));
    while (updates() < before + after && child.exitCode === null) await sleep(5);
    if (child.exitCode !== null) throw new Error(`bench: the training ended after ${at.length} kills.`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    at.push(updates());
  }
  const same = (await finish('killed')) === whole;
  print(
    { bench: 'streaming', case: 'kills', kills, steps, killedAfter: at, same, hash: whole },
    `killed ${kills} times, after ${at.join(', ')} updates: ${same ? 'the same' : 'ANOTHER'} checkpoint ${whole} after ${steps}`,
  );
  if (!same) throw new Error('bench: expected the same checkpoint from a training that was killed, got another one.');
}

const titok = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
const training = (data: string, steps: number) => [
  ...[
    'train',
    'teacher',
    '--preset',
    'smoke',
    '--data',
    data,
    '--held-out',
    '0.01',
    '--steps',
    String(steps),
    '--resume',
  ],
  ...['--stream', '--shuffle-buffer', '4096', '--threads', '1', '--save-every', '5', '--picture-every', '0'],
];

/** Updates in a log, those that were made again counted once. */
function updatesIn(log: string): number {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  return lines.length;
}

/** 16 hex digits from the tensors and the state of a training, without its times. */
function hashOf(path: string): string {
  const { groups, meta } = loadCheckpoint(path);
  const hash = createHash('sha256').update(JSON.stringify(meta['state']));
  for (const [group, tensors] of Object.entries(groups))
    for (const [name, { data }] of Object.entries(tensors))
      hash.update(`${group}/${name}`).update(data as Float32Array);
  return hash.digest('hex').slice(0, 16);
}
