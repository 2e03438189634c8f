/** Preloaded: the program gets Ctrl-C after its seventh update. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const append = fs.appendFileSync;
let updates = 0;
fs.appendFileSync = (...args) => {
  append(...args);
  if (++updates === 7) process.kill(process.pid, 'SIGINT');
};
syncBuiltinESMExports();
