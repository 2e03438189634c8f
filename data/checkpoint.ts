/**
 * Checkpoints: one safetensors file with everything that a training needs to resume.
 *
 *   model/encoder.ln_pre.weight, ema/…, optimizer/m/…      groups of tensors; names inside a group are the published ones
 *   metadata: format, version, meta                        step, generator states, data position, settings as JSON
 *             metaSha256, tensorsSha256                    a file that has changed since is not gone on from in silence
 *
 * A published file has plain names and no such metadata. It loads as a single group, `model`.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { CheckpointError, firstNonFiniteIndex } from '../core/index.ts';
import type { RawTensor, WritableTensor } from './safetensors.ts';
import { openSafetensors, readSafetensors, writeSafetensors } from './safetensors-file.ts';
import type { RawData } from './values.ts';

const format = 'titok-ts checkpoint';
const version = 1;

/** A core Tensor, or values with their shape. */
export interface Saveable {
  readonly shape: readonly number[];
  /** Values, or a function that reads them, as a Tensor has. */
  readonly data: RawData | (() => Promise<RawData | Float64Array>);
}

/** What `saveCheckpoint` writes. */
export interface CheckpointContent {
  /** Group → name → tensor: `model`, `ema`, `optimizer`, … ; a group's name has no slash. */
  readonly groups: Record<string, Record<string, Saveable>>;
  /** Anything that JSON can hold: step, preset, settings, generator states. */
  readonly meta: Record<string, unknown>;
}

/** What `loadCheckpoint` reads. */
export interface Checkpoint {
  /** Group → name → tensor. */
  readonly groups: Record<string, Record<string, RawTensor>>;
  readonly meta: Record<string, unknown>;
  /** True for a file with plain names, as models are published; false for a checkpoint of a training. */
  readonly published: boolean;
}

/**
 * Saves a checkpoint atomically: `path` holds the previous checkpoint or this one, never a part.
 *
 *   await saveCheckpoint('runs/a/last.safetensors', { groups: { model: stateDict(model) }, meta: { preset, step } })
 *
 * @throws CheckpointError when the file cannot be written, when a tensor holds NaN or infinity, which no training can go on
 *   from, or when `meta` does, which JSON would lose. The previous file stays
 */
