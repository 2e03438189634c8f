/** What a file on disk is, from its first bytes. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { type FileKind, fileKind, headBytes, otherThanFile } from './file-kind.ts';

/**
 * The kind of what is at a path, if it is known. Opens nothing but files: a pipe would wait for its writer.
 * @throws the system's error when it cannot be read
 */
export function kindAt(path: string): FileKind | undefined {
  const other = otherThanFile(statSync(path));
  if (other) return other;
  const file = openSync(path, 'r');
  try {
    const head = new Uint8Array(headBytes);
    return fileKind(head.subarray(0, readSync(file, head)), path);
  } finally {
    closeSync(file);
  }
}
