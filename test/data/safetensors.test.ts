import assert from 'node:assert/strict';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { CheckpointError } from '../../core/index.ts';
import {
  mobilenetTrunkPath,
  openSafetensors,
  parseSafetensors,
  readSafetensors,
  serializeSafetensors,
  type WritableTensor,
  writeSafetensors,
} from '../../data/index.ts';
import { headerLength } from '../../data/safetensors.ts';
import { temporaryFolder } from './temporary.ts';

/** A file with any header, sound or not. */
function file(header: unknown, values: Uint8Array = new Uint8Array()): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, values]);
}

const bytesOf = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const shapes = fc.array(fc.nat(4), { maxLength: 3 });
const tensors = shapes.chain((shape) => {
  const count = shape.reduce((product, d) => product * d, 1);
  const range = { minLength: count, maxLength: count };
  return fc.oneof(
    fc.float32Array(range).map((data): WritableTensor => ({ shape, data })),
    fc.int32Array(range).map((data): WritableTensor => ({ shape, data })),
    fc.int32Array(range).map((data): WritableTensor => ({ shape, data, dtype: 'I64' })),
    fc.uint8Array(range).map((data): WritableTensor => ({ shape, data })),
  );
});
const names = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('__proto__', 'a.b/c', '"', '{'));
const contents = fc.dictionary(
  names.filter((name) => name !== '__metadata__'),
  tensors,
);

test('what is written is read again, value for value', () => {
  fc.assert(
    fc.property(contents, fc.dictionary(names, fc.string()), (content, metadata) => {
      const read = parseSafetensors(Buffer.concat(serializeSafetensors(content, metadata)));
      assert.deepEqual({ ...read.metadata }, { ...metadata });
      assert.deepEqual(Object.keys(read.tensors).sort(), Object.keys(content).sort());
      for (const [name, { shape, data }] of Object.entries(content)) {
        assert.deepEqual(read.tensors[name]?.shape, shape);
        assert.deepEqual(bytesOf(read.tensors[name].data), bytesOf(data));
      }
    }),
  );
});

test('every number format arrives as float32, int32 or bytes', () => {
  const parts = {
    f64: ['F64', new Float64Array([1.5, -1e300])],
    i64: ['I64', new BigInt64Array([-5n, 2147483647n])],
    f32: ['F32', new Float32Array([Math.PI])],
    i32: ['I32', new Int32Array([-7])],
    f16: ['F16', new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7bff, 0xfc00, 0x7e00])],
    bf16: ['BF16', new Uint16Array([0x3f80, 0xc049])],
    u64: ['U64', new BigUint64Array([2147483647n])],
    u32: ['U32', new Uint32Array([7])],
    i16: ['I16', new Int16Array([-300])],
    u16: ['U16', new Uint16Array([65535])],
    e4m3: ['F8_E4M3', new Uint8Array([0x38, 0xc0, 0x01, 0x7e, 0x7f])],
    e5m2: ['F8_E5M2', new Uint8Array([0x3c, 0xc0, 0x7b, 0xfc])],
    i8: ['I8', new Int8Array([-128, 127])],
    u8: ['U8', new Uint8Array([0, 255])],
    bool: ['BOOL', new Uint8Array([1])],
  } as const;
  let offset = 0;
  const header = Object.entries(parts).map(([name, [dtype, array]]) => {
    const begin = offset;
    offset += array.byteLength;
    return [name, { dtype, shape: [array.length], data_offsets: [begin, offset] }];
  });
  const values = Buffer.concat(Object.values(parts).map(([, array]) => bytesOf(array)));
  const { tensors } = parseSafetensors(file(Object.fromEntries(header), values));
  const data = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, tensor.data]));
  assert.deepEqual(data, {
    f64: new Float32Array([1.5, -Infinity]),
    i64: new Int32Array([-5, 2147483647]),
    f32: new Float32Array([Math.PI]),
    i32: new Int32Array([-7]),
    f16: new Float32Array([1, -2, 2 ** -24, 65504, -Infinity, NaN]),
    bf16: new Float32Array([1, -3.140625]),
    u64: new Int32Array([2147483647]),
    u32: new Int32Array([7]),
    i16: new Int32Array([-300]),
    u16: new Int32Array([65535]),
    e4m3: new Float32Array([1, -2, 2 ** -9, 448, NaN]),
    e5m2: new Float32Array([1, -2, 57344, -Infinity]),
    i8: new Int32Array([-128, 127]),
    u8: new Uint8Array([0, 255]),
    bool: new Uint8Array([1]),
  });
});

