/** Files that are not what is expected are named for what they are, with a way on, wherever they are opened. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { fileKind } from '../../data/file-kind.ts';
import { decodeImage, loadCheckpoint, loadImageFolder, openSafetensors, parseSafetensors } from '../../data/index.ts';
import { temporaryFolder } from './temporary.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
/** The local header that a zip archive begins with. */
const zip = (name: string) =>
  Buffer.concat([
    bytes('PK\x03\x04'),
    Buffer.alloc(22),
    Buffer.from([name.length, 0, 0, 0]),
    bytes(name),
    bytes('\x80\x02}q'),
  ]);
const isoMedia = (...brands: string[]) =>
  bytes(`\0\0\0${String.fromCharCode(8 + 4 * brands.length)}ftyp${brands[0]}\0\0\0\0${brands.slice(1).join('')}`);
const picture = sharp({ create: { width: 3, height: 2, channels: 3, background: 'red' } });

const others: Record<string, [content: Uint8Array, name: RegExp]> = {
  'nothing.pt': [Buffer.alloc(0), /an empty file\. Was the download or copy cut short\?/],
  'zeros.bin': [Buffer.alloc(4096), /a file of zeros\. Copy or download it again\./],
  'model.pth': [zip('archive/data.pkl'), /a PyTorch file\. Convert it in Python: safetensors\.torch\.save_file/],
  'old.pt': [
    bytes('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'),
    /a PyTorch file from before version 1\.6\. Convert it in Python/,
  ],
  'list.pkl': [bytes('\x80\x04\x95\x0b\0\0\0'), /a Python pickle\. Convert it in Python/],
  'arrays.npz': [zip('arr_0.npy'), /a NumPy archive\. Convert/],
  'array.npy': [bytes("\x93NUMPY\x01\0v\0{'descr'"), /a NumPy array\. Convert/],
  'pets.zip': [zip('pets/cat/1.jpg'), /a zip archive\. Unpack it first\./],
  'pets.tar.gz': [gzipSync('x'), /a gzip archive\. Unpack it first\./],
  'model.h5': [bytes('\x89HDF\r\n\x1a\n\0'), /an HDF5 file\. Convert/],
  'model.gguf': [bytes('GGUF\x03\0\0\0'), /a GGUF file\. Convert/],
  'config.json': [bytes('{\n  "hidden_size": 768\n}'), /a JSON file\./],
  'model.safetensors.index.json': [
    bytes('{"metadata": {}, "weight_map": {"a": "b"}}'),
    /an index of weights\. Name its/,
  ],
  'ids.json': [bytes('[[1, 2], [3]]'), /a JSON file\./],
  'page.safetensors': [bytes('\n<!DOCTYPE html>\n<html><body>404'), /an HTML page\. .* download it again\./],
  'pointer.safetensors': [
    bytes('version https://git-lfs.github.com/spec/v1\noid sha256:0'),
    /a Git LFS pointer\. Run 'git lfs pull'/,
  ],
  'notes.txt': [Buffer.from('Größe: 3 × 4\n'), /a text file\./],
  'film.mp4': [isoMedia('isom', 'mp41'), /a video\. Save its frames/],
  'paper.pdf': [bytes('%PDF-1.7'), /a PDF document/],
};

const unknown: Record<string, Uint8Array> = {
  BMP: Buffer.concat([bytes('BM'), Buffer.alloc(60, 0)]),
  HEIC: isoMedia('heic', 'mif1', 'heic'),
  'JPEG XL': bytes('\xff\x0a\0'),
  'Windows icon': bytes('\0\0\x01\0\x01\0'),
  Photoshop: bytes('8BPS\0\x01'),
  'camera raw': bytes('II*\0\x08\0\0\0'),
};

for (const [name, [content, message]] of Object.entries(others)) {
  test(`${name} in the place of a picture, a checkpoint or a folder`, async (t) => {
    const path = join(temporaryFolder(t), name);
    writeFileSync(path, content);
    assert.throws(() => parseSafetensors(content, path), { name: 'CheckpointError', message });
    assert.throws(() => openSafetensors(path), { name: 'CheckpointError', message });
    assert.throws(() => loadCheckpoint(path), { name: 'CheckpointError', message });
    await assert.rejects(decodeImage(path), { name: 'DataError', message });
    const asData = name.endsWith('.npz') ? /expected an \.npz file of NumPy, got/ : message; // a format of pictures, damaged here
    await assert.rejects(loadImageFolder(path, 8), { name: 'DataError', message: asData });
  });
}

test('pictures are known by their bytes, not by their names', async (t) => {
  const folder = temporaryFolder(t);
  for (const format of ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const) {
    const content = await picture.clone().toFormat(format).toBuffer();
    assert.equal(fileKind(content)?.picture, 'decoded', format);
    const path = join(folder, `${format}.txt`);
    writeFileSync(path, content);
    const { width, height } = await decodeImage(path);
    assert.deepEqual([width, height], [3, 2]);
    assert.throws(() => openSafetensors(path), { name: 'CheckpointError', message: /got an? \w+ picture\./i });
  }
  for (const svg of [
    '<svg xmlns="http://www.w3.org/2000/svg" width="3" height="2"/>',
    '<?xml version="1.0"?>\n<!-- x -->\n<svg/>',
  ])
    assert.equal(fileKind(bytes(svg))?.name, 'an SVG picture');
  for (const [type, content] of Object.entries(unknown)) {
    const path = join(folder, type === 'camera raw' ? 'x.NEF' : 'x.png');
    writeFileSync(path, content);
    await assert.rejects(decodeImage(path), {
      name: 'DataError',
      message: new RegExp(`got a ${type} picture\\. Save it as PNG or JPEG\\.$`),
    });
  }
  assert.equal(fileKind(Buffer.from([1, 2, 3, 0xff])), undefined);
  assert.equal(fileKind(bytes('<!---->'.repeat(146)))?.name, 'a text file'); // without trying all ways to read it
});

test('a folder, and a pipe, which must not be waited for', async (t) => {
  const folder = temporaryFolder(t);
  const got = /got a folder\. Name a file in it\.$/;
  assert.throws(() => openSafetensors(folder), { name: 'CheckpointError', message: got });
  await assert.rejects(decodeImage(folder), { name: 'DataError', message: got });
  if (process.platform === 'win32') return;
  const pipe = join(folder, 'pipe.png');
  execFileSync('mkfifo', [pipe]);
  assert.throws(() => openSafetensors(pipe), {
    name: 'CheckpointError',
    message: /got a pipe\. Save its output as a file\./,
  });
  await assert.rejects(decodeImage(pipe), { name: 'DataError', message: /got a pipe\./ });
  mkdirSync(join(folder, 'cat'));
  execFileSync('mkfifo', [join(folder, 'cat', 'pipe.png')]);
  writeFileSync(join(folder, 'cat', '1.png'), await picture.png().toBuffer());
  const { leftOut } = await loadImageFolder(folder, 2);
  assert.deepEqual(leftOut, [
    { reason: 'neither files nor folders', count: 2, examples: ['cat/pipe.png', 'pipe.png'] },
  ]);
});
