/** Preloaded: the disk is full from the second checkpoint on. */
import fs from 'node:fs';

const write = fs.writeSync as (...args: unknown[]) => number;
let large = 0;
Object.assign(fs, {
  writeSync: (...args: unknown[]) => {
    if ((args[1] as Uint8Array).length > 10_000 && ++large >= 2) {
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' });
    }
    return write(...args);
  },
});
