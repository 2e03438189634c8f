/** What somebody who learns the library types wrongly, and what it answers: what was expected, what came, a repair. */
import assert from 'node:assert/strict';
import test from 'node:test';
import util from 'node:util';
import fc from 'fast-check';
import * as T from '../../core/index.ts';
import { createGenerator, drawsFrom, laptopGenerators } from '../../maskgit/index.ts';
import * as NN from '../../nn/index.ts';
import { presets, SmallDiscriminator, Teacher, TiTok } from '../../titok/index.ts';
import { PatchDiscriminator } from '../../titok/published/index.ts';

const { tensor, zeros, ones, Rng } = T;
const x = tensor([[1, 2], [3, 4]]); // biome-ignore format: a matrix
const any = (value: unknown): never => value as never;

/** Runs f, which must throw an error of this class whose message begins like this. */
const answers = (f: () => unknown, name: string, message: string): void => {
  using _ = T.tensorScope();
  assert.throws(f, (error: Error) => {
    assert.equal(error.name, name, `${error.name}: ${error.message}`);
    assert.ok(error.message.startsWith(message), error.message);
    return true;
  });
};

// biome-ignore format: a table
const operands: readonly (readonly [() => unknown, string])[] = [
  [() => x.add(any([1, 2])), "add: expected a tensor or a number as 'b', got an array. Make a tensor of it: tensor(b)."],
  [() => x.add(any('a')), "add: expected a tensor or a number as 'b', got a string."],
  [() => x.add(any(undefined)), "add: expected a tensor or a number as 'b', got undefined."],
  [() => x.mul(any(null)), "mul: expected a tensor or a number as 'b', got null."],
  [() => x.mul(any(new Float32Array(4))), "mul: expected a tensor or a number as 'b', got a Float32Array."],
  [() => x.mul(any(2n)), "mul: expected a tensor or a number as 'b', got a bigint."],
  [() => T.relu(any([1])), "relu: expected a tensor or a number as 'x', got an array."],
  [() => T.leakyRelu(x, any(undefined)), "leakyRelu: expected a tensor or a number as 'slope', got undefined."],
  [() => T.where(x, any([1]), 0), "where: expected a tensor or a number as 'a', got an array."],
  [() => x.matmul(any([[1, 2], [3, 4]])), 'matmul: expected a tensor as argument 2, got an array. Make one with tensor(values).'],
  [() => T.linear(any([2, 2]), x), 'linear: expected a tensor as argument 1, got an array.'],
  [() => T.embedding(any([[1]]), tensor([0], [1], { dtype: 'int32' })), 'embedding: expected a tensor as argument 1, got an array. Make one with tensor(values).'],
  [() => T.einsum('ij,j->i', x, any([1, 2])), 'einsum, operands: expected a tensor as argument 2, got an array. Make one with tensor(values).'],
  [() => NN.globalNorm(any({ x })), 'globalNorm: expected an array of gradients, got another object. Pass Object.values(grads).'],
  [() => new NN.Ema(any(new NN.TransformerBlock(2, 1, new Rng(0)))), "Ema: expected tensors by name, got another value as 'ln_1'. Pass stateDict(model)."],
  [() => T.concat(any([x, [1, 2]])), 'concat: expected a tensor as argument 2, got an array.'],
  [() => T.concat(any(x)), 'concat: expected an array of tensors, got a Tensor.'],
  [() => T.stack(any([x, 3])), 'stack: expected a tensor as argument 2, got a number.'],
  [() => T.conv2d(x, any([1])), 'conv2d: expected a tensor as argument 2, got an array.'],
  [() => T.attention(x, x, any(undefined)), 'attention: expected a tensor as argument 3, got undefined.'],
  [() => any(x) + 1, "Tensor([2, 2], float32, cpu): JavaScript's operators do not work on tensors. Use x.add(1) for x + 1"],
  [() => any(x) > 1, "Tensor([2, 2], float32, cpu): JavaScript's operators do not work on tensors."],
  [() => -any(x), "Tensor([2, 2], float32, cpu): JavaScript's operators do not work on tensors."],
  [() => tensor(any(['a', '2'])), 'tensor: expected numbers, got a string at position 0.'],
  [() => tensor(any(['3'])), 'tensor: expected numbers, got a string at position 0.'],
  [() => tensor(any([['a', 'b'], ['c', 'd']])), 'tensor: expected numbers, got a string at position 0.'],
  [() => tensor(any('12')), 'tensor: expected numbers, got a string.'],
  [() => tensor(any([1, undefined])), 'tensor: expected numbers, got undefined at position 1.'],
  [() => tensor(any([1, null, 3])), 'tensor: expected numbers, got null at position 1.'],
  [() => tensor(new Array(2)), 'tensor: expected numbers, got undefined at position 0.'],
  [() => tensor(any([1, [2]])), 'tensor: expected numbers, got an array at position 1.'],
  [() => tensor(any(new BigInt64Array([1n]))), 'tensor: expected numbers, got a BigInt64Array. Convert it: Float32Array.from(values, Number).'],
  [() => tensor(any([1n])), 'tensor: expected numbers, got a bigint at position 0.'],
  [() => tensor(any(undefined)), 'tensor: expected numbers, got undefined.'],
  [() => tensor(any({})), 'tensor: expected numbers, got an Object.'],
  [() => tensor(any(x)), 'tensor: expected numbers, got a tensor. Use to(t, device) for a copy, or await t.data().'],
  [() => ones([2]).assign(any(['a', 'b'])), 'assign: expected numbers, got a string at position 0.'],
  [() => T.full([2], any('1')), 'full: expected a number, got a string.'],
];
for (const [f, message] of operands) test(message, () => answers(f, 'TypeError', message));