export async function saveCheckpoint(path: string, { groups, meta }: CheckpointContent): Promise<void> {
  const tensors: Record<string, WritableTensor> = {};
  for (const [group, members] of Object.entries(groups)) {
    if (group === '' || group.includes('/')) {
      throw new CheckpointError(`checkpoint ${path}: expected a group name without '/', got '${group}'.`);
    }
    for (const [name, tensor] of Object.entries(members)) {
      const values = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
      const data = values instanceof Float64Array ? Float32Array.from(values) : values; // the reference device computes in float64
      expectFinite(path, `${group}/${name}`, data);
      tensors[`${group}/${name}`] = { shape: tensor.shape, data };
    }
  }
  const json = JSON.stringify(meta, (key, value) => {
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    throw new CheckpointError(`checkpoint ${path}: expected finite numbers in meta, got ${key} = ${value}.`);
  });
  const checksums = { metaSha256: sha256(json), tensorsSha256: tensorsSha256(tensors) };
  writeSafetensors(path, tensors, { format, version: String(version), meta: json, ...checksums });
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Of names, shapes and values. */
function tensorsSha256(tensors: Readonly<Record<string, Pick<RawTensor, 'shape' | 'data'>>>): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(tensors).sort()) {
    const { shape, data } = tensors[name];
    hash.update(JSON.stringify([name, shape])).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

function expectFinite(path: string, name: string, data: ArrayLike<number>): void {
  const at = firstNonFiniteIndex(data);
  if (at < 0) return;
  const before = existsSync(path)
    ? 'The file saved before is untouched; go on from it'
    : 'Nothing was saved; start again';
  throw new CheckpointError(
    `checkpoint ${path}: expected finite values to save, got ${data[at]} in '${name}'. ${before}, with a lower learning rate.`,
  );
}

/**
 * Loads a checkpoint or a published safetensors file.
 *
 *   const { groups, meta } = loadCheckpoint(path, { preset: 'tiny' })
 *
 * @param expected  entries that `meta` must have; ignored for published files, which have no meta
 * @param examine   checks more of `meta`, before its checksum: so it can name what is wrong
 * @throws CheckpointError when the file is missing or damaged, of another format version, or differs from `expected`
 */
export function loadCheckpoint(
  path: string,
  expected: Record<string, string | number> = {},
  examine: (meta: Record<string, unknown>) => void = () => {},
): Checkpoint {
  const { tensors, metadata } = readSafetensors(path);
  const meta = checkpointMeta(path, metadata, expected, examine);
  if (!meta) return { groups: { model: tensors }, meta: {}, published: true };
  const saved = metadata['tensorsSha256']; // earlier versions wrote none
  if (saved !== undefined && saved !== tensorsSha256(tensors)) {
    const bad = Object.keys(tensors).find((name) => firstNonFiniteIndex(tensors[name].data) >= 0);
    fail(path, 'the tensors that were saved', bad ? `NaN or infinity in '${bad}'` : 'others, as their checksum says');
  }
  const groups = new Map<string, [string, RawTensor][]>(); // not an object: a file may name a group __proto__
  for (const [name, tensor] of Object.entries(tensors)) {
    const slash = name.indexOf('/');
    if (slash < 1) throw new CheckpointError(`checkpoint ${path}: expected names like 'model/…', got '${name}'.`);
    const group = name.slice(0, slash);
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group)!.push([name.slice(slash + 1), tensor]);
  }
  const records = [...groups].map(([group, members]) => [group, Object.fromEntries(members)] as const);
  return { groups: Object.fromEntries(records), meta, published: false };
}

/** `meta` alone, without reading the tensors; undefined for a published file. @throws CheckpointError as `loadCheckpoint` */
export function loadCheckpointMeta(
  path: string,
  expected: Record<string, string | number> = {},
  examine: (meta: Record<string, unknown>) => void = () => {},
): Record<string, unknown> | undefined {
  using file = openSafetensors(path);
  return checkpointMeta(path, file.metadata, expected, examine);
}

function fail(path: string, expected: string, got: string): never {
  throw new CheckpointError(
    `checkpoint ${path}: expected ${expected}, got ${got}. The file is damaged: take another copy of it, or train again.`,
  );
}

function checkpointMeta(
  path: string,
  metadata: Record<string, string>,
  expected: Record<string, string | number>,
  examine: (meta: Record<string, unknown>) => void,
): Record<string, unknown> | undefined {
  if (metadata['format'] !== format) return undefined;
  if (metadata['version'] !== String(version)) {
    throw new CheckpointError(
      `checkpoint ${path}: expected format version ${version}, got ${metadata['version']}. Is titok-ts up to date?`,
    );
  }
  const meta = parseMeta(path, metadata['meta']);
  for (const [key, want] of Object.entries(expected)) {
    if (meta[key] === want) continue;
    throw new CheckpointError(
      `checkpoint ${path}: expected ${key} ${JSON.stringify(want)}, got ${JSON.stringify(meta[key]) ?? 'none'}. ` +
        `Choose that ${key}, or another checkpoint.`,
    );
  }
  examine(meta);
  const saved = metadata['metaSha256']; // earlier versions wrote none
  if (saved !== undefined && saved !== sha256(metadata['meta'])) {
    fail(path, 'the metadata that was saved', 'another one, as its checksum says');
  }
  return meta;
}

function parseMeta(path: string, json: string | undefined): Record<string, unknown> {
  try {
    const meta: unknown = JSON.parse(json ?? '');
    if (typeof meta === 'object' && meta !== null && !Array.isArray(meta)) return meta as Record<string, unknown>;
  } catch {
    // reported below
  }
  throw new CheckpointError(`checkpoint ${path}: expected meta as a JSON object, got ${json?.slice(0, 40) ?? 'none'}.`);
}
