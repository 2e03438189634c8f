/**
 * Damaged files of every format that others write: PyTorch's, tar, Parquet, IDX, CIFAR, npz, tables, indices of weights. A value
 * or an error of the library's own, within seconds, and in memory that the size of the file bounds.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { inspectImages, openTensorFile, serializeSafetensors } from '../../data/index.ts';
import { hubParquet } from '../data/parquet-writer.ts';
import { zip } from '../data/zip.ts';
import { oldTorchFile, torchPickle } from '../train/torch-writer.ts';
import { largestRequest } from './allocations.ts';
import { pictureIn, readOrRefused } from './files.ts';
import { defineKind, expect, type Kind, part } from './kind.ts';
import { type Edit, edited, edits, joined } from './mutate.ts';

/** Damages a part of a file before the parts around it, such as a checksum or a compression, are made. */
type Touch = (bytes: Uint8Array) => Uint8Array;

interface Format {
  readonly about: string;
  readonly errors: readonly string[];
  /** Files by path, the first of which is opened. Calls `touch` for every part that may be damaged, always as often. */
  readonly files: (touch: Touch) => Promise<Readonly<Record<string, Uint8Array>>>;
  readonly read: (path: string) => Promise<unknown>;
}

const ascii = (text: string) => new TextEncoder().encode(text);
const png = () => pictureIn('png');
const inspect = (path: string) => inspectImages(path);

function npy(type: string, shape: readonly number[], values: Uint8Array, touch: Touch): Uint8Array {
  const text = touch(ascii(`{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }\n`));
  return joined([0x93], ascii('NUMPY\x01\0'), [text.length & 255, text.length >> 8], text, values);
}

/** An archive of tar; checksums fit to damaged headers. */
function tar(entries: readonly (readonly [name: string, bytes: Uint8Array])[], touch: Touch): Uint8Array {
  const blocks = entries.flatMap(([name, bytes]) => {
    const head = Buffer.alloc(512);
    head.write(name, 0, 'latin1');
    head.write('0000644\0'.padEnd(24, '0'), 100, 'latin1');
    head.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    head.write('00000000000\0        0', 136, 'latin1');
    head.write('ustar\x0000', 257, 'latin1');
    const given = touch(head);
    const shown = Buffer.alloc(512);
    shown.set(given.subarray(0, 512));
    shown.fill(32, 148, 156);
    const sum = shown.reduce((total, byte) => total + byte, 0);
    shown.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return [shown, bytes, new Uint8Array((512 - (bytes.length % 512)) % 512)];
  });
  return touch(joined(...blocks, new Uint8Array(1024)));
}

const idxHead = (...shape: number[]) =>
  joined([0, 0, 8, shape.length], ...shape.map((n) => [n >> 24, n >> 16, n >> 8, n].map((byte) => byte & 255)));

const weights = {
  a: { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
  b: { shape: [2], data: Float32Array.of(7, 8) },
};

async function readTensors(path: string): Promise<void> {
  using file = openTensorFile(path);
  for (const [name, { shape }] of file.entries) {
    const { data } = file.read(name);
    const count = shape.reduce((product, n) => product * n, 1);
    expect(data.length === count, `expected ${count} values of '${name}', got ${data.length}`);
  }
}

/** The parts of a Parquet file: pages, and the metadata at its end. */
async function parquet(codec: 'SNAPPY' | 'UNCOMPRESSED', touch: Touch): Promise<Uint8Array> {
  const bytes = await png();
  const file = hubParquet([bytes, bytes, bytes], [0, 1, 1], ['cat', 'dog'], { codec });
  const view = new DataView(file.buffer);
  const at = file.length - 8 - view.getUint32(file.length - 8, true);
  const metadata = touch(file.subarray(at, file.length - 8));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, metadata.length, true);
  return touch(joined(touch(file.subarray(0, at)), metadata, length, ascii('PAR1')));
}

