/** Saves step 1; is then killed while it saves step 2, as it calls the named file operation. */
import fs from 'node:fs';
import { saveCheckpoint } from '../../data/index.ts';

const [path, point] = process.argv.slice(2) as [string, 'writeSync' | 'fsyncSync' | 'renameSync'];

function save(step: number): Promise<void> {
  const data = new Float32Array(1000).fill(step);
  return saveCheckpoint(path, { groups: { model: { weight: { shape: [data.length], data } } }, meta: { step } });
}

await save(1);
let calls = 0;
const last = point === 'writeSync' ? 2 : 1; // the first write is only the header's length
const real: (...args: unknown[]) => unknown = fs[point] as never;
Object.assign(fs, {
  [point]: (...args: unknown[]) => {
    if (++calls === last) process.kill(process.pid, 'SIGKILL');
    return real(...args);
  },
});
await save(2);
