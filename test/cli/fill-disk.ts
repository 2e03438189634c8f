/** Preloaded: the disk is full from the second checkpoint on. */
import fs from 'node:fs';

const open = fs.openSync as (...args: unknown[]) => number;
const write = fs.writeSync as (...args: unknown[]) => number;
const checkpoints = new Set<unknown>();
let saves = 0;
Object.assign(fs, {
  openSync: (...args: unknown[]) => {
    const descriptor = open(...args);
    if (String(args[0]).includes('teacher.safetensors') && args[1] !== 'r') {
      saves++;
      checkpoints.add(descriptor);
    } else checkpoints.delete(descriptor);
    return descriptor;
  },
  writeSync: (...args: unknown[]) => {
    if (saves >= 2 && checkpoints.has(args[0]))
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
    return write(...args);
  },
});
