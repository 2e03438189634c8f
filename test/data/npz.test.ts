/** .npz files: ours in NumPy, NumPy's here, and pictures in the form that public evaluators read. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { Rng } from '../../core/index.ts';
import {
  fromPlanes,
  loadPictureSet,
  type NpzArray,
  type RgbImage,
  readNpz,
  writeNpz,
  writePictureNpz,
  writePng,
} from '../../data/index.ts';
import { readNpzSamples } from '../../data/npz-pictures.ts';
import { withoutNumpy } from '../eval/reference.ts';
import { zip } from './zip.ts';

const folder = mkdtempSync(join(tmpdir(), 'titok-npz-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

const arrays: Record<string, NpzArray> = {
  bytes: { shape: [2, 3], data: Uint8Array.of(0, 1, 2, 253, 254, 255) },
  ints: { shape: [3], data: Int32Array.of(-(2 ** 31), 0, 7) },
  longs: { shape: [2, 1], data: BigInt64Array.of(-(2n ** 62n), 2n ** 53n + 1n) },
  floats: { shape: [1, 2], data: Float32Array.of(0.1, -Infinity) },
  doubles: { shape: [], data: Float64Array.of(Math.PI) },
  none: { shape: [0, 4], data: new Uint8Array() },
};

test('arrays of every type come back; equal arrays give equal files', () => {
  writeNpz(at('a.npz'), arrays);
  writeNpz(at('b.npz'), arrays);
  assert.deepEqual(readNpz(at('a.npz')), arrays);
  assert.deepEqual(readFileSync(at('a.npz')), readFileSync(at('b.npz')));
  assert.deepEqual(Object.keys(readNpz(at('a.npz'), ['ints', 'others'])), ['ints']);
  assert.throws(
    () => writeNpz(at('c.npz'), { x: { shape: [3], data: new Uint8Array(2) } }),
    /c\.npz, x: expected 3 values/,
  );
});

function python(code: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', code, ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

test('NumPy reads our files, and we read its: plain and compressed', { skip: withoutNumpy() }, () => {
  writeNpz(at('ours.npz'), arrays);
  const code = `
import sys, numpy as np
a = dict(np.load(sys.argv[1]))
print({k: (str(v.dtype), v.shape, v.tolist()) for k, v in a.items()})
np.savez(sys.argv[2], **a)
np.savez_compressed(sys.argv[3], **a)
np.savez(sys.argv[4], np.asfortranarray(np.zeros((2, 3))), np.array([1+2j]))`;
  const said = python(code, at('ours.npz'), at('plain.npz'), at('packed.npz'), at('other.npz'));
  assert.match(said, /'bytes': \('uint8', \(2, 3\), \[\[0, 1, 2\], \[253, 254, 255\]\]\)/);
  assert.match(said, /'longs': \('int64', \(2, 1\), \[\[-4611686018427387904\], \[9007199254740993\]\]\)/);
  assert.match(said, /'doubles': \('float64', \(\), 3\.14159/);
  for (const file of ['plain.npz', 'packed.npz']) assert.deepEqual(readNpz(at(file)), arrays);
  assert.throws(() => readNpz(at('other.npz'), ['arr_0']), /arr_0: expected rows in C order, got Fortran order/);
  assert.throws(() => readNpz(at('other.npz'), ['arr_1']), /arr_1: expected an array of .*<f8, got <c16\. Convert/);
});

test('damaged files are errors of ours, never wrong values', () => {
  writeNpz(at('whole.npz'), arrays);
  const whole = readFileSync(at('whole.npz'));
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (place, change, cut) => {
      const bytes = cut ? whole.subarray(0, place) : Buffer.from(whole);
      if (!cut) bytes[place] ^= change;
      writeFileSync(at('damaged.npz'), bytes);
      try {
        const read = readNpz(at('damaged.npz'));
        // only what says nothing about the values may have changed: names, dates, versions
        for (const [name, array] of Object.entries(read)) if (arrays[name]) assert.deepEqual(array, arrays[name]);
      } catch (error) {
        assert.equal((error as Error).name, 'DataError', String(error));
      }
    }),
    { seed: 5, numRuns: 400 },
  );
  writeFileSync(at('text.npz'), 'no zip file at all, but longer than the end of one');
  assert.throws(() => readNpz(at('text.npz')), /text\.npz: expected an \.npz file of NumPy, got something else/);
  assert.throws(() => readNpz(at('nothing.npz')), /nothing\.npz: expected an \.npz file, got ENOENT/);
});

test('archives that would unpack to far more than they are, and arrays that claim it, are refused before', () => {
  const header = (shape: string) => {
    const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape}), }\n`;
    return Buffer.from(`\x93NUMPY\x01\0${String.fromCharCode(text.length)}\0${text}`, 'latin1');
  };
  const zeros = Buffer.concat([header('100000000,'), Buffer.alloc(1e8)]);
  const bomb = zip([['arr_0.npy', zeros, true]]);
  assert.ok(bomb.length < 2e5);
  const one = zip([['arr_0.npy', header('0,')]]);
  const entry = one.subarray(one.length - 22 - 55, one.length - 22);
  const end = Buffer.from(one.subarray(one.length - 22));
  for (const place of [8, 10]) end.writeUInt16LE(2, place);
  end.writeUInt32LE(2 * entry.length, 12);
  for (const [bytes, message] of [
    [bomb, /got an archive that unpacks to 100\.0 MB, of which 67\.1 MB are plausible/],
    [Buffer.concat([one.subarray(0, -22), entry, end]), /an archive that names an entry twice/],
    [
      Buffer.concat([
        one.subarray(0, -22),
        Buffer.from(entry.toString('latin1').replace('arr_0', 'arr_1'), 'latin1'),
        end,
      ]),
      /'arr_1\.npy' lies within another entry/,
    ],
    [zip([['arr_0.npy', bomb]]), /an entry that is no array/],
    [zip([['arr_0.npy', header('1099511627776,')]]), /0 bytes for shape \[1099511627776\]/],
    [zip([['arr_0.npy', Buffer.concat([header('-2, -3'), Buffer.alloc(6)])]]), /6 bytes for shape \[-2, -3\]/],
  ] as const) {
    // biome-ignore format: rows
    writeFileSync(at('bomb.npz'), bytes);
    assert.throws(() => readNpz(at('bomb.npz')), { name: 'DataError', message });
  }
  writeNpz(at('empty.npz'), { images: { shape: [2 ** 40, 0, 3], data: new Uint8Array() } });
  assert.throws(() => readNpzSamples([at('empty.npz')], folder), /got \[1099511627776, 0, 3\] of uint8/);
});

const pictures = (count: number, size: number): RgbImage[] => {
  const rng = new Rng(size);
  const data = () => Uint8Array.from({ length: 3 * size * size }, () => rng.int(256));
  return Array.from({ length: count }, () => ({ width: size, height: size, data: data() }));
};

test('pictures as public evaluators read them, with and without labels', async () => {
  const three = pictures(3, 8);
  writePictureNpz(at('samples.npz'), three, [4, 0, 2]);
  const { arr_0, arr_1 } = readNpz(at('samples.npz'));
  assert.deepEqual([arr_0.shape, arr_0.data.constructor], [[3, 8, 8, 3], Uint8Array]);
  assert.deepEqual(arr_1, { shape: [3], data: BigInt64Array.of(4n, 0n, 2n) });
  const { set, classes } = await loadPictureSet(at('samples.npz'));
  assert.deepEqual([set.size, set.count, [...set.labels], classes], [8, 3, [4, 0, 2], 5]);
  assert.deepEqual(fromPlanes(set.images.subarray(192, 384), 8, 8), three[1]);
  writePictureNpz(at('plain.npz'), three);
  assert.equal((await loadPictureSet(at('plain.npz'))).classes, 0);
  assert.equal((await loadPictureSet(at('plain.npz'), { size: 4 })).set.size, 4);
  assert.throws(() => writePictureNpz(at('x.npz'), []), /pictures of one size, got none/);
  for (const label of [0.5, Number.NaN])
    assert.throws(() => writePictureNpz(at('x.npz'), three, [0, 1, label]), {
      name: 'DataError',
      message: /whole numbers/,
    });
  const short = { ...three[0], data: three[0].data.subarray(1) }; // the last byte would be 0
  assert.throws(() => writePictureNpz(at('x.npz'), [short]), { name: 'DataError', message: /8×8 with 191 bytes/ });
  assert.throws(() => writePictureNpz(at('x.npz'), [...three, ...pictures(1, 4)]), /got 8×8 and 4×4/);
  assert.throws(() => writePictureNpz(at('x.npz'), three, [1]), /a label for each of 3 pictures, got 1/);
});

test('a folder as a set: all pictures below it, sub-folders as classes; sizes must agree', async () => {
  const [a, b, c] = pictures(3, 8);
  for (const [name, picture] of [
    ['in/cats/1.png', a],
    ['in/cats/2.png', b],
    ['in/dogs/1.png', c],
  ] as const) {
    await writePng(at(name), picture);
  }
  const { set, classes } = await loadPictureSet(at('in'));
  assert.deepEqual([set.names, [...set.labels], classes], [['cats/1.png', 'cats/2.png', 'dogs/1.png'], [0, 0, 1], 2]);
  assert.deepEqual(fromPlanes(set.images.subarray(384), 8, 8), c);
  await writePng(at('in/beside.png'), a);
  assert.equal((await loadPictureSet(at('in'))).classes, 0);
  await writePng(at('in/large.png'), pictures(1, 16)[0]);
  await assert.rejects(
    loadPictureSet(at('in')),
    /in: expected squares of one size, got .*large\.png of 16×16 \(.*beside\.png has 8×8\)\. Give a size/,
  );
  assert.equal((await loadPictureSet(at('in'), { size: 8 })).set.count, 5);
  mkdirSync(at('empty'));
  await assert.rejects(loadPictureSet(at('empty')), /empty: expected pictures, got a folder without any/);
  await assert.rejects(loadPictureSet(at('nowhere')), /nowhere: expected a folder of images, got ENOENT/);
  writeNpz(at('features.npz'), { arr_0: { shape: [2, 4], data: new Float32Array(8) } });
  await assert.rejects(
    loadPictureSet(at('features.npz')),
    /arr_0 \[count, height, width, 3\] of uint8, got \[2, 4\] of float32/,
  );
  writeNpz(at('other.npz'), { mu: { shape: [2], data: new Float32Array(2) } });
  await assert.rejects(loadPictureSet(at('other.npz')), /expected pictures in arr_0, got no such array/);
});
