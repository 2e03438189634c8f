/** A picture's file that lies within a larger one, as in an archive: where to read it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { reason, Undecodable } from './errors.ts';

/** Consecutive bytes of a file. */
export interface FilePart {
  readonly path: string;
  readonly position: number;
  /** bytes */
  readonly size: number;
}

/** @throws Undecodable when the file has become shorter or cannot be read */
export function readPart({ path, position, size }: FilePart): Uint8Array {
  try {
    const file = openSync(path, 'r');
    try {
      if (position + size > fstatSync(file).size) throw new Undecodable('a part that is cut short');
      const bytes = new Uint8Array(size);
      for (let done = 0; done < size; ) {
        const got = readSync(file, bytes, done, size - done, position + done);
        if (got === 0) throw new Undecodable('a part that is cut short');
        done += got;
      }
      return bytes;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw error instanceof Undecodable ? error : new Undecodable(reason(error), '', undefined, { cause: error });
  }
}
