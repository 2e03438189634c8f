/** Bytes that are read piece by piece, so that a file of gigabytes is never in memory as a whole. */
import fs from 'node:fs';
import { CheckpointError } from '../core/index.ts';
import { reason } from './errors.ts';
import { gotInstead, otherThanFile } from './file-kind.ts';

/** An open file. */
export interface ByteSource extends Disposable {
  /** For error messages: the path. */
  readonly name: string;
  /** bytes */
  readonly size: number;
  /** A copy, at the beginning of its own buffer, so that typed arrays can be views of it. */
  read(position: number, length: number): Uint8Array;
  /** Closes the file; more than once does no harm. */
  close(): void;
}

/** Opens a file. @throws CheckpointError when it is missing, no file, or cannot be read */
export function openBytes(path: string): ByteSource {
  expectFile(path);
  const file = attempt(path, () => fs.openSync(path, 'r'));
  let open = true;
  const close = () => {
    if (open) fs.closeSync(file);
    open = false;
  };
  try {
    const { size } = fs.fstatSync(file);
    const read = (position: number, length: number) => attempt(path, () => readExactly(file, position, length));
    return { name: path, size, read, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The bytes of a file. @throws CheckpointError when the file is missing or cannot be read */
export function readFileBytes(path: string): Uint8Array {
  expectFile(path);
  return attempt(path, () => fs.readFileSync(path));
}

/** To open a pipe would wait for its writer. */
function expectFile(path: string): void {
  const other = otherThanFile(attempt(path, () => fs.statSync(path)));
  if (other) throw new CheckpointError(`${path}: expected a file of weights, ${gotInstead(other)}`);
}

function readExactly(file: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const step = Math.min(length - done, 2 ** 30); // one read takes less than 2 GiB
    const got = fs.readSync(file, bytes, done, step, position + done);
    if (got === 0) throw new Error('the file became shorter while it was read');
    done += got;
  }
  return bytes;
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new CheckpointError(`${path}: expected a readable file of weights, got ${reason(error)}.`, { cause: error });
  }
}
