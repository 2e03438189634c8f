/**
 * Weights in whatever they come: safetensors, PyTorch's files, an index of several of them, or a folder as model hubs have
 * it. All look alike: tensors by name, read one by one.
 */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CheckpointError } from '../core/index.ts';
import { openBytes, readFileBytes } from './byte-source.ts';
import { megabytes } from './errors.ts';
import { kindAt } from './file-head.ts';
import { indexKind, oldTorchKind, torchKind } from './file-kind.ts';
import type { ListedTensor } from './safetensors.ts';
import { openSafetensors, type TensorFile } from './safetensors-file.ts';
import { openTorchFile, pickledTensors, zippedTensors } from './torch-file.ts';

/** What a folder on a model hub calls its weights, the best first. */
export const weightFiles = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
] as const;

/**
 * Opens a file of weights, or the one in a folder, and reads only what it lists. The prefixes `module.` and `_orig_mod.`,
 * which parallel and compiled PyTorch models write, are left out of names.
 *
 *   using file = openTensorFile('pytorch_model.bin');
 *   const { shape, data } = file.read('latent_tokens');
 *
 * @throws CheckpointError when there is none, when it is of another kind, which is named, or damaged
 */
export function openTensorFile(path: string): TensorFile {
  const file = weightFileAt(path);
  return withoutPrefixes(isIndex(file) ? openShards(file) : openOne(file));
}

/** The file of weights that a path stands for: itself, or the one in a folder. @throws CheckpointError for a folder without */
export function weightFileAt(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  const found = weightFiles.map((name) => join(path, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new CheckpointError(`${path}: expected a folder with ${weightFiles.join(' or ')}, got one without.`);
}

const isIndex = (path: string): boolean =>
  path.endsWith('.index.json') || (existsSync(path) && kindAt(path) === indexKind);
function openOne(path: string): TensorFile {
  const kind = existsSync(path) ? kindAt(path) : undefined;
  if (kind === torchKind) return openTorchFile(path, zippedTensors);
  return kind === oldTorchKind ? openTorchFile(path, pickledTensors) : openSafetensors(path);
}

const mostIndexBytes = 100_000_000;

/** The files that an index names: { "weight_map": { "latent_tokens": "model-00001-of-00002.safetensors" } }. */
export function shardsOf(path: string): Map<string, string> {
  const fail = (got: string): never => {
    throw new CheckpointError(`${path}: expected an index of files beside it, got ${got}. Is the file damaged?`);
  };
  const { size, close } = openBytes(path);
  close();
  if (size > mostIndexBytes) fail(megabytes(size));
  let index: unknown;
  try {
    index = JSON.parse(new TextDecoder().decode(readFileBytes(path)));
  } catch {
    fail('no JSON');
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return fail('none');
  return new Map(
    Object.entries(map).map(([name, file]) =>
      typeof file === 'string' && /^[\w-][\w.-]*$/.test(file) ? [name, file] : fail(`'${file}' for '${name}'`),
    ),
  );
}

function openShards(path: string): TensorFile {
  const places = shardsOf(path);
  const shards = new Map<string, TensorFile>();
  const close = () => {
    for (const shard of shards.values()) shard.close();
  };
  try {
    const entries = new Map<string, ListedTensor>();
    for (const [name, file] of places) {
      if (!shards.has(file)) shards.set(file, openOne(join(dirname(path), file)));
      const entry = shards.get(file)?.entries.get(name);
      if (!entry) throw new CheckpointError(`${path}: expected '${name}' in ${file}, got a file without it.`);
      entries.set(name, entry);
    }
    const read = (name: string) => {
      const shard = shards.get(places.get(name) ?? '');
      if (!shard) throw new CheckpointError(`${path}: expected a tensor '${name}', got an index without it.`);
      return shard.read(name);
    };
    const metadata = [...shards.values()][0]?.metadata ?? {};
    return { entries, metadata, read, close, [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/** A prefix counts only if every name has it. */
function withoutPrefixes(file: TensorFile): TensorFile {
  const names = [...file.entries.keys()];
  let length = 0;
  for (const prefix of ['module.', '_orig_mod.', 'module.'])
    if (names.length > 0 && names.every((name) => name.startsWith(prefix, length))) length += prefix.length;
  if (length === 0) return file;
  const prefix = names[0].slice(0, length);
  const entries = new Map([...file.entries].map(([name, entry]) => [name.slice(length), entry]));
  return { ...file, entries, read: (name) => file.read(prefix + name) };
}
