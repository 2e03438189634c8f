/** Pictures of any format that is read, as WebDataset shards: for streams, and for other programs. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { DataError } from '../core/index.ts';
import { findImages } from './data-files.ts';
import { decodeWhole, openImage } from './decoding.ts';
import { reason, Undecodable } from './errors.ts';
import { fileKind } from './file-kind.ts';
import type { LabeledPicture } from './folder-layout.ts';
import type { LeftOut } from './left-out.ts';
import { pngOf, type ShardPicture, type WrittenShards, writeShards } from './shard-writer.ts';
import { readSource } from './squares.ts';

/** Options of `convertImages`. */
export interface ConvertOptions {
  /** Pictures in each shard. Default: 1000 */
  readonly perShard?: number;
  /** Goes on without pictures that cannot be read, and lists them in `leftOut`. Default: false, an error. */
  readonly skipBroken?: boolean;
  /** Called after each picture. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What `convertImages` wrote. */
export interface ConvertedImages {
  /** 'Parquet', 'picture files', … */
  readonly format: string;
  readonly train: WrittenShards;
  /** Those that a folder or a file says are held out, `val-….tar`. */
  readonly heldOut?: WrittenShards;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Writes the pictures of a folder or of data files into WebDataset shards, `train-….tar` and `val-….tar`, with the names of their
 * classes in `.cls`. Files of pictures are copied as they are, not decoded; pixels become PNG. One picture at a time is in memory,
 * beside what the format is read with.
 *
 * @param folder  for the shards; must be new or empty, and is empty again after an error
 * @throws DataError for a folder that holds something, what `loadImageFolder` refuses, or a picture that cannot be read
 */
export async function convertImages(
  path: string,
  folder: string,
  { perShard, skipBroken = false, onProgress }: ConvertOptions = {},
): Promise<ConvertedImages> {
  const there = existsSync(folder) ? readdirSync(folder) : [];
  const part = there.find((name) => isShard(name) && name.endsWith('.part'));
  const got =
    part === undefined ? 'one that holds something' : `one with ${part}, which was not finished. Delete it all`;
  if (there.length > 0) throw new DataError(`${folder}: expected a new or an empty folder for shards, got ${got}.`);
  const { layout, format, leftOut } = await findImages(path, basename(resolve(path)) || path);
  const { classes, pictures, heldOut } = layout;
  const total = pictures.length + (heldOut?.pictures.length ?? 0);
  let done = 0;

  async function* filesOf(some: readonly LabeledPicture[]): AsyncGenerator<ShardPicture, void> {
    for (const { source, name, label } of some) {
      try {
        yield { ...(await fileOf(source)), label: classes[label] };
      } catch (error) {
        if (!(error instanceof Undecodable)) throw error;
        if (!skipBroken && error.kind?.picture !== 'unknown')
          throw new DataError(
            `${path}: ${name} cannot be read: ${error.found}. Remove it or save it again, or go on without such pictures with ` +
              '--skip-broken (skipBroken: true).',
          );
        leftOut.add('cannot be read', `${name}: ${error.found}`);
      }
      onProgress?.(++done, total);
    }
  }

  try {
    const train = await writeShards(filesOf(pictures), folder, 'train', perShard);
    const rest = heldOut && { heldOut: await writeShards(filesOf(heldOut.pictures), folder, 'val', perShard) };
    return { format, train, ...rest, leftOut: leftOut.list };
  } catch (error) {
    removeShards(folder); // the folder was empty, and some shards are no dataset
    throw error;
  }
}

const isShard = (name: string): boolean => /^(?:train|val)-\d+\.tar(?:\.part)?$/.test(name);

function removeShards(folder: string): void {
  if (existsSync(folder)) for (const name of readdirSync(folder).filter(isShard)) rmSync(join(folder, name));
}

/** A picture's file, and its type. @throws Undecodable when it is none that is read */
async function fileOf(source: LabeledPicture['source']): Promise<Omit<ShardPicture, 'label'>> {
  const given = await readSource(source);
  if (typeof given === 'object' && 'width' in given) return { bytes: await pngOf(given), type: 'png' };
  const bytes = typeof given === 'string' ? await contentOf(given) : given;
  const kind = fileKind(bytes);
  if (kind && kind.picture !== 'decoded') throw new Undecodable(kind.name, kind.advice, kind);
  const type = /^an? (PNG|JPEG|WebP|GIF|TIFF|AVIF) picture$/.exec(kind?.name ?? '')?.[1].toLowerCase();
  if (type !== undefined) return { bytes, type };
  return { bytes: await pngOf(await decodeWhole(await openImage(bytes))), type: 'png' }; // SVG
}

async function contentOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Undecodable(reason(error), '', undefined, { cause: error });
  }
}
