/** WebDataset shards of small pictures, made for a benchmark. */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { Rng } from '../core/index.ts';

const perShard = 1000;
const size = 32; // pixels

/** Writes that many pictures in ten classes, every other one as JPEG: 'train-000000.tar' … of 1,000 each. */
export async function writeShards(folder: string, pictures: number): Promise<void> {
  const rng = new Rng(0);
  for (let from = 0; from < pictures; from += perShard) {
    const archive = pack();
    const path = join(folder, `train-${String(from / perShard).padStart(6, '0')}.tar`);
    const written = pipeline(archive as unknown as Readable, createWriteStream(path));
    for (let i = from; i < Math.min(from + perShard, pictures); i++) {
      const label = rng.int(10);
      const name = String(i).padStart(6, '0');
      const image = sharp(rings(rng, label), { raw: { width: size, height: size, channels: 3 } });
      archive.entry(
        { name: `${name}.${i % 2 ? 'jpg' : 'png'}` },
        await (i % 2 ? image.jpeg() : image.png()).toBuffer(),
      );
      archive.entry({ name: `${name}.cls` }, String(label));
    }
    archive.finalize();
    await written;
  }
}

/** Rings around a random place in two random colors; the class is how many. */
function rings(rng: Rng, label: number): Uint8Array {
  const [a, b, [x0, y0]] = [rng.uniforms(3, 0, 255), rng.uniforms(3, 0, 255), rng.uniforms(2, 0, size)];
  return Uint8Array.from({ length: 3 * size * size }, (_, at) => {
    const [x, y] = [Math.floor(at / 3) % size, Math.floor(at / 3 / size)];
    const wave = (1 + Math.cos((Math.hypot(x - x0, y - y0) * (label + 1)) / 5)) / 2;
    return a[at % 3] * wave + b[at % 3] * (1 - wave);
  });
}
