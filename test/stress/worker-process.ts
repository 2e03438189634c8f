/** Runs the trials that worker.ts sends. */
import { type CaseResult, runCase } from './kind.ts';
import { kinds } from './kinds.ts';
import type { Task } from './worker.ts';
import { prepare } from './workshop.ts';

process.on('message', async (task: Task) => {
  process.send!(task === 'prepare' ? await prepared() : await runCase(kindOf(task.kind), task.seed, task.number));
});
process.on('disconnect', () => process.exit());

const kindOf = (name: string) => kinds.find((kind) => kind.name === name)!;

async function prepared(): Promise<CaseResult> {
  try {
    await prepare();
    return { endings: {} };
  } catch (error) {
    return { endings: {}, failure: error instanceof Error ? error.message : String(error) };
  }
}