// biome-ignore format: a table
const settings: readonly (readonly [string, () => unknown, string])[] = [
  ['OptionError', () => tensor([1], [1], { dtype: any('foo') }), "tensor, dtype: expected 'float32' or 'int32', got foo."],
  ['OptionError', () => zeros([1], { dtype: any('float64') }), "tensor, dtype: expected 'float32' or 'int32', got float64."],
  ['DeviceError', () => tensor([3e9, 1.5], [2], { dtype: 'int32' }), 'tensor: expected int32 ids as whole numbers within ±2^24, got 3000000000 at position 0.'],
  ['DeviceError', () => tensor([1.5], [1], { dtype: 'int32' }), 'tensor: expected int32 ids as whole numbers within ±2^24, got 1.5 at position 0.'],
  ['DeviceError', () => tensor(Int32Array.of(2 ** 25)), 'tensor: expected int32 ids as whole numbers within ±2^24, got 33554432'],
  ['DeviceError', () => zeros([1e6, 1e6]), 'tensor: expected at most 1073741824 values (4 GiB), got 1000000000000 for [1000000, 1000000].'],
  ['DeviceError', () => ones([1, 1]).expand([1e6, 1e6]), 'expand: expected at most 1073741824 values (4 GiB), got 1000000000000'],
  ['DeviceError', () => T.matmul(zeros([70000, 1]), zeros([1, 70000])), 'matmul: expected at most 1073741824 values (4 GiB), got 4900000000'],
  ['ShapeError', () => zeros(any(3)), 'tensor: expected a shape such as [2, 3], got 3.'],
  ['ShapeError', () => ones([2]).reshape(any(2)), 'reshape: expected a shape as an array of whole numbers, got 2.'],
  ['ShapeError', () => T.slice(x, any(0), any(1)), 'slice: expected starts as an array of whole numbers, got 0.'],
  ['ShapeError', () => x.sum(any('2')), 'sum: expected axes as an array of whole numbers, got a string.'],
  ['OptionError', () => T.matmul(x, x, any({ tranposeB: true })), "matmul: expected options transposeA, transposeB, got 'tranposeB' (did you mean 'transposeB'?)."],
  ['OptionError', () => T.conv2d(ones([1, 1, 2, 2]), ones([1, 1, 1, 1]), null, any({ strides: 2 })), "conv2d: expected options stride, padding, groups, got 'strides' (did you mean 'stride'?)."],
  ['OptionError', () => T.grad(x.sum(), [x], any({ creategraph: true })), "grad: expected options createGraph, seed, got 'creategraph' (did you mean 'createGraph'?)."],
  ['OptionError', () => T.resizeBilinear(ones([1, 1, 4, 4]), [2, 2], any({ antiAlias: true })), "resizeBilinear: expected options antialias, got 'antiAlias' (did you mean 'antialias'?)."],
  ['OptionError', () => T.selfAttention(ones([1, 2, 3]), 1, any({ maks: ones([2, 2]) })), "selfAttention: expected options mask, got 'maks' (did you mean 'mask'?)."],
  ['OptionError', () => new NN.TransformerBlock(2, 1, new Rng(0)).forward(ones([1, 2, 2]), any({ keyValue: x })), "TransformerBlock.forward: expected options mask, rows, got 'keyValue'."],
  ['OptionError', () => new NN.TransformerBlock(4, 2, new Rng(0), 0.1), 'TransformerBlock, mlpRatio: expected a factor that makes the width of 4 at least 1, got 0.1.'],
  ['OptionError', () => T.conv2d(ones([1, 1, 2, 2]), ones([1, 1, 1, 1]), null, { stride: 0 }), 'conv2d, stride: expected a whole number ≥ 1, or [y, x], got 0.'],
  ['OptionError', () => new NN.Linear(2, 2, new Rng(0), any({ bais: false })), "Linear: expected options bias, got 'bais' (did you mean 'bias'?)."],
  ['OptionError', () => new NN.Linear(2, 2, new Rng(0), any(false)), 'Linear: expected options bias in an object, got a boolean, false.'],
  ['OptionError', () => T.crossEntropy(x, tensor(Int32Array.of(0, 1)), any(0.1)), 'crossEntropy: expected options smoothing, ignoreIndex in an object, got a number, 0.1.'],
  ['OptionError', () => T.crossEntropy(x, tensor(Int32Array.of(0, 1)), any(null)), 'crossEntropy: expected options smoothing, ignoreIndex in an object, got null.'],
  ['OptionError', () => T.arange(2, any(5)), 'arange: expected options dtype, device in an object, got a number, 5.'],
  ['OptionError', () => T.eye(2, any(3)), 'tensor: expected options dtype, device in an object, got a number, 3.'],
  ['ShapeError', () => x.sum([0, -2]), 'sum: expected each axis of [2, 2] once, got [0, -2].'],
  ['ShapeError', () => x.max([1, 1]), 'max: expected each axis of [2, 2] once, got [1, 1].'],
  ['ShapeError', () => T.stack([x, ones([2, 3])]), 'stack: expected tensors of one shape, got [2, 2], [2, 3].'],
  ['ShapeError', () => T.stack([]), 'stack: expected at least one tensor, got none.'],
  ['ShapeError', () => T.sumOfSquares([]), 'sumOfSquares: expected at least one tensor, got none.'],
  ['ShapeError', () => T.concat([tensor(1), tensor(2)]), 'concat: expected a tensor with axes, got a scalar, [], and axis 0.'],
  ['ShapeError', () => T.takeAlong(tensor(1), tensor(Int32Array.of(0), [])), 'takeAlong: expected x [..., V] and ids [..., K], got x [] and ids [].'],
  ['ShapeError', () => new NN.Conv2d(3, 4, 3, new Rng(0), { groups: 2 }), 'Conv2d: expected channels that 2 groups divide, got 3 and 4.'],
  ['ShapeError', () => new NN.GroupNorm(3, 4), 'GroupNorm: expected channels that 3 groups divide, got 4.'],
  ['OptionError', () => T.uniform([2], 1, 0, new Rng(0)), 'uniform: expected finite bounds, low ≤ high, got 1 and 0.'],
  ['OptionError', () => T.uniform([2], 0, NaN, new Rng(0)), 'uniform: expected finite bounds, low ≤ high, got 0 and NaN.'],
  ['OptionError', () => new NN.Ema({ x }, { decay: 1.5 }), 'Ema, decay: expected a number in 0..1, got 1.5.'],
];
for (const [name, f, message] of settings) test(message, () => answers(f, name, message));