test('a file begins with the largest values, in the order of their names, after a header of whole 8 bytes', () => {
  const bytes = { shape: [1], data: Uint8Array.from([7]) };
  const float = (x: number) => ({ shape: [1], data: Float32Array.from([x]) });
  const long = { shape: [1], data: Int32Array.from([5]), dtype: 'I64' };
  const [length, header, ...values] = serializeSafetensors({ b: float(2), u: bytes, z: long, a: float(1), v: bytes });
  assert.equal(header.length, Number(Buffer.from(length).readBigUInt64LE()));
  const text = new TextDecoder().decode(header);
  const offsets = Object.entries(JSON.parse(text) as Record<string, { data_offsets: number[] }>);
  assert.deepEqual(
    offsets.map(([name, { data_offsets }]) => [name, ...data_offsets]),
    [
      ['z', 0, 8],
      ['a', 8, 12],
      ['b', 12, 16],
      ['u', 16, 17],
      ['v', 17, 18],
    ],
  );
  assert.equal(header.length, Math.ceil(text.trimEnd().length / 8) * 8);
  assert.deepEqual(Buffer.concat(values).subarray(8, 16), Buffer.from(Float32Array.from([1, 2]).buffer));
  assert.ok(!text.includes('__metadata__') && text.startsWith('{"z"'));
  assert.match(new TextDecoder().decode(serializeSafetensors({}, { a: 'b' })[1]), /^\{"__metadata__":\{"a":"b"\}\} *$/);
});

