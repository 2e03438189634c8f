/** Zip archives for tests: whole ones, and with damage to their parts. */
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../data/index.ts';

/** A file in an archive, stored or deflated. */
type Member = readonly [name: string, bytes: Uint8Array, deflate?: boolean];

/** @param touch  changes a part before the parts around it are made: packed bytes, the directory, its end, the whole */
export function zip(members: readonly Member[], touch: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes): Buffer {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, bytes, deflate = false] of members) {
    const packed = touch(deflate ? deflateRawSync(bytes) : bytes);
    const common = Buffer.alloc(26); // version, flags, method, time, checksum, sizes, length of the name
    common.writeUInt16LE(deflate ? 8 : 0, 4);
    common.writeUInt32LE(Number.parseInt(crc32(bytes), 16), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(deflate ? bytes.length : packed.length, 18);
    common.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    const local = [Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed];
    directory.push(Buffer.from('PK\x01\x02\0\0'), common, tail, Buffer.from(name));
    parts.push(...local);
    at += local.reduce((sum, { length }) => sum + length, 0);
  }
  const listed = touch(Buffer.concat(directory));
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  for (const place of [8, 10]) end.writeUInt16LE(members.length, place);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.from(touch(Buffer.concat([...parts, listed, touch(end)])));
}
