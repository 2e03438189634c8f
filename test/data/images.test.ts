import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import sharp from 'sharp';
import {
  centerCrop,
  crop,
  decodeImage,
  decodeSquare,
  flip,
  fromPlanes,
  imageGrid,
  planSquare,
  type RgbImage,
  randomCrop,
  readSafetensors,
  resizeBicubic,
  resizeShorterEdge,
  resizeToSquare,
  toImages,
  toPlanes,
  toUint8ForMetrics,
  toUint8Truncated,
  toUnit,
  writeImage,
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

test('the decoder could not resize: no kernel of libvips gives the reference', async () => {
  const { tensors, metadata } = readSafetensors(golden);
  for (const name of Object.keys(JSON.parse(metadata['cases']))) {
    const [{ shape, data }, expected] = ['in/image_hwc', 'out/resized_hwc'].map((key) => tensors[`${name}/${key}`]);
    const [height, width] = expected.shape;
    const image = sharp(Uint8Array.from(data), { raw: { width: shape[1], height: shape[0], channels: 3 } });
    for (const kernel of ['linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3'] as const) {
      const resized = await image.clone().resize(width, height, { fit: 'fill', kernel }).raw().toBuffer();
      const different = resized.filter((value, i) => value !== expected.data[i]).length / resized.length;
      assert.ok(different > 0.2, `${name}, ${kernel}: ${different}`);
    }
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

test('TIFF files of floats, wide or signed integers are refused: where white is among them is not known', async () => {
  const kinds = [
    [new Float32Array(4).fill(0.5), 3, 'float'],
    [new Uint32Array(4).fill(4e9), 1, 'uint'],
    [new Int16Array(4).fill(300), 2, 'short'],
  ] as const;
  for (const [values, sampleFormat, name] of kinds)
    await assert.rejects(decodeImage(grayTiff(values, 2, sampleFormat)), {
      name: 'DataError',
      message: new RegExp(`got a TIFF picture with numbers of type ${name}\\. Save it with 8 or 16 bits a channel`),
    });
  const words = await decodeImage(grayTiff(new Uint16Array(4).fill(32768), 2, 1));
  near(pixel(words, 1, 1), [128, 128, 128], 1);
});

/** A TIFF file of one gray channel. @param sampleFormat  1: unsigned, 2: signed, 3: float */
function grayTiff(values: Float32Array | Uint32Array | Int16Array | Uint16Array, width: number, sampleFormat: number) {
  const height = values.length / width;
  const tags = [
    [256, width],
    [257, height],
    [258, 8 * values.BYTES_PER_ELEMENT],
    [259, 1], // not compressed
    [262, 1], // 0 is black
    [273, 8], // where the values are
    [277, 1], // channels
    [278, height],
    [279, values.byteLength],
    [339, sampleFormat],
  ];
  const entries = tags.flatMap(([tag, value]) => [tag, 3, 1, 0, value, 0]); // 3: 16-bit numbers, one of them
  const words = [0x4949, 42, 8 + values.byteLength, 0];
  const after = [tags.length, ...entries, 0, 0];
  const bytes = Buffer.from(values.buffer);
  return Buffer.concat([
    Buffer.from(Uint16Array.from(words).buffer),
    bytes,
    Buffer.from(Uint16Array.from(after).buffer),
  ]);
}

test('palettes, animations and names that lie: the first picture, by its bytes', async (t) => {
  const folder = temporaryFolder(t);
  const red = await raw([255, 0, 0, 255, 0, 0], 3, 2).png({ palette: true }).toBuffer();
  assert.deepEqual([...(await decodeImage(red)).data], [255, 0, 0, 255, 0, 0]);
  const frames = [0, 255].map((value) => Buffer.alloc(4 * 4 * 3, value));
  const animation = await sharp(Buffer.concat(frames), { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
    .gif()
    .toBuffer();
  assert.equal((await sharp(animation).metadata()).pages, 2);
  const first = await decodeImage(animation);
  assert.deepEqual([first.width, first.height, Math.max(...first.data)], [4, 4, 0]);
  for (const name of ['lies.png', 'options[page=1]', 'no ending', '%23 #?&"\'']) {
    writeFileSync(join(folder, name), await raw([9, 9, 9], 3).jpeg().toBuffer());
    assert.deepEqual([(await decodeImage(join(folder, name))).width, name], [1, name]);
  }
});

const formats = 'PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG';

test('unreadable images are named, with what they are', async (t) => {
  const folder = temporaryFolder(t);
  const unreadable = async (name: string, got: RegExp, bytes?: Uint8Array) => {
    const path = join(folder, name);
    if (bytes) writeFileSync(path, bytes);
    await assert.rejects(decodeImage(path), (error: Error) => {
      assert.equal(error.name, 'DataError');
      assert.ok(error.message.startsWith(`image ${path}: expected a picture (${formats}), got `), error.message);
      assert.match(error.message, got);
      return true;
    });
  };
  const noise = Array.from({ length: 3 * 64 * 64 }, (_, i) => (i * 7919) % 256);
  const damaged = (type: string) => new RegExp(`got a ${type} picture, damaged: .+\\. Remove it or save it again\\.$`);
  await unreadable('missing.png', /got ENOENT: no such file/);
  await unreadable('empty.png', /got an empty file\. Was the download or copy cut short\?$/, new Uint8Array());
  await unreadable('text.jpg', /got a text file\.$/, Buffer.from('not an image'));
  await unreadable('bytes.jpg', /got a file of unknown type\./, Uint8Array.of(1, 2, 3, 0xff));
  const jpeg = await raw(noise, 3, 64).jpeg().toBuffer();
  await unreadable('half.jpg', damaged('JPEG'), jpeg.subarray(0, jpeg.length / 2));
  const png = await raw(noise, 3, 64).png().toBuffer();
  await unreadable('half.png', damaged('PNG'), png.subarray(0, png.length / 2));
  await assert.rejects(decodeImage(new Uint8Array(5)), { name: 'DataError', message: /5 bytes in memory/ });
});

/** A PNG that claims a size. Its pixels are missing: who looks at them finds it damaged. */
async function claiming(width: number, height: number): Promise<Buffer> {
  const png = await raw([1, 2, 3], 3).png().toBuffer();
  png.writeUInt32BE(width, 16);
  png.writeUInt32BE(height, 20);
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}

/** As PNG checks its parts. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test('a picture beyond the limits is refused before it is decoded', async () => {
  const limit = /beyond the limit of at most 65,535 pixels a side and 134 megapixels\. Scale it down\.$/;
  for (const [width, height] of [
    [20_000, 20_000],
    [65_536, 1],
    [1, 100_000],
  ]) {
    for (const decode of [decodeImage, (bytes: Uint8Array) => decodeSquare(bytes, 8)]) {
      const message = new RegExp(`got ${width}×${height} pixels, ${limit.source}`);
      await assert.rejects(decode(await claiming(width, height)), { name: 'DataError', message });
    }
  }
  await assert.rejects(decodeImage(await claiming(11_000, 11_000)), { message: /a PNG picture, damaged/ });
});

test('a picture of 1 × 60,000 pixels is a square like any other; all of it enlarged is refused', async () => {
  const long = await sharp({ create: { width: 1, height: 60_000, channels: 3, background: '#0a141e' } })
    .png()
    .toBuffer();
  for (const size of [16, 256]) {
    const square = await decodeSquare(long, size);
    assert.deepEqual([square.width, square.height, ...square.data.subarray(0, 3)], [size, size, 10, 20, 30]);
  }
  const image = await decodeImage(long);
  assert.deepEqual(resizeToSquare(image, 16), resizeToSquare({ ...image, width: 60_000, height: 1 }, 16));
  assert.throws(() => resizeShorterEdge(image, 16), {
    name: 'DataError',
    message:
      'resizeBicubic: expected a whole number ≥ 1 and at most 65,535 pixels a side and 134 megapixels, got 16×960000. ' +
      'resizeToSquare computes the middle of a very long image.',
  });
  for (const size of [0, -1, 2.5, Number.NaN]) assert.throws(() => resizeToSquare(image, size), { name: 'DataError' });
});

/** The formula itself, see windows.ts: one value at a time, in plain numbers. */
function plainResize(image: RgbImage, width: number, height: number): RgbImage {
  const cubic = (x: number) => {
    const d = Math.abs(x);
    if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
    return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
  };
  const pass = (line: number[], size: number): number[] =>
    Array.from({ length: size }, (_, i) => {
      const scale = line.length / size;
      const spread = Math.max(1, scale);
      const center = (i + 0.5) * scale;
      const first = Math.max(0, Math.trunc(center - 2 * spread + 0.5));
      const end = Math.min(line.length, Math.trunc(center + 2 * spread + 0.5));
      const weights = line.slice(first, end).map((_, k) => cubic((first + k - center + 0.5) / spread));
      const total = weights.reduce((a, b) => a + b, 0);
      const fixed = weights.map((w) => Math.round((Math.abs(w) / total) * 2 ** 22) * Math.sign(w));
      const sum = fixed.reduce((a, w, k) => a + w * line[first + k], 2 ** 21);
      return Math.min(255, Math.max(0, Math.floor(sum / 2 ** 22)));
    });
  const data = new Uint8Array(width * height * 3);
  for (let c = 0; c < 3; c++) {
    const at = (x: number, y: number) => image.data[(y * image.width + x) * 3 + c];
    const rows = Array.from({ length: image.height }, (_, y) =>
      pass(
        Array.from({ length: image.width }, (_, x) => at(x, y)),
        width,
      ),
    );
    for (let x = 0; x < width; x++) {
      for (const [y, value] of pass(
        rows.map((row) => row[x]),
        height,
      ).entries())
        data[(y * width + x) * 3 + c] = value;
    }
  }
  return { width, height, data };
}

test('property: resizing equals the formula, and a square is the middle of the resized image', async () => {
  const side = fc.integer({ min: 1, max: 60 });
  const noise = (width: number, height: number) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map((data) => ({ width, height, data }));
  const images = fc.tuple(side, side).chain(([width, height]) => noise(width, height));
  const property = fc.asyncProperty(images, side, side, fc.integer({ min: 1, max: 8 }), async (image, x, y, turn) => {
    assert.deepEqual(resizeBicubic(image, x, y).data, plainResize(image, x, y).data);
    const square = resizeToSquare(image, x);
    assert.deepEqual(square, centerCrop(resizeShorterEdge(image, x), x));
    const { width, height, data } = image;
    const file = await sharp(data, { raw: { width, height, channels: 3 } })
      .withMetadata({ orientation: turn })
      .jpeg()
      .toBuffer();
    assert.deepEqual(await decodeSquare(file, x), resizeToSquare(await decodeImage(file), x), `orientation ${turn}`);
  });
  const black = { width: 5, height: 5, data: new Uint8Array(75) }; // nothing to resize or to cut
  await fc.assert(property, { numRuns: 60, examples: [[black, 5, 5, 1]] });
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

test('images whose data has another size, windows of parts of pixels, and NaN are refused', async (t) => {
  const image = { width: 3, height: 2, data: new Uint8Array(18) };
  const short = { ...image, data: new Uint8Array(17) };
  const empty = { width: 0, height: 0, data: new Uint8Array() };
  const rgba = { ...image, data: new Uint8Array(24) };
  const path = join(temporaryFolder(t), 'x.png');
  for (const wrong of [short, empty, rgba]) {
    const message = /expected an image of 8-bit RGB, width × height × 3 bytes, got \d×\d with \d+ bytes/;
    assert.throws(() => toPlanes(wrong), { name: 'DataError', message });
    assert.throws(() => flip(wrong), { name: 'DataError', message });
    assert.throws(() => crop(wrong, 0, 0, 1, 1), { name: 'DataError', message });
    assert.throws(() => resizeBicubic(wrong, 2, 2), { name: 'DataError', message });
    assert.throws(() => resizeToSquare(wrong, 2), { name: 'DataError' });
    await assert.rejects(writePng(path, wrong), { name: 'DataError', message });
  }
  for (const [left, top, width, height] of [
    [0.5, 0, 2, 2],
    [Number.NaN, 0, 2, 2],
    [0, 0, 0, 2],
    [0, 0, 1.5, 2],
  ])
    assert.throws(() => crop(image, left, top, width, height), {
      name: 'DataError',
      message: /crop: expected a window inside 3×2/,
    });
  assert.throws(() => randomCrop(image, 3, { int: () => 0 }), { message: /window inside 3×2, got 3×3/ });
  for (const place of [1, -0.1, Number.NaN])
    assert.throws(() => resizeToSquare(image, 2, place), { name: 'OptionError', message: /place/ });
  assert.throws(() => planSquare({ width: 9, height: 8 }, 4).resize(image), { message: /9×8, or the plan's source/ });

  assert.throws(() => fromPlanes(new Uint8Array(17), 3, 2), { message: /expected 3 × 2 × 3 values.*got 17/ });
  const values = Float32Array.of(0, 1, Number.NaN);
  for (const toBytes of [toUint8Truncated, toUint8ForMetrics])
    assert.throws(() => toBytes(values), { name: 'DataError', message: /got NaN at position 2/ });
  assert.deepEqual([...toUint8Truncated([-Infinity, Infinity])], [0, 255]);
});

test('a picture that a format cannot hold is an error of the library', async (t) => {
  const folder = temporaryFolder(t);
  const long = { width: 16_384, height: 1, data: new Uint8Array(3 * 16_384) };
  await assert.rejects(writeImage(join(folder, 'long.webp'), long), {
    name: 'DataError',
    message: /long\.webp: expected an image that webp can hold, got 16384×1 pixels/,
  });
  assert.deepEqual(readdirSync(folder), []);
});

test('a grid enlarges by whole numbers, leaves gaps, and survives the file', async (t) => {
  const path = join(temporaryFolder(t), 'pictures', 'grid.png');
  const batch = new Float32Array(3 * 3 * 2 * 2).fill(1, 0, 12); // white, black, black; 2×2 each
  const images = toImages(batch, [3, 3, 2, 2]);
  const grid = await imageGrid(images, 2, { scale: 5, gap: 3 });
  assert.deepEqual([grid.width, grid.height], [3 + 2 * 13, 3 + 2 * 13]);
  await writePng(path, grid);
  const read = await decodeImage(path);
  assert.deepEqual(read.data, grid.data);
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
