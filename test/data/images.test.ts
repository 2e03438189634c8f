import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import {
  centerCrop,
  decodeImage,
  flip,
  fromPlanes,
  imageGrid,
  type RgbImage,
  randomCrop,
  readSafetensors,
  resizeBicubic,
  resizeShorterEdge,
  toImages,
  toPlanes,
  toUint8ForMetrics,
  toUint8Truncated,
  toUnit,
  writePng,
} from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const golden = fileURLToPath(new URL('../golden/preprocess.safetensors', import.meta.url));

test('resizing, cropping and rounding equal the reference, bit for bit', () => {
  const { tensors, metadata } = readSafetensors(golden);
  const cases: Record<string, { size: number }> = JSON.parse(metadata['cases']);
  assert.equal(Object.keys(cases).length, 3);
  for (const [name, { size }] of Object.entries(cases)) {
    const value = (key: string) => tensors[`${name}/${key}`];
    const { shape, data } = value('in/image_hwc');
    const image = { height: shape[0], width: shape[1], data: Uint8Array.from(data) };
    const resized = resizeShorterEdge(image, size);
    assert.deepEqual([resized.height, resized.width, 3], value('out/resized_hwc').shape);
    assert.deepEqual(Int32Array.from(resized.data), value('out/resized_hwc').data);
    assert.deepEqual(toUnit(toPlanes(centerCrop(resized, size))), value('out/center_crop_chw').data);
    const reconstruction = value('in/reconstruction').data;
    const int32 = (bytes: Uint8Array) => Int32Array.from(bytes);
    assert.deepEqual(int32(toUint8Truncated(reconstruction)), value('out/reconstruction_uint8_truncated').data);
    assert.deepEqual(int32(toUint8ForMetrics(reconstruction)), value('out/eval_quantised_uint8').data);
  }
});

test('metrics round halves to even, and lose a level where float32 does', () => {
  const halves = Float32Array.from([0.5, 1.5, 2.5, 3.5], (v) => v / 255);
  assert.deepEqual([...toUint8ForMetrics(halves)], [0, 2, 2, 4]);
  const levels = Uint8Array.from({ length: 256 }, (_, i) => i);
  const expected = levels.map((k) => Math.fround(Math.fround(k / 255) * 255));
  assert.deepEqual(toUint8ForMetrics(toUnit(levels)), expected);
  assert.deepEqual([...toUint8Truncated([-1, 2, 0.999])], [0, 255, 254]);
});

const pixel = ({ data, width }: RgbImage, x: number, y: number) => [...data.subarray((y * width + x) * 3).slice(0, 3)];
const near = (actual: readonly number[], expected: readonly number[], tolerance: number) =>
  assert.ok(
    actual.every((v, i) => Math.abs(v - expected[i]) <= tolerance),
    `expected about ${expected}, got ${actual}`,
  );
const raw = (bytes: number[], channels: 1 | 3 | 4, width = 1) =>
  sharp(Uint8Array.from(bytes), { raw: { width, height: bytes.length / channels / width, channels } });

test('gray, alpha, 16-bit, CMYK and turned images become upright 8-bit RGB', async () => {
  const gray = await decodeImage(await raw([40, 200], 1, 2).toColourspace('b-w').png().toBuffer());
  assert.deepEqual([gray.width, gray.height, ...gray.data], [2, 1, 40, 40, 40, 200, 200, 200]);

  const alpha = await decodeImage(await raw([255, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255, 128], 4, 3).png().toBuffer());
  assert.deepEqual(pixel(alpha, 0, 0), [255, 0, 0]);
  assert.deepEqual(pixel(alpha, 1, 0), [255, 255, 255]); // transparent black is the white ground
  near(pixel(alpha, 2, 0), [127, 127, 255], 1);

  const words = Uint16Array.from([65535, 32768, 257]);
  const deep = sharp(words, { raw: { width: 1, height: 1, channels: 3 } }).toColourspace('rgb16');
  const png = await deep.png().toBuffer();
  assert.equal((await sharp(png).metadata()).depth, 'ushort');
  near(pixel(await decodeImage(png), 0, 0), [255, 128, 1], 1);
  const deepGray = await sharp(png).toColourspace('grey16').png().toBuffer();
  assert.equal((await sharp(deepGray).metadata()).depth, 'ushort');
  assert.equal((await decodeImage(deepGray)).data.length, 3);

  const red = Array.from({ length: 64 }, () => [250, 10, 10]).flat();
  const cmyk = await raw(red, 3, 8).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
  assert.equal((await sharp(cmyk).metadata()).space, 'cmyk');
  const [r, g, b] = pixel(await decodeImage(cmyk), 4, 4);
  assert.ok(r > 180 && g < 80 && b < 80, `red should stay red, got ${[r, g, b]}`);

  const lying = await raw([...red, ...red], 3, 16)
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer();
  const upright = await decodeImage(lying);
  assert.deepEqual([upright.width, upright.height], [8, 16]);
});

