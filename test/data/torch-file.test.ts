/** PyTorch's files: real ones, ones made byte by byte, hostile ones. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { Rng } from '../../core/index.ts';
import { openTensorFile, type TensorFile, writeSafetensors } from '../../data/index.ts';
import { oldTorchFile } from '../train/torch-writer.ts';
import { temporaryFolder } from './temporary.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const python = process.env['BENCH_PYTHON'] ?? '/usr/bin/python3';
const noTorch = spawnSync(python, ['-c', 'import torch']).status !== 0 && `${python} has no torch`;

type Values = Record<string, [shape: number[], values: number[]]>;
const tiny = JSON.parse(readFileSync(here('tiny.json'), 'utf8')) as Values;

function valuesOf(file: TensorFile): Values {
  return Object.fromEntries(
    [...file.entries.keys()].map((name) => {
      const { shape, data } = file.read(name);
      return [name, [[...shape], Array.from(data, (x) => Math.fround(x))]];
    }),
  );
}
const expected = Object.fromEntries(
  Object.entries(tiny).map(([name, [shape, values]]) => [name, [shape, values.map(Math.fround)]]),
);

test('a file that torch.save wrote: every number type, views, parameters', () => {
  using file = openTensorFile(here('tiny.pth'));
  assert.deepEqual(valuesOf(file), expected);
  assert.deepEqual(file.entries.get('transposed')?.shape, [4, 3]);
  assert.deepEqual(
    ['float', 'half', 'bfloat', 'long', 'bool'].map((name) => file.entries.get(name)?.dtype),
    ['F32', 'F16', 'BF16', 'I64', 'BOOL'],
  );
  assert.throws(() => file.read('flot'), { name: 'CheckpointError', message: /tiny\.pth: expected a tensor 'flot'/ });
});

test('files of the PyTorch that is installed here', { skip: noTorch }, (t) => {
  const folder = temporaryFolder(t);
  execFileSync(python, [here('torch-files.py'), folder]);
  for (const name of ['tiny.pth', 'member.pt', 'prefixes.bin', 'protocol4.pt', 'old.pt', 'old-member.pt']) {
    using file = openTensorFile(join(folder, name));
    assert.deepEqual(valuesOf(file), expected, name);
  }
  using linear = openTensorFile(join(folder, 'linear.pt'));
  assert.deepEqual([...linear.entries.keys()], ['weight', 'bias']);
  for (const [name, message] of [
    ['old-unsafe.pt', /expected tensors alone, got '(posix|nt)\.system'.*Nothing was run/],
    [
      'unsafe.pt',
      /expected tensors alone, got '(posix|nt)\.system', which a pickle may use to run code\. Nothing was run/,
    ],
    ['module.pt', /got 'torch\.nn\.modules\.linear\.Linear'/],
    ['two.pt', /expected one dict of tensors, got 'a', 'b'\./],
  ] as const)
    assert.throws(() => openTensorFile(join(folder, name)), { name: 'CheckpointError', message });
  assert.ok(!existsSync(join(folder, 'ran')), 'no code of a pickle runs');
});

test('a file from before version 1.6, damaged ones', (t) => {
  const path = join(temporaryFolder(t), 'old.pth');
  const w = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
  const whole = oldTorchFile({ w, b: { shape: [1], data: Float32Array.of(7) } });
  writeFileSync(path, whole);
  using file = openTensorFile(path);
  const expected = { w: [[2, 3], [1, 2, 3, 4, 5, 6]], b: [[1], [7]] }; // biome-ignore format: one thought
  assert.deepEqual(valuesOf(file), expected);
  writeFileSync(path, oldTorchFile({ w, b: { shape: [1], data: Float32Array.of(7) } }, true));
  using fromPython2 = openTensorFile(path);
  assert.deepEqual(valuesOf(fromPython2), expected);
  const changed = (from: string, to: string) => {
    const at = whole.indexOf(Buffer.from(from, 'latin1'));
    return Buffer.concat([whole.subarray(0, at), Buffer.from(to, 'latin1'), whole.subarray(at + from.length)]);
  };
  for (const [bytes, message] of [
    [whole.subarray(0, -1), /expected the values of storage '1', got too few/],
    [changed('\x06\0\0\0\0\0\0\0', '\x07\0\0\0\0\0\0\0'), /expected 6 values of storage '0', got another number/],
    [changed('little_endian\x88', 'little_endian\x89'), /expected little-endian values, got byte order 'big'/],
    [changed('J\xe9\x03\0\0.', 'J\xe8\x03\0\0.'), /expected a PyTorch file of version 1001, got another/],
    [whole.subarray(0, 100), /expected a pickle of tensors, got one that ends within a value/],
  ] as const) {
    writeFileSync(path, bytes);
    assert.throws(() => openTensorFile(path), { name: 'CheckpointError', message });
  }
});

interface Member {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly method?: number;
  readonly size?: number;
  readonly flags?: number;
}

/** A zip archive; a member may say other things than what is there. */
function zip(members: readonly Member[], comment = ''): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, bytes, method = 0, size = bytes.length, flags = 0 } of members) {
    const local = Buffer.alloc(30);
    local.write('PK\x03\x04', 'latin1');
    local.writeUInt16LE(name.length, 26);
    const listed = Buffer.alloc(46);
    listed.write('PK\x01\x02', 'latin1');
    listed.writeUInt16LE(flags, 8);
    listed.writeUInt16LE(method, 10);
    listed.writeUInt32LE(bytes.length, 20);
    listed.writeUInt32LE(size, 24);
    listed.writeUInt16LE(name.length, 28);
    listed.writeUInt32LE(at, 42);
    directory.push(listed, Buffer.from(name));
    parts.push(local, Buffer.from(name), Buffer.from(bytes));
    at += 30 + name.length + bytes.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(
    directory.reduce((sum, part) => sum + part.length, 0),
    12,
  );
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...parts, ...directory, end, Buffer.from(comment)]);
}

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
/** A pickle of { 'w': tensor } with sizes and strides of one byte each. */
const pickle = (shape: number[], stride: number[], count: number, offset = 0) =>
  Buffer.from(
    `\x80\x02}${text('w')}ctorch._utils\n_rebuild_tensor_v2\n((${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}` +
      `K${String.fromCharCode(count)}tQK${String.fromCharCode(offset)}${[shape, stride].map((sizes) => `(${sizes.map((d) => `K${String.fromCharCode(d)}`).join('')}t`).join('')}\x89NtRs.`,
    'latin1',
  );
const values = Buffer.from(Float32Array.from([1, 2, 3, 4]).buffer);
const archive = (data: Uint8Array, stored: Uint8Array = values) =>
  zip([
    { name: 'archive/data.pkl', bytes: data },
    { name: 'archive/data/0', bytes: stored },
  ]);
const good = archive(pickle([2, 2], [2, 1], 4));

test('an archive made byte by byte, with a comment at its end', (t) => {
  const path = join(temporaryFolder(t), 'made.pt');
  writeFileSync(path, zip([{ name: 'a/data.pkl', bytes: pickle([2, 2], [1, 2], 4) }, { name: 'a/data/0', bytes: values }], 'x'.repeat(300))); // biome-ignore format: one thought
  using file = openTensorFile(path);
  assert.deepEqual([...file.read('w').data], [1, 3, 2, 4]);
});

const raw = (code: string) => Buffer.from(code, 'latin1');
/** A list in a pair of itself, 60 times over: as text it would be 2⁶⁰ letters. */
const doubled = `]${'q\0h\0\x86'.repeat(60)}`;
const hostile: Record<string, [content: Uint8Array, message: RegExp]> = {
  'os.system': [
    archive(raw('\x80\x02cos\nsystem\n(U\x04exitt R.'.replace(' ', ''))),
    /got 'os\.system'.*Nothing was run/,
  ],
  'eval by stack': [archive(raw('\x80\x04\x8c\x08builtins\x8c\x04eval\x93.')), /got 'builtins\.eval'/],
  'posix.system by NEWOBJ': [archive(raw('cposix\nsystem\n(U\x02ls\x85\x81.')), /got 'posix\.system'/],
  'a name made of lists, which doubles with every one': [
    archive(raw(`${doubled}U\x01x\x93.`)),
    /a function whose name is no text/,
  ],
  'keys made of such lists': [
    archive(raw(`}(${`${doubled}${pickle([2], [1], 4).toString('latin1').slice(2, -1)}`.repeat(2)}u.`)),
    /expected one dict of tensors, got 'a key', 'a key'/,
  ],
  'a call of what makes no tensor': [
    archive(raw('ctorch._utils\n_rebuild_parameter\n)R.')),
    /a dict of tensors, got undefined/,
  ],
  'an instance': [archive(raw('(ios\nsystem\n.')), /got 'os\.system'/],
  'a class of storages that is called': [archive(raw('ctorch\nFloatStorage\n)R.')), /a call of torch\.FloatStorage/],
  'a call of a number': [archive(raw('K\x01)R.')), /a call of something that is no function/],
  'a compressed bomb': [
    zip([{ name: 'archive/data.pkl', bytes: deflateRawSync(Buffer.alloc(1e6)), method: 8, size: 1e6 }]),
    /'archive\/data\.pkl' stored as it is, got a compressed entry, which may grow without bounds/,
  ],
  'a stored entry of another size': [
    zip([{ name: 'archive/data.pkl', bytes: values, size: 2 ** 31 }]),
    /stored as it is/,
  ],
  'an encrypted entry': [zip([{ name: 'archive/data.pkl', bytes: values, flags: 1 }]), /without encryption/],
  'no pickle': [zip([{ name: 'archive/data.pkl.txt', bytes: values }]), /zip archive without data\.pkl/],
  'a name twice': [
    zip([
      { name: 'archive/data.pkl', bytes: values },
      { name: 'archive/data.pkl', bytes: values },
    ]),
    /each name once/,
  ],
  'cut short': [good.subarray(0, -30), /a directory at its end, got none\. Is it complete\?/],
  'more values than stored': [archive(pickle([200, 200], [0, 0], 4)), /within a storage of 4/],
  'a storage larger than its entry': [
    archive(pickle([200], [1], 200)),
    /the values of 'archive\/data\/0', got too few/,
  ],
  'an offset behind the end': [archive(pickle([2], [1], 4, 3)), /within a storage of 4/],
  'no end': [archive(raw('\x80\x02}')), /ends within a value/],
  'an unknown operation': [archive(raw('\x80\x02\xff.')), /unknown operation 0xff/],
  'a text beyond the end': [archive(raw('X\xff\xff\xff\xff.')), /ends within a value/],
  'a million dicts': [archive(Buffer.alloc(2_000_000, '}')), /more than 1,000,000 operations/],
  'a list': [archive(raw('].')), /a dict of tensors, got a list/],
  'an empty dict': [archive(raw('}.')), /one dict of tensors, got none/],
};

for (const [name, [content, message]] of Object.entries(hostile)) {
  test(`a hostile file: ${name}`, (t) => {
    const path = join(temporaryFolder(t), 'hostile.pt');
    writeFileSync(path, content);
    assert.throws(() => valuesOf(openTensorFile(path)), { name: 'CheckpointError', message });
  });
}

test('a damaged file is read or refused with a CheckpointError, nothing else', (t) => {
  const path = join(temporaryFolder(t), 'damaged.pt');
  const rng = new Rng(0);
  let refused = 0;
  for (const source of [good, readFileSync(here('tiny.pth'))]) {
    for (let round = 0; round < 500; round++) {
      const bytes = Buffer.from(source);
      for (let i = rng.int(3); i >= 0; i--) bytes[rng.int(bytes.length)] = rng.int(256);
      writeFileSync(path, rng.int(4) === 0 ? bytes.subarray(0, rng.int(bytes.length)) : bytes);
      try {
        using file = openTensorFile(path);
        valuesOf(file);
      } catch (error) {
        assert.equal((error as Error).name, 'CheckpointError', (error as Error).stack);
        refused++;
      }
    }
  }
  assert.ok(refused > 100, `${refused} of 1,000 refused`);
});

test('an index of several files: tensors come from where it says', (t) => {
  const folder = temporaryFolder(t);
  const tensor = (x: number) => ({ shape: [1], data: Float32Array.from([x]) });
  writeSafetensors(join(folder, 'model-1.safetensors'), { a: tensor(1), b: tensor(2) });
  writeSafetensors(join(folder, 'model-2.safetensors'), { c: tensor(3) });
  const path = join(folder, 'model.safetensors.index.json');
  const index = (map: unknown) => writeFileSync(path, JSON.stringify({ metadata: {}, weight_map: map }));
  const map = { a: 'model-1.safetensors', b: 'model-1.safetensors', c: 'model-2.safetensors' };
  index(map);
  for (const at of [path, folder]) {
    using file = openTensorFile(at);
    assert.deepEqual(valuesOf(file), { a: [[1], [1]], b: [[1], [2]], c: [[1], [3]] });
    assert.throws(() => file.read('d'), /expected a tensor 'd', got an index without it/);
  }
  for (const [wrong, message] of [
    [{ ...map, d: 'model-2.safetensors' }, /expected 'd' in model-2\.safetensors, got a file without it/],
    [{ ...map, d: 'model-3.safetensors' }, /model-3\.safetensors: .*ENOENT/],
    [{ ...map, d: '../secret.safetensors' }, /got '\.\.\/secret\.safetensors' for 'd'/],
    [[], /got none/],
  ] as const) {
    index(wrong);
    assert.throws(() => openTensorFile(path), { name: 'CheckpointError', message });
  }
  writeFileSync(path, '{');
  assert.throws(() => openTensorFile(path), /got no JSON/);
  assert.throws(() => openTensorFile(here('.')), /expected a folder with model\.safetensors or .*, got one without/);
});
