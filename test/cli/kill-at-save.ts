/** Preloaded: the program is killed (kill -9) as it is about to put its second checkpoint in place. */
import fs from 'node:fs';

const rename = fs.renameSync;
let checkpoints = 0;
fs.renameSync = (from, to) => {
  if (String(to).endsWith('.safetensors') && ++checkpoints === 2) process.kill(process.pid, 'SIGKILL');
  rename(from, to);
};