test('unreadable images are named', async (t) => {
  const folder = temporaryFolder(t);
  const unreadable = async (name: string, bytes?: Uint8Array) => {
    const path = join(folder, name);
    if (bytes) writeFileSync(path, bytes);
    await assert.rejects(decodeImage(path), (error: Error) => {
      assert.equal(error.name, 'DataError');
      assert.match(
        error.message,
        new RegExp(`^image .*${name}: expected a readable PNG, JPEG or WebP image, got .+\\. R`),
      );
      return true;
    });
  };
  const noise = Array.from({ length: 3 * 64 * 64 }, (_, i) => (i * 7919) % 256);
  await unreadable('missing.png');
  await unreadable('empty.png', new Uint8Array());
  await unreadable('text.jpg', Buffer.from('not an image'));
  const jpeg = await raw(noise, 3, 64).jpeg().toBuffer();
  await unreadable('half.jpg', jpeg.subarray(0, jpeg.length / 2));
  const png = await raw(noise, 3, 64).png().toBuffer();
  await unreadable('half.png', png.subarray(0, png.length / 2));
  await assert.rejects(decodeImage(new Uint8Array(5)), { name: 'DataError', message: /5 bytes in memory/ });
});

test('cropping and flipping move pixels, not values', () => {
  const image = { width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i) };
  assert.deepEqual(pixel(flip(image), 0, 1), pixel(image, 2, 1));
  assert.deepEqual(flip(flip(image)).data, image.data);
  assert.equal(resizeBicubic(image, 3, 2).data, image.data);
  assert.deepEqual(fromPlanes(toPlanes(image), 3, 2), image);
  assert.deepEqual(pixel(randomCrop(image, 2, { int: (n) => n - 1 }), 1, 1), pixel(image, 2, 1));
  // Halves are rounded to even: one pixel too many starts at 0, three at 2.
  const row = (width: number) => ({ width, height: 1, data: Uint8Array.from({ length: 3 * width }, (_, i) => i / 3) });
  assert.deepEqual(
    [2, 3, 4, 6].map((width) => pixel(centerCrop(row(width), 1), 0, 0)[0]),
    [0, 1, 2, 2],
  );
  assert.throws(() => centerCrop(image, 3), { name: 'DataError', message: /window inside 3×2, got 3×3/ });
});

test('a grid enlarges by whole numbers, leaves gaps, and survives the file', async (t) => {
  const path = join(temporaryFolder(t), 'pictures', 'grid.png');
  const batch = new Float32Array(3 * 3 * 2 * 2).fill(1, 0, 12); // white, black, black; 2×2 each
  const images = toImages(batch, [3, 3, 2, 2]);
  const grid = await imageGrid(images, 2, { scale: 5, gap: 3 });
  assert.deepEqual([grid.width, grid.height], [3 + 2 * 13, 3 + 2 * 13]);
  await writePng(path, grid);
  const read = await decodeImage(path);
  assert.deepEqual(read.data, Buffer.from(grid.data));
  const black = (x: number, y: number) => pixel(read, x, y)[0] === 0;
  assert.deepEqual(
    [black(8, 8), black(16, 3), black(25, 12), black(26, 12), black(3, 16)],
    [false, true, true, false, true],
  );

  const labeled = await imageGrid(images, 3, { columnLabels: ['input', 'a < b & "c"'], rowLabels: ['Symbols'] });
  assert.ok(labeled.width > 3 * 96 && labeled.height > 96);
  await assert.rejects(imageGrid([], 2), { name: 'DataError' });
  await assert.rejects(imageGrid([images[0], { width: 1, height: 1, data: new Uint8Array(3) }], 2), /one size/);
  assert.throws(() => toImages(batch, [3, 1, 2, 2]), /expected \[n, 3, height, width\], got \[3, 1, 2, 2\]/);
  writeFileSync(join(path, '../file'), '');
  await assert.rejects(writePng(join(path, '../file/x.png'), grid), { name: 'DataError', message: /x\.png/ });
  assert.ok(readFileSync(path).length > 0);
});
