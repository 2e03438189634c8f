/** Writes tensors as torch.save does. */
import { writeFileSync } from 'node:fs';
import { crc32 } from '../../data/index.ts';

type Tensors = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;

export function writeTorchFile(path: string, tensors: Tensors): void {
  const entries = Object.entries(tensors);
  const pickle = concat(
    [0x80, 2, '}', '('],
    ...entries.map(([name, { shape, data }], i) => [
      ...text(name),
      'ctorch._utils\n_rebuild_tensor_v2\n((',
      ...text('storage'),
      'ctorch\nFloatStorage\n',
      ...text(`${i}`),
      ...text('cpu'),
      ...int(data.length),
      'tQK\0(',
      ...shape.flatMap(int),
      't(',
      ...shape.flatMap((_, d) => int(shape.slice(d + 1).reduce((product, n) => product * n, 1))),
      't\x89ccollections\nOrderedDict\n)RtR',
    ]),
    ['u.'],
  );
  const values = entries.map(([, { data }], i) => [`weights/data/${i}`, Buffer.from(data.buffer, data.byteOffset, data.byteLength)] as const); // biome-ignore format: one thought
  writeFileSync(path, zipOf([['weights/data.pkl', pickle], ...values, ['weights/version', Buffer.from('3\n')]]));
}

type Bytes = (number | string)[];
const concat = (...parts: Bytes[]): Buffer =>
  Buffer.concat(
    parts.flat().map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part, 'latin1'))),
  );
const word = (n: number): Bytes => [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255];
const text = (value: string): Bytes => ['X', ...word(value.length), value];
const int = (n: number): Bytes => ['J', ...word(n)];

function zipOf(members: readonly (readonly [name: string, bytes: Buffer])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, bytes] of members) {
    const common = Buffer.alloc(26); // version, flags, method, time, checksum, sizes, length of the name
    common.writeUInt32LE(Number.parseInt(crc32(bytes), 16), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name)]);
    directory.push(Buffer.from('PK\x01\x02\0\0'), common, tail, Buffer.from(name));
    parts.push(local, bytes);
    at += local.length + bytes.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, listed, end]);
}
