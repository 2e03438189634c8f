/** Plain PNG files have the pixels that libvips finds; all others are left to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { Rng } from '../../core/index.ts';
import { decodeImage } from '../../data/index.ts';
import { decodePlainPng } from '../../data/plain-png.ts';

/** A PNG with the given filter in each row. */
function png(width: number, height: number, filters: readonly number[], rng: Rng, more: Uint8Array[] = []): Buffer {
  const rows = Array.from({ length: height }, (_, y) => [filters[y], ...Array.from({ length: 3 * width }, () => rng.int(256))]); // biome-ignore format: one thought
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8);
  const packed = deflateSync(Uint8Array.from(rows.flat()));
  const half = packed.length >> 1;
  const parts = [packed.subarray(0, half), packed.subarray(half)].map((part) => chunk('IDAT', part));
  const start = Buffer.from('89504e470d0a1a0a', 'hex');
  return Buffer.concat([start, chunk('IHDR', header), ...more, ...parts, chunk('IEND', new Uint8Array())]);
}

function chunk(type: string, content: Uint8Array): Buffer {
  const named = Buffer.concat([Buffer.from(type), content]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(content.length);
  check.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, check]);
}

test('all filters, in random rows', async () => {
  const sides = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.nat());
  await fc.assert(
    fc.asyncProperty(sides, async ([width, height, seed]) => {
      const rng = new Rng(seed);
      const file = png(width, height, Array.from({ length: height }, () => rng.int(5)), rng); // biome-ignore format: one thought
      const found = decodePlainPng(file);
      const { data, ...size } = await decodeImage(file);
      assert.deepEqual([found?.width, found?.height, [...found!.data]], [size.width, size.height, [...data]]);
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('what is not plain, or damaged, is left to libvips', async () => {
  const file = png(4, 3, [0, 1, 4], new Rng(2));
  assert.ok(decodePlainPng(file));
  for (let at = 0; at < file.length; at++) {
    const changed = Buffer.from(file);
    changed[at] ^= 1;
    assert.equal(decodePlainPng(changed), undefined, `byte ${at}`);
    assert.equal(decodePlainPng(file.subarray(0, at)), undefined);
  }
  assert.equal(decodePlainPng(png(4, 3, [0, 1, 5], new Rng(2))), undefined);
  assert.equal(decodePlainPng(png(4, 3, [0, 1, 2], new Rng(2), [chunk('gAMA', new Uint8Array(4))])), undefined);
  const square = sharp({ create: { width: 4, height: 4, channels: 4, background: '#f008' } });
  for (const other of [
    square.clone().png(),
    square.clone().png({ palette: true }),
    square.clone().removeAlpha().jpeg(),
  ])
    assert.equal(decodePlainPng(await other.toBuffer()), undefined);
});
