/** Writes tensors as torch.save does. */
import { writeFileSync } from 'node:fs';
import { zip } from '../data/zip.ts';

type Tensors = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>;

/** The pickle that says how tensors are made of storages. @param inPairs  as Python 2 wrote an OrderedDict */
export function torchPickle(tensors: Tensors, inPairs = false): Buffer {
  return concat(
    inPairs ? [0x80, 2, 'ccollections\nOrderedDict\n]('] : [0x80, 2, '}', '('],
    ...Object.entries(tensors).map(([name, { shape, data }], i) => [
      ...(inPairs ? ['](', 'U', name.length, name] : text(name)),
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
      ...(inPairs ? ['e'] : []),
    ]),
    [inPairs ? 'e\x85R.' : 'u.'],
  );
}

export function writeTorchFile(path: string, tensors: Tensors): void {
  const pickle = torchPickle(tensors);
  const values = Object.entries(tensors).map(([, { data }], i) => [`weights/data/${i}`, Buffer.from(data.buffer, data.byteOffset, data.byteLength)] as const); // biome-ignore format: one thought
  writeFileSync(path, zip([['weights/data.pkl', pickle], ...values, ['weights/version', Buffer.from('3\n')]]));
}

/** As torch.save wrote them before version 1.6. @param inPairs  in Python 2 */
export function oldTorchFile(tensors: Tensors, inPairs = false): Buffer {
  const list = Object.values(tensors);
  const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'];
  const system = [0x80, 2, '}', '(', ...text('protocol_version'), ...int(1001), ...text('little_endian'), 0x88, 'u.'];
  const keys = [0x80, 2, ']', '(', ...list.flatMap((_, i) => text(`${i}`)), 'e.'];
  const values = list.map(({ data }) => {
    const count = Buffer.alloc(8);
    count.writeUInt32LE(data.length);
    return Buffer.concat([count, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
  });
  return Buffer.concat([concat(magic, [0x80, 2, ...int(1001), '.'], system), torchPickle(tensors, inPairs), concat(keys), ...values]); // biome-ignore format: one thought
}

type Bytes = (number | string)[];
const concat = (...parts: Bytes[]): Buffer =>
  Buffer.concat(
    parts.flat().map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part, 'latin1'))),
  );
const word = (n: number): Bytes => [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >> 24) & 255];
const text = (value: string): Bytes => ['X', ...word(value.length), value];
const int = (n: number): Bytes => ['J', ...word(n)];