const formats: Readonly<Record<string, Format>> = {
  pickle: {
    about: 'damaged PyTorch files: the pickle in them, the archive',
    errors: ['CheckpointError'],
    async files(touch) {
      const values = Object.values(weights).map(({ data }, i) => [`w/data/${i}`, new Uint8Array(data.buffer)] as const);
      return { 'model.bin': zip([['w/data.pkl', touch(torchPickle(weights))], ...values], touch) };
    },
    read: readTensors,
  },
  'raw-pickle': {
    about: 'damaged pickles without an archive',
    errors: ['CheckpointError'],
    files: async (touch) => ({ 'model.pt': touch(torchPickle(weights)) }),
    read: readTensors,
  },
  'old-pickle': {
    about: 'damaged PyTorch files from before version 1.6',
    errors: ['CheckpointError'],
    files: async (touch) => ({ 'model.pt': touch(oldTorchFile(weights)) }),
    read: readTensors,
  },
  index: {
    about: 'damaged indices of safetensors files',
    errors: ['CheckpointError'],
    async files(touch) {
      const shards = Object.entries(weights).map(
        ([name, tensor]) => [`model-${name}.safetensors`, joined(...serializeSafetensors({ [name]: tensor }))] as const,
      );
      const map = { metadata: { total_size: 32 }, weight_map: { a: 'model-a.safetensors', b: 'model-b.safetensors' } };
      return { 'model.safetensors.index.json': touch(ascii(JSON.stringify(map))), ...Object.fromEntries(shards) };
    },
    read: readTensors,
  },
  tar: {
    about: 'damaged WebDataset shards',
    errors: ['DataError'],
    async files(touch) {
      const bytes = await png();
      const entries = [['0.png', bytes], ['0.cls', ascii('1')], ['1.png', bytes], ['1.json', ascii('{"label": 0}')], ['./PaxHeaders/2', ascii('21 path=long/2.png\n19 size=1234567890\n')]] as const; // biome-ignore format: rows
      return { 'pets.tar': tar(entries, touch) };
    },
    read: inspect,
  },
  parquet: {
    about: 'damaged Parquet files',
    errors: ['DataError'],
    files: async (touch) => ({ 'pets.parquet': await parquet('SNAPPY', touch) }),
    read: inspect,
  },
  'parquet-plain': {
    about: 'damaged Parquet files without compression',
    errors: ['DataError'],
    files: async (touch) => ({ 'pets.parquet': await parquet('UNCOMPRESSED', touch) }),
    read: inspect,
  },
  idx: {
    about: 'damaged IDX files, plain and packed',
    errors: ['DataError'],
    async files(touch) {
      const pictures = joined(touch(idxHead(6, 5, 4)), new Uint8Array(120).fill(7));
      const labels = touch(joined(idxHead(6), [0, 1, 2, 0, 1, 2]));
      return { 'train-images-idx3-ubyte.gz': touch(gzipSync(pictures)), 'train-labels-idx1-ubyte': labels };
    },
    read: inspect,
  },
  'idx-plain': {
    about: 'damaged IDX files',
    errors: ['DataError'],
    async files(touch) {
      const pictures = touch(joined(touch(idxHead(6, 5, 4)), new Uint8Array(120).fill(7)));
      const labels = joined(idxHead(6), [0, 1, 2, 0, 1, 2]);
      return { 'train-images-idx3-ubyte': pictures, 'train-labels-idx1-ubyte.gz': touch(gzipSync(labels)) };
    },
    read: inspect,
  },
  cifar: {
    about: 'damaged CIFAR files',
    errors: ['DataError'],
    async files(touch) {
      const names = ascii(Array.from({ length: 10 }, (_, i) => `class ${i}\n`).join(''));
      const rows = Array.from({ length: 3 }, (_, i) =>
        joined(touch(Uint8Array.of(i)).subarray(0, 1), new Uint8Array(3072)),
      );
      return { 'data_batch_1.bin': touch(joined(...rows)), 'batches.meta.txt': touch(names) };
    },
    read: inspect,
  },
  npz: {
    about: 'damaged .npz files, stored and deflated',
    errors: ['DataError'],
    async files(touch) {
      const images = npy('|u1', [3, 4, 5, 3], touch(new Uint8Array(180).fill(9)), touch);
      const labels = npy('<i8', [3], touch(new Uint8Array(24)), touch);
      return { 'pets.npz': zip([['arr_0.npy', images, true], ['arr_1.npy', labels]], touch) }; // biome-ignore format: rows
    },
    read: inspect,
  },
  csv: {
    about: 'damaged CSV tables',
    errors: ['DataError'],
    async files(touch) {
      const text = 'file,label,split\na.png,cat,train\n"a.png",dog,val\nb/a.png,"a ""cat""",test\n';
      return { 'labels.csv': touch(ascii(text)), 'a.png': await png(), 'b/a.png': await png() };
    },
    read: inspect,
  },
  tsv: {
    about: 'damaged TSV tables',
    errors: ['DataError'],
    async files(touch) {
      return { 'labels.tsv': touch(ascii('path\tclass\na.png\tcat\na.png\tdog\n')), 'a.png': await png() };
    },
    read: inspect,
  },
  jsonl: {
    about: 'damaged JSONL tables',
    errors: ['DataError'],
    async files(touch) {
      const text = '{"file_name": "a.png", "label": "cat"}\n{"file_name": "a.png", "label": 3, "split": "val"}\n';
      return { 'labels.jsonl': touch(ascii(text)), 'a.png': await png() };
    },
    read: inspect,
  },
};

