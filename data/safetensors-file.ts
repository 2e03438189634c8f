/** Safetensors files on disk: read as a whole or one tensor at a time, written atomically. */
import fs from 'node:fs';
import { CheckpointError } from '../core/index.ts';
import { writeFileAtomic } from './atomic-write.ts';
import { megabytes, reason } from './errors.ts';
import { gotInstead, headBytes, otherThanFile } from './file-kind.ts';
import {
  headerLength,
  parseHeader,
  parseSafetensors,
  type RawTensor,
  readEntry,
  type SafetensorsContent,
  serializeSafetensors,
  type TensorEntry,
  type WritableTensor,
} from './safetensors.ts';

/**
 * Reads every tensor of a file, or of a file's bytes. F16, BF16 and F64 become float32, I8 and I64 int32.
 * @throws CheckpointError when the file is missing, cut short or invalid
 */
export function readSafetensors(pathOrBytes: string | Uint8Array): SafetensorsContent {
  if (typeof pathOrBytes !== 'string') return parseSafetensors(pathOrBytes);
  using file = openSafetensors(pathOrBytes);
  const tensors = [...file.entries.keys()].map((name): [string, RawTensor] => [name, file.read(name)]);
  return { tensors: Object.fromEntries(tensors), metadata: file.metadata };
}

/** An open file whose tensors are read one by one. */
export interface SafetensorsFile extends Disposable {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Record<string, string>;
  /** Reads one tensor. @throws CheckpointError when the file has none of that name */
  read(name: string): RawTensor;
  /** Closes the file; more than once does no harm. */
  close(): void;
}

/**
 * Opens a file and reads only its header. `using file = openSafetensors(path)` closes it at the end of the block.
 * @throws CheckpointError when the file is missing, cut short or invalid
 */
export function openSafetensors(path: string): SafetensorsFile {
  expectFile(path);
  const file = attempt(path, () => fs.openSync(path, 'r'));
  let open = true;
  const close = () => {
    if (open) fs.closeSync(file);
    open = false;
  };
  const bytesAt = (position: number, length: number) => attempt(path, () => readExactly(file, position, length));
  try {
    const { size } = fs.fstatSync(file);
    const start = 8 + headerLength(bytesAt(0, Math.min(headBytes, size)), size, path);
    const header = parseHeader(bytesAt(8, start - 8), size - start, path);
    const entries = new Map(header.entries.map((entry) => [entry.name, entry]));
    const read = (name: string): RawTensor => {
      const entry = entries.get(name);
      if (!entry) throw new CheckpointError(`${path}: expected a tensor '${name}', got a file without it.`);
      return readEntry(entry, bytesAt(start + entry.begin, entry.end - entry.begin), path);
    };
    return { entries, metadata: header.metadata, read, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The bytes of a file, unread. @throws CheckpointError when the file is missing or cannot be read */
export function readFileBytes(path: string): Uint8Array {
  expectFile(path);
  return attempt(path, () => fs.readFileSync(path));
}

/** To open a pipe would wait for its writer. */
function expectFile(path: string): void {
  const other = otherThanFile(attempt(path, () => fs.statSync(path)));
  if (other) throw new CheckpointError(`${path}: expected a safetensors file, ${gotInstead(other)}`);
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

/** Reads into a buffer of its own, so that typed arrays can be views of it. */
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
    throw new CheckpointError(`${path}: expected a readable safetensors file, got ${reason(error)}.`, { cause: error });
  }
}
