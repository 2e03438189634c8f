/** Weights in fewer bits: float16 and int8 values in safetensors, and what rounding costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fromHalf, toHalf } from '../../data/half.ts';
import {
  crc32,
  packWeights,
  parseSafetensors,
  precisions,
  serializeSafetensors,
  unpackWeights,
  type WeightGroups,
} from '../../data/index.ts';

const everyHalf = Uint16Array.from({ length: 65_536 }, (_, half) => half);

test('float16: every value keeps its bits, and its value is that of the formula', () => {
  const values = fromHalf(everyHalf);
  const isNaNBits = (half: number) => (half & 0x7c00) === 0x7c00 && (half & 0x3ff) !== 0;
  toHalf(values).forEach((half, i) => {
    if (isNaNBits(i)) assert.equal(half & 0x7fff, 0x7e00);
    else assert.equal(half, i);
  });
  assert.deepEqual(
    [0x3c00, 0xc000, 0x0001, 0x03ff, 0x0400, 0x7bff].map((half) => values[half]),
    [1, -2, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 65504],
  );
});

test('float16: a value becomes the nearest one, ties the even one', () => {
  const finite = fromHalf(everyHalf).subarray(0, 0x7c00); // rising from 0 to 65504
  const value = fc.oneof(
    fc.float({ min: 0, max: 65504, noNaN: true }),
    fc.float({ min: 0, max: Math.fround(1e-4), noNaN: true }),
    fc.nat(0x7bfe).map((i) => Math.fround((finite[i] + finite[i + 1]) / 2)), // in the middle
  );
  fc.assert(
    fc.property(value, fc.boolean(), (x, negative) => {
      const [half] = toHalf(Float32Array.of(negative ? -x : x));
      assert.equal(half >> 15, Number(negative));
      const i = half & 0x7fff;
      const distance = (j: number) => (j < 0 || j >= finite.length ? Infinity : Math.abs(finite[j] - x));
      assert.ok(distance(i) <= distance(i - 1) && distance(i) <= distance(i + 1));
      if (distance(i) === distance(i - 1) || distance(i) === distance(i + 1)) assert.equal(i % 2, 0);
    }),
    { numRuns: 1000 },
  );
  assert.deepEqual(
    [...toHalf(Float32Array.of(65519, 65520, 1e38, Infinity, -Infinity, Number.NaN))],
    [0x7bff, 0x7c00, 0x7c00, 0x7c00, 0xfc00, 0x7e00],
  );
});

const shape = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 5 })),
  fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 7 })),
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.constant(3), fc.constant(3)),
);
const weight = shape.chain((shape) => {
  const count = shape.reduce((product, d) => product * d, 1);
  const value = fc.float({ min: -100, max: 100, noNaN: true });
  return fc
    .array(value, { minLength: count, maxLength: count })
    .map((values) => ({ shape, data: Float32Array.from(values) }));
});
const name = fc.constantFrom(
  'ln.bias',
  'a.weight',
  'attn.in_proj_weight',
  'quantize.embedding.weight',
  '__proto__',
  'a/b',
);
const groups = fc.dictionary(
  fc.constantFrom('tokenizer', 'generator'),
  fc.dictionary(name, weight, { noNullPrototype: true }),
  {
    noNullPrototype: true,
  },
);

const written = (weights: WeightGroups, precision: (typeof precisions)[number]) =>
  parseSafetensors(Buffer.concat(serializeSafetensors(packWeights(weights, precision)))).tensors;

test('weights come back: equal in float32, rounded in float16, within half a step of their row in int8', () => {
  fc.assert(
    fc.property(groups, fc.constantFrom(...precisions), (weights, precision) => {
      const tensors = written(weights, precision);
      const read = unpackWeights(tensors, 'file');
      for (const [group, members] of Object.entries(weights)) {
        assert.deepEqual(Object.keys(read[group] ?? {}).sort(), Object.keys(members).sort());
        for (const [name, { shape, data }] of Object.entries(members)) {
          const got = read[group][name];
          assert.deepEqual(got.shape, shape);
          const { dtype } = tensors[`${group}/${name}`];
          const isMatrix = name.endsWith('weight') && !name.includes('embedding') && shape.length > 1;
          assert.equal(dtype, precision === 'float32' ? 'F32' : precision === 'int8' && isMatrix ? 'I8' : 'F16');
          if (dtype === 'F32') assert.deepEqual(got.data, data);
          if (dtype === 'F16') assert.deepEqual(got.data, fromHalf(toHalf(data)));
          if (dtype !== 'I8') continue;
          const each = data.length / shape[0];
          data.forEach((x, i) => {
            const row = data.subarray(Math.floor(i / each) * each, (Math.floor(i / each) + 1) * each);
            const step = Math.max(...row.map(Math.abs)) / 127;
            assert.ok(
              Math.abs(got.data[i] - x) <= 0.5001 * step + 1e-40,
              `${x} became ${got.data[i]}, a step is ${step}`,
            );
          });
        }
      }
    }),
  );
});

test('what cannot be written or read is named', () => {
  const of = (...values: number[]) => ({ shape: [values.length, 1], data: Float32Array.from(values) });
  assert.throws(() => packWeights({ a: { 'b.weight': of(1, Number.NaN) } }, 'int8'), {
    name: 'CheckpointError',
    message: "'a/b.weight': expected finite weights, got NaN. Train it again.",
  });
  assert.throws(() => written({ a: { b: of(1, 70_000) } }, 'float16'), {
    name: 'CheckpointError',
    message: "safetensors: 'a/b': expected float16 values up to 65504, got 70000 at position 1.",
  });
  assert.throws(() => serializeSafetensors({ a: { shape: [2], data: Int32Array.of(1, 128), dtype: 'I8' } }), {
    name: 'CheckpointError',
    message: "safetensors: 'a': expected int8 values from -128 to 127, got 128 at position 1.",
  });
  const tensors = written({ a: { 'b.weight': of(1, 2) } }, 'int8');
  const { 'a.scales/b.weight': scales, ...alone } = tensors;
  const refused = (content: typeof tensors, message: RegExp) =>
    assert.throws(() => unpackWeights(content, 'x.safetensors'), { name: 'CheckpointError', message });
  refused(alone, /^x\.safetensors: expected 2 scales, got none for 'a\/b\.weight'\. Is the file damaged\?$/);
  refused(
    { ...tensors, 'a.scales/b.weight': { ...scales, data: scales.data.slice(0, 1) } },
    /expected 2 scales, got 1 /,
  );
  refused({ b: tensors['a/b.weight'] }, /expected names like 'tokenizer\/…', got none for 'b'/);
  refused(
    { 'a/b': { dtype: 'I32', shape: [1], data: Int32Array.of(1) } },
    /expected weights in F32, F16 or I8, got I32/,
  );
});

test('CRC-32 is that of zip and PNG, in one piece or in several', () => {
  const bytes = new TextEncoder().encode('123456789');
  assert.equal(crc32(bytes), 'cbf43926');
  assert.equal(crc32(bytes.subarray(0, 4), bytes.subarray(4)), 'cbf43926');
  assert.equal(crc32(), '00000000');
});
