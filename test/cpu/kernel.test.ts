/** Declarations of kernels: their types, their arguments, and the modules that they become. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { add, f32, floatAt, i32, kernel, mul, wasmFunction } from '../../core/cpu/kernels/dsl.ts';
import { buildModule, ConstantTable } from '../../core/cpu/module.ts';
import type { Cpu } from '../../core/cpu/routine.ts';

const square = wasmFunction('square', { x: i32, y: i32 }, (f, a) => f.do(i32.store(a.y, mul(a.x, a.x))));
const squares = kernel('squares', { y: i32, first: i32, scale: f32 }, (f, a) => {
  const i = f.int('i');
  f.for(i, a.begin, a.end, 1, () => {
    const y = floatAt(a.y, i);
    f.call(square, { y, x: add(i, a.first) });
    f.do(f32.store(y, f32.mul(f32.fromInt(i32.load(y)), a.scale)));
  });
});
const build = (...functions: Parameters<typeof buildModule>[0]) =>
  buildModule(functions, { fma: false, constants: new ConstantTable(0, 0), shared: false });

test('arguments are passed in the order of the declaration, whatever the order of the object', () => {
  assert.deepEqual(squares.inOrder({ y: 1, first: 2, scale: 3 }), [1, 2, 3]);
  assert.deepEqual(squares.inOrder({ scale: 3, first: 2, y: 1 }), [1, 2, 3]);
});

test('names and types of arguments are checked by the compiler', () => {
  const seen: unknown[] = [];
  const cpu: Pick<Cpu, 'parallel'> = { parallel: (_, launch, args) => seen.push(launch, args) };
  cpu.parallel(squares, { items: 1, work: 1 }, { y: 1, first: 2, scale: 3 });
  // @ts-expect-error a missing argument
  cpu.parallel(squares, { items: 1, work: 1 }, { y: 1, first: 2 });
  // @ts-expect-error a misspelled argument
  cpu.parallel(squares, { items: 1, work: 1 }, { y: 1, fist: 2, scale: 3 });
  assert.equal(seen.length, 6);
  const callers = [
    // @ts-expect-error an argument that the callee does not have
    wasmFunction('more', { y: i32 }, (f, a) => f.call(square, { x: a.y, y: a.y, z: 1 })),
    // @ts-expect-error a float operand of an integer instruction
    wasmFunction('float', { y: i32 }, (f, a) => f.call(square, { x: f32.load(a.y), y: a.y })),
  ];
  assert.equal(callers.length, 2);
});

test('a module holds the functions that its kernels call', () => {
  const { bytes, functions } = build(squares);
  assert.deepEqual(
    functions.map(({ name }) => name),
    ['squares', 'square'],
  );
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory } });
  (exports['squares'] as (...args: number[]) => void)(1, 4, 0, ...squares.inOrder({ y: 64, first: 1, scale: 0.5 }));
  assert.deepEqual([...new Float32Array(memory.buffer, 64, 5)], [0, 2, 4.5, 8, 0]);
});

test('a function that is called twice is part of the module once', () => {
  const twice = wasmFunction('twice', { y: i32 }, (f, a) => {
    f.call(square, { x: 1, y: a.y });
    f.call(square, { x: 2, y: a.y });
  });
  assert.equal(build(twice, square).functions.length, 2);
});