/** A number where a format keeps a size, a count or a place: larger than any file. */
interface Claim {
  readonly at: number;
  readonly bytes: 1 | 2 | 4 | 8 | 'digits';
  readonly value: bigint;
  readonly littleEndian: boolean;
}
const claim: fc.Arbitrary<Claim> = fc.record({
  at: part,
  bytes: fc.constantFrom<Claim['bytes'][]>(1, 2, 4, 8, 'digits'),
  value: fc.constantFrom(
    0n,
    1n,
    127n,
    255n,
    0xffffn,
    2n ** 31n - 1n,
    2n ** 31n,
    2n ** 32n - 1n,
    2n ** 40n,
    2n ** 63n,
    2n ** 64n - 1n,
  ),
  littleEndian: fc.boolean(),
});

function claimed(bytes: Uint8Array, { at, bytes: width, value, littleEndian }: Claim): Uint8Array {
  if (width === 'digits') {
    const text = Buffer.from(bytes).toString('latin1');
    const found = [...text.matchAll(/\d+/g)];
    const run = found[Math.floor(at * found.length)];
    return run
      ? Buffer.from(text.slice(0, run.index) + value + text.slice(run.index + run[0].length), 'latin1')
      : bytes;
  }
  const copy = Uint8Array.from(bytes);
  const from = Math.floor(at * Math.max(1, copy.length - width + 1));
  for (let i = 0; i < width && from + i < copy.length; i++)
    copy[from + i] = Number((value >> BigInt(8 * (littleEndian ? i : width - 1 - i))) & 255n);
  return copy;
}

interface Trial {
  /** Which part of the file. */
  readonly of: number;
  readonly edits: readonly Edit[];
  readonly claims: readonly Claim[];
}
const trial: fc.Arbitrary<Trial> = fc.oneof(
  fc.record({ of: part, edits, claims: fc.constant([]) }),
  fc.record({ of: part, edits: fc.constant([]), claims: fc.array(claim, { minLength: 1, maxLength: 2 }) }),
  fc.record({ of: part, edits, claims: fc.array(claim, { minLength: 1, maxLength: 2 }) }),
);

const mostMs = 5000; // of computing; the machine may be busy with other things
const mostRequested = 2 ** 26; // bytes at once, for files of some KiB
const mostGrown = 2 ** 28; // bytes of the process

const kindOf = ([name, { about, errors, files, read }]: [string, Format]): Kind =>
  defineKind({
    name,
    about,
    share: 0.5,
    trials: 250,
    standsAlone: true,
    trial,
    async run({ of, edits, claims }) {
      let parts = 0;
      await files((bytes) => {
        parts++;
        return bytes;
      });
      const chosen = Math.floor(of * parts);
      let seen = 0;
      const made = await files((bytes) => (seen++ === chosen ? claims.reduce(claimed, edited(bytes, edits)) : bytes));
      const folder = join('formats', name);
      rmSync(folder, { recursive: true, force: true });
      for (const [file, bytes] of Object.entries(made)) {
        mkdirSync(dirname(join(folder, file)), { recursive: true });
        writeFileSync(join(folder, file), bytes);
      }
      const before = process.resourceUsage().maxRSS;
      const started = process.cpuUsage();
      const { result, requested } = await largestRequest(() =>
        readOrRefused(errors, () => read(join(folder, Object.keys(made)[0]))),
      );
      const { user, system } = process.cpuUsage(started);
      const ms = (user + system) / 1000;
      const grown = 1024 * (process.resourceUsage().maxRSS - before);
      expect(ms <= mostMs, `expected an end within ${mostMs} ms, got ${ms.toFixed(0)}`);
      expect(requested <= mostRequested, `expected arrays of at most ${mostRequested} bytes, got one of ${requested}`);
      expect(grown <= mostGrown, `expected at most ${mostGrown} bytes more, got ${grown}`);
      return result;
    },
  });

export const formatKinds: readonly Kind[] = Object.entries(formats).map(kindOf);