test('whatever draws random numbers says when its generator is missing, or a seed was passed', () => {
  const rng = any(undefined);
  const users: Readonly<Record<string, (rng: never) => unknown>> = {
    randn: (rng) => T.randn([2], rng),
    uniform: (rng) => T.uniform([2], 0, 1, rng),
    truncatedNormal: (rng) => NN.truncatedNormal([2], 1, rng),
    xavierUniform: (rng) => NN.xavierUniform([2, 2], rng),
    Linear: (rng) => new NN.Linear(3, 4, rng),
    Embedding: (rng) => new NN.Embedding(3, 4, rng),
    Conv2d: (rng) => new NN.Conv2d(3, 4, 3, rng),
    ConvTranspose2d: (rng) => new NN.ConvTranspose2d(3, 4, 3, rng),
    MultiheadAttention: (rng) => new NN.MultiheadAttention(4, 2, rng),
    TransformerBlock: (rng) => new NN.TransformerBlock(4, 2, rng),
    VectorQuantizer: (rng) => new NN.VectorQuantizer(4, 2, rng),
    TiTok: (rng) => new TiTok(presets.tiny, rng),
    Teacher: (rng) => new Teacher(any({ kind: 'lean' }), rng),
    SmallDiscriminator: (rng) => new SmallDiscriminator(rng),
    PatchDiscriminator: (rng) => new PatchDiscriminator(any({}), rng),
    ImageBert: (rng) => createGenerator({ ...Object.values(laptopGenerators)[0], architecture: 'bert' }, rng),
    UViTBert: (rng) => createGenerator({ ...Object.values(laptopGenerators)[0], architecture: 'uvit' }, rng),
    drawsFrom: (rng) => drawsFrom(rng),
  };
  for (const [name, use] of Object.entries(users)) {
    const message = (got: string) =>
      `${name}: expected a generator of random numbers, got ${got}. Pass one, such as new Rng(0).`;
    answers(() => use(rng), 'OptionError', message('undefined'));
    answers(() => use(any(0)), 'OptionError', message('0'));
  }
});

