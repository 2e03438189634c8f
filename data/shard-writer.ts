/** Writes WebDataset shards, which webdataset.ts reads. */
import { createWriteStream, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { DataError } from '../core/index.ts';
import type { ImageSet, ImageStream } from './dataset.ts';
import { reason } from './errors.ts';
import { pixelBatches } from './loader.ts';
import { fromPlanes } from './pixels.ts';
import { loadSharp } from './sharp.ts';

const atOnce = 32; // images that are decoded and encoded together
const digits = 6;

/**
 * Writes images as PNG files with their labels into shards `PREFIX-000000.tar`, `PREFIX-000001.tar` and so on.
 *
 *   000000.png  000000.cls  000001.png  000001.cls …        .cls: the number of the class
 *
 * @param perShard  images in each, but for the last. Default: 1000
 * @returns the names of all shards as WebDataset takes them: 'train-{000000..000012}.tar'
 * @throws DataError when a file cannot be written, a picture of a stream cannot be read, or sharp is not installed
 */
export async function writeShards(
  set: ImageSet | ImageStream,
  folder: string,
  prefix: string,
  perShard = 1000,
): Promise<string> {
  const shards = Math.ceil(set.count / perShard);
  const numbered = (i: number) => String(i).padStart(digits, '0');
  try {
    mkdirSync(folder, { recursive: true });
    for (let shard = 0; shard < shards; shard++) {
      const path = join(folder, `${prefix}-${numbered(shard)}.tar`);
      const archive = pack();
      const written = pipeline(archive, createWriteStream(`${path}.part`));
      const filled = fill(archive, set, shard * perShard, Math.min(set.count, (shard + 1) * perShard), numbered);
      await Promise.all([written, filled.catch((error) => archive.destroy(error))]);
      renameSync(`${path}.part`, path);
    }
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${folder}: expected to write shards, got ${reason(error)}.`, { cause: error });
  }
  return `${prefix}-{${numbered(0)}..${numbered(shards - 1)}}.tar`;
}

/** Puts the images begin … end − 1 into an archive. */
async function fill(
  archive: ReturnType<typeof pack>,
  set: ImageSet | ImageStream,
  begin: number,
  end: number,
  numbered: (i: number) => string,
): Promise<void> {
  const sharp = await loadSharp();
  const { size } = set;
  const each = 3 * size * size;
  const indices = Array.from({ length: end - begin }, (_, i) => begin + i);
  let next = begin;
  for (const batch of pixelBatches(set, indices, atOnce)) {
    const pictures = Array.from({ length: batch.length / each }, (_, i) => {
      const { data } = fromPlanes(batch.subarray(i * each, (i + 1) * each), size, size);
      return sharp(data, { raw: { width: size, height: size, channels: 3 } })
        .png()
        .toBuffer();
    });
    for (const png of await Promise.all(pictures)) {
      const label = Buffer.from(String(set.labels[next]));
      await entry(archive, `${numbered(next)}.png`, png);
      await entry(archive, `${numbered(next)}.cls`, label);
      next++;
    }
  }
  archive.finalize();
}

/** Waits until the archive has taken the bytes, so that they do not pile up in memory. */
const entry = (archive: ReturnType<typeof pack>, name: string, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    archive.entry({ name, mtime: new Date(0) }, bytes, (error) => (error ? reject(error) : resolve()));
  });
