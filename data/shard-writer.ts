/** Writes WebDataset shards, which webdataset.ts reads. */
import { createWriteStream, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { DataError, expectWhole } from '../core/index.ts';
import type { ImageSet, ImageStream } from './dataset.ts';
import { reason } from './errors.ts';
import { pixelBatches } from './loader.ts';
import { fromPlanes, type RgbImage } from './pixels.ts';
import { loadSharp } from './sharp.ts';

/** A picture for a shard. */
export interface ShardPicture {
  /** Of the file. */
  readonly bytes: Uint8Array;
  /** 'png', 'jpg' */
  readonly type: string;
  /** What `.cls` says. */
  readonly label: string;
}

/** Shards that were written. */
export interface WrittenShards {
  /** All names, as WebDataset takes them: 'train-{000000..000012}.tar'. */
  readonly names: string;
  readonly pictures: number;
}

const digits = 6;
const numbered = (i: number) => String(i).padStart(digits, '0');

/**
 * Writes pictures with their labels into shards `PREFIX-000000.tar`, `PREFIX-000001.tar` and so on.
 *
 *   000000.png  000000.cls  000001.png  000001.cls …
 *
 * @param perShard  pictures in each, but for the last. Default: 1000
 * @throws OptionError unless `perShard` is a whole number ≥ 1; DataError without pictures or when a file cannot be written, and
 *   what `pictures` throws
 */
export async function writeShards(
  pictures: AsyncIterable<ShardPicture>,
  folder: string,
  prefix: string,
  perShard = 1000,
): Promise<WrittenShards> {
  expectWhole('writeShards, perShard', perShard, 1, Number.MAX_SAFE_INTEGER);
  let archive: Archive | undefined;
  let count = 0;
  try {
    for await (const { bytes, type, label } of pictures) {
      if (count % perShard === 0) {
        await archive?.close();
        archive = new Archive(folder, `${prefix}-${numbered(count / perShard)}.tar`);
      }
      await archive!.add(`${numbered(count)}.${type}`, bytes);
      await archive!.add(`${numbered(count)}.cls`, Buffer.from(label));
      count++;
    }
    await archive?.close();
  } finally {
    await archive?.abandon();
  }
  if (count === 0) throw new DataError(`${folder}: expected pictures for the shards ${prefix}, got none.`);
  const last = Math.ceil(count / perShard) - 1;
  return { names: `${prefix}-{${numbered(0)}..${numbered(last)}}.tar`, pictures: count };
}

/** A tar file, which has its name once it is whole. */
class Archive {
  readonly #path: string;
  readonly #pack = pack();
  readonly #written: Promise<void>;
  #failure: unknown;

  constructor(folder: string, name: string) {
    this.#path = join(folder, name);
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw this.#error(error);
    }
    this.#written = pipeline(this.#pack, createWriteStream(`${this.#path}.part`)).catch((error) => {
      this.#failure = error;
    });
  }

  /** Waits until the file has taken the bytes, so that they do not pile up in memory. */
  async add(name: string, bytes: Uint8Array): Promise<void> {
    const taken = new Promise<void>((resolve) => {
      this.#pack.entry({ name, mtime: new Date(0) }, Buffer.from(bytes), () => resolve());
    });
    await Promise.race([taken, this.#written]);
    if (this.#failure) throw this.#error(this.#failure);
  }

  async close(): Promise<void> {
    this.#pack.finalize();
    await this.#written;
    if (this.#failure) throw this.#error(this.#failure);
    renameSync(`${this.#path}.part`, this.#path);
  }

  /** Removes the file, unless it is closed and has its name. */
  async abandon(): Promise<void> {
    this.#pack.destroy();
    await this.#written;
    rmSync(`${this.#path}.part`, { force: true });
  }

  #error(error: unknown): DataError {
    return new DataError(`${this.#path}: expected to write a shard, got ${reason(error)}.`, { cause: error });
  }
}

const atOnce = 32; // images that are decoded and encoded together

/**
 * The images of a set as PNG files, labeled by the numbers of their classes.
 *
 * @throws DataError when a picture of a stream cannot be read, or sharp is not installed
 */
export async function* shardPictures(set: ImageSet | ImageStream): AsyncGenerator<ShardPicture, void> {
  const { size, count, labels } = set;
  const each = 3 * size * size;
  const indices = Array.from({ length: count }, (_, i) => i);
  let next = 0;
  for (const batch of pixelBatches(set, indices, atOnce)) {
    const files = Array.from({ length: batch.length / each }, (_, i) =>
      pngOf(fromPlanes(batch.subarray(i * each, (i + 1) * each), size, size)),
    );
    for (const bytes of await Promise.all(files)) yield { bytes, type: 'png', label: String(labels[next++]) };
  }
}

/** A picture as a PNG file. */
export async function pngOf({ width, height, data }: RgbImage): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
