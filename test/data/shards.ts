/** WebDataset shards of small pictures, made here. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { Rng } from '../../core/index.ts';

/** Writes 'train-000000.tar' …: pictures of two colors in four classes, with .cls files. */
export async function writeShards(
  folder: string,
  { pictures, shards, size, width = size }: { pictures: number; shards: number; size: number; width?: number },
): Promise<void> {
  const rng = new Rng(11);
  for (let shard = 0; shard < shards; shard++) {
    const archive = pack();
    for (let i = shard; i < pictures; i += shards) {
      const [ground, front] = [rng.uniforms(3, 0, 255), rng.uniforms(3, 0, 255)];
      const label = rng.int(4);
      const data = Uint8Array.from({ length: 3 * width * size }, (_, at) => {
        const [x, y] = [Math.floor(at / 3) % width, Math.floor(at / 3 / width)];
        return ((label & 1 ? x < width / 2 : y < size / 2) === label < 2 ? ground : front)[at % 3];
      });
      const name = String(i).padStart(6, '0');
      const png = await sharp(data, { raw: { width, height: size, channels: 3 } }).png().toBuffer(); // biome-ignore format: one thought
      archive.entry({ name: `${name}.png` }, png);
      archive.entry({ name: `${name}.cls` }, String(label));
    }
    archive.finalize();
    const chunks: Uint8Array[] = [];
    for await (const chunk of archive) chunks.push(chunk as Uint8Array);
    writeFileSync(join(folder, `train-${String(shard).padStart(6, '0')}.tar`), Buffer.concat(chunks));
  }
}