test('a function whose tensors are tracked must not be asynchronous', async () => {
  using _ = T.tensorScope();
  const later = async () => x.sum();
  for (const [name, f] of [
    ['valueAndGrad', () => T.valueAndGrad({ x }, any(later))],
    ['tidy', () => T.tidy(later)],
    ['noGrad', () => T.noGrad(later)],
    ['outsideScopes', () => T.outsideScopes(later)],
  ] as const)
    answers(f, 'TypeError', `${name}: expected a synchronous function, got one that returns a promise.`);
  answers(() => T.grad(any(later()), [x]), 'TypeError', 'grad: expected a loss that is a tensor, got a Promise.');
  assert.equal(T.isRecording(), true);
  await T.valueAndGrad({ x }, () => x.sum()).value.item();
});

test('a loss and what to differentiate by must be tensors', () => {
  const model = new NN.Linear(2, 1, new Rng(0));
  const loss = () => model.forward(x).sum();
  const got = (value: unknown) => () => T.valueAndGrad({ x }, () => any(value));
  const wanted = "valueAndGrad: expected a loss that is a tensor, or an object with such a 'loss', got";
  answers(got(3), 'TypeError', `${wanted} a number. Compute it with ops: numbers that were read have no gradient.`);
  answers(got(undefined), 'TypeError', `${wanted} undefined.`);
  answers(got({ lss: x }), 'TypeError', `${wanted} an Object.`);
  answers(
    () => T.valueAndGrad(any(x), loss),
    'TypeError',
    'valueAndGrad: expected a list or record of tensors, got a tensor. Pass [x].',
  );
  answers(
    () => T.valueAndGrad(any({ model }), loss),
    'TypeError',
    "valueAndGrad: expected tensors to differentiate by, got a Linear as 'model'. For a model pass stateDict(model).",
  );
  answers(
    () => T.grad(loss(), any(x)),
    'TypeError',
    'grad: expected a list or record of tensors, got a tensor. Pass [x].',
  );
  answers(
    () => T.grad(loss(), any(undefined)),
    'TypeError',
    'grad: expected a list or record of tensors, got undefined.',
  );
});

