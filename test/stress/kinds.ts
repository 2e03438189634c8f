/** All kinds of trouble. */
import { damagedCheckpoints, damagedLogs, damagedPictures } from './commands.ts';
import { failingWrites, fileLimit, smallDisk } from './disk.ts';
import { checkpointFiles, golden, pictures, tensors } from './files.ts';
import { folders } from './folders.ts';
import { formatKinds } from './formats.ts';
import { kills } from './kills.ts';
import type { Kind } from './kind.ts';
import { randomOptions } from './options.ts';
import { pipes } from './pipes.ts';
import { twice } from './twice.ts';

export const kinds: readonly Kind[] = [
  ...[kills, failingWrites, fileLimit, smallDisk, pipes, twice],
  ...[tensors, checkpointFiles, pictures, golden, folders, ...formatKinds],
  ...[damagedCheckpoints, damagedLogs, damagedPictures, randomOptions],
];
