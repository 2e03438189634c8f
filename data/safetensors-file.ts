/** Safetensors files on disk: read as a whole or one tensor at a time, written atomically. */
import fs from 'node:fs';
import { CheckpointError } from '../core/index.ts';
import { writeFileAtomic } from './atomic-write.ts';
import { openBytes } from './byte-source.ts';
import { megabytes, reason } from './errors.ts';
import { headBytes } from './file-kind.ts';
import {
  headerLength,
  type ListedTensor,
  parseHeader,
  parseSafetensors,
  type RawTensor,
  readEntry,
  type SafetensorsContent,
  serializeSafetensors,
  type WritableTensor,
} from './safetensors.ts';

/**
 * Reads every tensor of a file, or of a file's bytes. Floats become float32, integers of more than 8 bits and I8 int32.
 * @throws CheckpointError when the file is missing, cut short or invalid
 */
export function readSafetensors(pathOrBytes: string | Uint8Array): SafetensorsContent {
  if (typeof pathOrBytes !== 'string') return parseSafetensors(pathOrBytes);
  using file = openSafetensors(pathOrBytes);
  const tensors = [...file.entries.keys()].map((name): [string, RawTensor] => [name, file.read(name)]);
  return { tensors: Object.fromEntries(tensors), metadata: file.metadata };
}

/** An open file of weights, whose tensors are read one by one. */
export interface TensorFile extends Disposable {
  readonly entries: ReadonlyMap<string, ListedTensor>;
  readonly metadata: Record<string, string>;
  /** Reads one tensor. @throws CheckpointError when the file has none of that name, or its number format cannot be read */
  read(name: string): RawTensor;
  /** Closes the file; more than once does no harm. */
  close(): void;
}

/**
 * Opens a safetensors file and reads only its header. `using file = openSafetensors(path)` closes it at the end of the block.
 * @throws CheckpointError when the file is missing, cut short or invalid
 */
export function openSafetensors(path: string): TensorFile {
  const file = openBytes(path);
  const { close } = file;
  try {
    const start = 8 + headerLength(file.read(0, Math.min(headBytes, file.size)), file.size, path);
    const header = parseHeader(file.read(8, start - 8), file.size - start, path);
    const entries = new Map(header.entries.map((entry) => [entry.name, entry]));
    const read = (name: string): RawTensor => {
      const entry = entries.get(name);
      if (!entry) throw new CheckpointError(`${path}: expected a tensor '${name}', got a file without it.`);
      return readEntry(entry, file.read(start + entry.begin, entry.end - entry.begin), path);
    };
    return { entries, metadata: header.metadata, read, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Writes a file atomically: on any failure the previous file at `path` stays.
 * @throws CheckpointError when the disk is full, the folder cannot be written to, or a shape does not fit its values
 */
export function writeSafetensors(
  path: string,
  tensors: Record<string, WritableTensor>,
  metadata: Record<string, string> = {},
): void {
  writeSafetensorsBytes(path, serializeSafetensors(tensors, metadata, path));
}

/** Writes a file that is serialized already, as `writeSafetensors` does. */
export function writeSafetensorsBytes(path: string, pieces: readonly Uint8Array[]): void {
  try {
    writeFileAtomic(path, pieces);
  } catch (error) {
    const size = megabytes(pieces.reduce((sum, piece) => sum + piece.length, 0));
    const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    const before = fs.existsSync(path) ? ' The file saved before is untouched.' : '';
    throw new CheckpointError(
      `${path}: expected to write ${size}, got ${reason(error)}.${before} ` +
        (full ? 'Free some space and save again.' : 'Can this folder be written to?'),
      { cause: error },
    );
  }
}