test('no size is taken that is no whole number ≥ 0', () => {
  const [one, image] = [ones([1]), ones([1, 2, 4, 4])];
  const rng = new Rng(0);
  const id = tensor([0], [1], { dtype: 'int32' });
  const users: Readonly<Record<string, (n: number) => unknown>> = {
    zeros: (n) => zeros([2, n]),
    full: (n) => T.full([n], 1),
    eye: (n) => T.eye(n),
    arange: (n) => T.arange(n),
    randn: (n) => T.randn([n], rng),
    tensor: (n) => tensor([1], [n]),
    expand: (n) => one.expand([n]),
    'narrow length': (n) => x.narrow(0, 0, n),
    'narrow start': (n) => x.narrow(0, n, 0),
    'slice sizes': (n) => x.slice([0, 0], [n, n]),
    pad: (n) => T.pad(x, [n, 0], [0, 0]),
    split: (n) => T.split(x, n),
    topk: (n) => T.topk(x, n),
    oneHot: (n) => T.oneHot(id, n),
    upsampleNearest: (n) => T.upsampleNearest(image, n),
    avgPool2d: (n) => T.avgPool2d(image, n),
    maxPool2d: (n) => T.maxPool2d(image, n),
    adaptiveAvgPool2d: (n) => T.adaptiveAvgPool2d(image, [n, n]),
    adaptiveMaxPool2d: (n) => T.adaptiveMaxPool2d(image, [n, n]),
    resizeBilinear: (n) => T.resizeBilinear(image, [n, 2]),
    stride: (n) => T.conv2d(image, ones([2, 2, 1, 1]), null, { stride: n }),
    padding: (n) => T.conv2d(image, ones([2, 2, 1, 1]), null, { padding: n }),
    groups: (n) => T.conv2d(image, ones([2, 2, 1, 1]), null, { groups: n }),
    groupNorm: (n) => T.groupNorm(image, ones([2]), zeros([2]), n),
    selfAttention: (n) => T.selfAttention(ones([1, 2, 6]), n),
    Linear: (n) => new NN.Linear(n, 2, rng),
    Embedding: (n) => new NN.Embedding(2, n, rng),
    Conv2d: (n) => new NN.Conv2d(2, 2, n, rng),
    MultiheadAttention: (n) => new NN.MultiheadAttention(4, n, rng),
    LayerNorm: (n) => new NN.LayerNorm(n),
    GroupNorm: (n) => new NN.GroupNorm(n, 4),
    VectorQuantizer: (n) => new NN.VectorQuantizer(n, 2, rng),
  };
  const fraction = fc.double({ min: -1e6, max: 1e6, noNaN: true }).filter((n) => !Number.isInteger(n));
  const wrong = fc.oneof(
    fraction,
    fc.integer({ min: -1e6, max: -2 }),
    fc.constantFrom(Number.NaN, Infinity, -Infinity),
  );
  const property = fc.property(fc.constantFrom(...Object.keys(users)), wrong, (name, n) => {
    using _ = T.tensorScope();
    assert.throws(() => users[name](n), (error: Error) => /^(Shape|Option)Error$/.test(error.name) && / expected /.test(error.message), `${name}(${n})`); // biome-ignore format: one thought
  });
  fc.assert(property, { numRuns: 500, seed: 1 });
});

test('a tensor shows its shape, not its handles, wherever it is printed', () => {
  assert.equal(
    util.inspect([x, { loss: x.sum() }], { breakLength: Infinity }),
    '[ Tensor([2, 2], float32, cpu), { loss: Tensor([], float32, cpu, reshape) 10 } ]',
  );
  assert.equal(util.inspect({ weights: { w: x } }), '{ weights: { w: Tensor([2, 2], float32, cpu) } }');
  assert.match(util.inspect(new Map([['w', x]])), /^Map\(1\) \{ 'w' => Tensor\(\[2, 2\], float32, cpu\) \}$/);
  assert.equal(JSON.stringify({ x }), '{"x":"Tensor([2, 2], float32, cpu)"}');
  assert.equal(`${x}`, 'Tensor([2, 2], float32, cpu)\n[[1, 2],\n [3, 4]]');
  assert.equal([x, x].map(T.relu as never).length, 2); // map passes an index and the array, too
});

test('values can be reduced in strict TypeScript, whatever array they come in', async () => {
  const values: T.TensorData = await x.data();
  assert.equal(values.reduce((a, b) => a + b), 10); // biome-ignore format: as one writes it
  assert.equal(values.reduce((a, b) => a + b, 5), 15); // biome-ignore format: as one writes it
  assert.equal(
    values.reduce<string>((text, v) => text + v, ''),
    '1234',
  );
  assert.equal(values.filter((v) => v > 1).slice(1).reduce((a, b) => a * b), 12); // biome-ignore format: as one writes it
  const total: number = values.map((v) => 2 * v).reduceRight((a, b) => a + b, 0);
  assert.equal(total, 20);
});