test('the header may name tensors in any order; empty ones share their place with the next', () => {
  const header = { b: f32(4, 8), empty: f32(4, 4, [0]), c: f32(8, 12), a: f32(0, 4) };
  const values = new Uint8Array(Float32Array.from([1, 2, 3]).buffer);
  const { tensors } = parseSafetensors(file(header, values));
  assert.deepEqual(
    ['a', 'b', 'c', 'empty'].map((name) => [...tensors[name].data]),
    [[1], [2], [3], []],
  );
});

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});
const eight = new Uint8Array(8);
const hostile: Record<string, [Uint8Array, RegExp]> = {
  'an empty file': [new Uint8Array(), /got an empty file\. Was the download/],
  'fewer bytes than a length': [new Uint8Array(7), /only 7 bytes\. Is it complete\?$/],
  'only a length': [new Uint8Array(8), /a header within its 8 bytes, got a header length of 0/],
  'a header of no object': [file('null'), /named tensors, got object/],
  'a header of text': [file('"tensors"'), /named tensors, got string/],
  'JSON that is not UTF-8': [
    Buffer.concat([
      Buffer.from([4, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from('"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"'),
    ]),
    /a header of JSON, got ""/,
  ],
  'a long text': [file(`!${'x'.repeat(100)}`), /a header of JSON, got "!x{39}"\. Is the file damaged\?$/],
  'no place': [file({ a: null }), /'a' to have a dtype, shape and data_offsets, got null\.$/],
  'a list for a tensor': [file({ a: [1] }), /'a' to have a dtype, shape and data_offsets, got \[1\]\.$/],
  'a text for a tensor': [file({ a: 'F32' }), /'a' to have a dtype, shape and data_offsets, got "F32"\.$/],
  'a long dtype': [file({ a: { ...f32(0, 8), dtype: 'F'.repeat(100) } }, eight), /, got "F{79}\.$/],
  'a matrix of another size': [
    file({ a: f32(0, 4), b: f32(4, 8, [2, 3]) }, eight),
    /'b' to have 24 bytes for F32 \[2, 3\], got 4\.$/,
  ],
  'a header longer than the file': [file('{}').subarray(0, 9), /header length of 2/],
  'an absurd header length': [
    Buffer.alloc(16, 0xff),
    /header length of 18446744073709552000\. Is the file complete, and is it safetensors\?$/,
  ],
  'no JSON': [file('PK\u0003\u0004'), /header of JSON/],
  'not UTF-8': [Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe])]), /header of JSON/],
  'a list for a header': [file('[]'), /named tensors/],
  'a name twice': [
    file(`{"a":${JSON.stringify(f32(0, 4))},"\\u0061":${JSON.stringify(f32(4, 8))}}`, eight),
    /each name once in the header, got 'a' twice/,
  ],
  'overlapping tensors': [file({ a: f32(0, 8), b: f32(4, 8) }, eight), /'b' to begin at byte 8 .* inside/],
  'a hole between tensors': [file({ b: f32(4, 8) }, eight), /'b' to begin at byte 0 .* after a hole/],
  'values nobody names': [file({ a: f32(0, 4) }, eight), /4 bytes of values, got 8/],
  'a file cut short': [file({ a: f32(0, 8) }, new Uint8Array(4)), /'a' to end at byte 8 .* cut short/],
  'a shape of another size': [file({ a: f32(0, 8, [3]) }, eight), /12 bytes for F32 \[3\], got 8/],
  'a shape beyond all memory': [file({ a: f32(0, 8, [2 ** 40, 2 ** 40]) }, eight), /bytes for F32/],
  'a negative size': [file({ a: f32(0, 8, [-1, -2]) }, eight), /whole numbers ≥ 0, got \[-1,-2\]/],
  'negative offsets': [file({ a: f32(-8, 0, [2]) }, eight), /data_offsets/],
  'offsets in the wrong order': [file({ a: f32(8, 0, [2]) }, eight), /data_offsets/],
  'three offsets': [file({ a: { ...f32(0, 8), data_offsets: [0, 8, 8] } }, eight), /data_offsets \[begin, end\], got/],
  'JSON that looks like a header': [Buffer.from('{"a":  [{"b": 1}]}'), /expected a safetensors file, got .*JSON/],
  'fractional offsets': [file({ a: f32(0, 7.5, [2]) }, eight), /data_offsets/],
  'a part of a number': [file({ a: f32(0, 7, [2]) }, new Uint8Array(7)), /8 bytes for F32 \[2\], got 7/],
  'an unknown dtype': [file({ a: { ...f32(0, 8), dtype: 'C64' } }, eight), /'a' in one of F64, .*F32, .*got C64\./],
  'a dtype from the prototype': [file({ a: { ...f32(0, 8), dtype: 'toString' } }, eight), /a dtype such as 'F32'/],
  'no dtype': [file({ a: { shape: [2], data_offsets: [0, 8] } }, eight), /a dtype such as 'F32', got nothing/],
  'metadata of numbers': [file({ __metadata__: { a: 1 } }), /__metadata__ of strings, got \{"a":1\}\. /],
  'metadata of many numbers': [file({ __metadata__: { a: new Array(99).fill(1) } }), /strings, got .{80}\. Is/],
  'int64 beyond int32': [
    file({ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, bytesOf(new BigInt64Array([2n ** 31n]))),
    /'a': expected int64 values that fit into int32, got 2147483648 at position 0/,
  ],
  'an unsigned integer that is too large': [
    file({ a: { dtype: 'U32', shape: [1], data_offsets: [0, 4] } }, bytesOf(new Uint32Array([2 ** 31]))),
    /'a': expected values that fit into int32, got 2147483648 at position 0/,
  ],
};
for (const [what, [bytes, message]] of Object.entries(hostile)) {
  test(`a hostile file: ${what}`, () => {
    assert.throws(
      () => parseSafetensors(bytes, 'model.safetensors'),
      (error) =>
        error instanceof CheckpointError &&
        error.message.startsWith('model.safetensors: ') &&
        message.test(error.message),
    );
  });
}

