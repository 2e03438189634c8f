/** Data files that are read as a whole. */
import { readFileSync, statSync } from 'node:fs';
import { DataError } from '../core/index.ts';
import { megabytes, reason } from './errors.ts';
import { gotInstead, otherThanFile } from './file-kind.ts';

/** The largest data file that is read as a whole: what Node reads at once. */
export const mostFileBytes = 2 ** 31 - 1;

/** The bytes of a data file. @throws DataError when it is missing, no file, cannot be read, or is larger than 2 GB */
export function dataBytes(path: string): Buffer {
  try {
    const found = statSync(path);
    const other = otherThanFile(found);
    if (other) throw new DataError(`${path}: expected a data file, ${gotInstead(other)}`);
    if (found.size > mostFileBytes) {
      throw new DataError(
        `${path}: expected a file of at most ${megabytes(mostFileBytes)}, got ${megabytes(found.size)}. Split it.`,
      );
    }
    return readFileSync(path);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${path}: expected a data file, got ${reason(error)}.`, { cause: error });
  }
}