test('a damaged file is read or refused with a CheckpointError, nothing else', () => {
  const sound = Buffer.concat(
    serializeSafetensors({ 'a.weight': { shape: [2, 2], data: new Float32Array(4) } }, { note: 'x' }),
  );
  const damaged: fc.Arbitrary<Uint8Array> = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.nat(sound.length - 1).map((length) => sound.subarray(0, length)),
    fc.tuple(fc.nat(sound.length - 1), fc.nat(255)).map(([at, byte]) => {
      const copy = Uint8Array.from(sound);
      copy[at] = byte;
      return copy;
    }),
  );
  fc.assert(
    fc.property(damaged, (bytes) => {
      try {
        parseSafetensors(bytes);
      } catch (error) {
        assert.ok(error instanceof CheckpointError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test('metadata may be null, and names may be those of every object', () => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
  const entries = names.map((name, i): [string, unknown] => [name, f32(4 * i, 4 * i + 4)]);
  const content = parseSafetensors(
    file(Object.fromEntries([['__metadata__', null], ...entries]), bytesOf(Float32Array.from([0, 1, 2, 3]))),
  );
  assert.deepEqual(content.metadata, {});
  assert.deepEqual(
    Object.entries(content.tensors).map(([name, { data }]) => [name, data[0]]),
    names.map((name, i) => [name, i]),
  );
  const again = parseSafetensors(Buffer.concat(serializeSafetensors(content.tensors, { ['__proto__']: 'x' })));
  assert.deepEqual(Object.keys(again.tensors).sort(), [...names].sort());
  assert.deepEqual(Object.entries(again.metadata), [['__proto__', 'x']]);
});

test('one tensor of a large file is read without the others', (t) => {
  const path = join(temporaryFolder(t), 'large.safetensors');
  const big = new Float32Array(1 << 20);
  writeSafetensors(path, { big: { shape: [1 << 20], data: big }, small: { shape: [1], data: new Int32Array([42]) } });
  using opened = openSafetensors(path);
  assert.deepEqual(opened.read('small').data, new Int32Array([42]));
  truncateSync(path, 4 * big.length); // the file shrinks behind our back: `small`, at its end, is lost
  assert.throws(() => opened.read('small'), /became shorter/);
  assert.throws(() => opened.read('smal'), /'smal', got a file without it/);
  assert.deepEqual([...opened.entries.keys()].sort(), ['big', 'small']);
});

test('a number format that cannot be read is listed, and hinders no other tensor', (t) => {
  const path = join(temporaryFolder(t), 'complex.safetensors');
  const complex = { dtype: 'C64', shape: [1], data_offsets: [0, 8] };
  writeFileSync(path, file({ z: complex, a: f32(8, 12) }, new Uint8Array(Float32Array.from([0, 0, 5]).buffer)));
  using opened = openSafetensors(path);
  assert.equal(opened.entries.get('z')?.dtype, 'C64');
  assert.deepEqual([...opened.read('a').data], [5]);
  assert.throws(() => opened.read('z'), { name: 'CheckpointError', message: /got C64\. Save it as F32\./ });
});

test('files: missing, cut short, and the one that ships', (t) => {
  const path = join(temporaryFolder(t), 'x.safetensors');
  assert.throws(() => readSafetensors(path), { name: 'CheckpointError', message: /x\.safetensors: .*ENOENT/ });
  const bytes = Buffer.concat(serializeSafetensors({ a: { shape: [2], data: new Float32Array(2) } }));
  writeFileSync(path, bytes.subarray(0, -3));
  assert.throws(() => readSafetensors(path), { name: 'CheckpointError', message: /cut short/ });
  const { tensors, metadata } = readSafetensors(mobilenetTrunkPath);
  const parameters = Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0);
  assert.equal(parameters, 300_416);
  assert.equal(metadata['license'], 'MIT');
});

test('a header is at most 100 MB, however large the file', () => {
  const head = Buffer.alloc(16);
  const lengthOf = (length: number) => {
    head.writeBigUInt64LE(BigInt(length));
    return headerLength(head, 1e12, 'x');
  };
  assert.equal(lengthOf(100_000_000), 100_000_000);
  assert.throws(() => lengthOf(100_000_001), /got a header length of 100000001/);
});

test('a tensor whose shape and values disagree is not written', () => {
  const fails = (name: string, shape: number[], message: string) =>
    assert.throws(() => serializeSafetensors({ [name]: { shape, data: new Float32Array(2) } }), {
      name: 'CheckpointError',
      message,
    });
  fails('a', [3], "safetensors: expected 3 values for 'a' [3], got 2.");
  fails('a', [1, 3], "safetensors: expected 3 values for 'a' [1, 3], got 2.");
  fails('a', [-1, -2], "safetensors: expected 2 values for 'a' [-1, -2], got 2.");
  fails('__metadata__', [2], "safetensors: '__metadata__' cannot be a tensor's name.");
  assert.throws(() => parseSafetensors(new Uint8Array()), /^CheckpointError: safetensors: expected a safetensors file/);
});

test('a number format that cannot be written is an error, not another format', () => {
  const write = (data: WritableTensor['data'], dtype: string) =>
    serializeSafetensors({ x: { shape: [1], data, dtype } });
  assert.throws(() => write(Float32Array.of(1), 'BF16'), {
    name: 'CheckpointError',
    message: "safetensors: 'x': expected F32 or F16 as dtype of a Float32Array, got 'BF16'. Leave it out for F32.",
  });
  assert.throws(() => write(Int32Array.of(1), 'F32'), /expected I32 or I64 or I8 as dtype of a Int32Array, got 'F32'/);
  assert.throws(() => write(Uint8Array.of(1), 'I8'), /expected U8 or BOOL/);
});
