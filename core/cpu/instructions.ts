/**
 * The WebAssembly instructions of kernels. An expression is an array of bytes in post-order, so calls nest like the
 * math:
 *
 *   acc.set(v.add(acc, v.mul(x, y)))
 *
 * TypeScript keeps i32, f32 and v128 apart. A wrong lane or offset shows only as wrong numbers, so a test compares each
 * kernel with plain JavaScript.
 *
 * Addresses are unsigned: compare them with `ne` or `ltu`, never with `lt`. Better, count elements.
 */

export type ValueType = 'i32' | 'f32' | 'v128';
declare const type: unique symbol;
/** Bytes that leave one value of type T on the stack. */
export type Expr<T extends ValueType> = readonly number[] & { readonly [type]: T };
export type I32 = Expr<'i32'>;
export type F32 = Expr<'f32'>;
export type V128 = Expr<'v128'>;
/** A value for an instruction; a number stands for a constant. */
export type Operand<T extends ValueType> = Expr<T> | (T extends 'v128' ? never : number);
export type Int = Operand<'i32'>;
export type Float = Operand<'f32'>;
/** Bytes that leave nothing on the stack. */
export type Statement = readonly number[] & { readonly [type]: 'none' };

export type Bytes = readonly number[];

/** Unsigned LEB128. */
export function uleb(n: number): number[] {
  const out: number[] = [];
  n >>>= 0;
  do {
    let b = n & 127;
    n >>>= 7;
    if (n) b |= 128;
    out.push(b);
  } while (n);
  return out;
}
/** Signed LEB128. */
function sleb(n: number): number[] {
  const out: number[] = [];
  for (n |= 0; ; ) {
    const b = n & 127;
    n >>= 7;
    if ((n === 0 && !(b & 64)) || (n === -1 && b & 64)) {
      out.push(b);
      return out;
    }
    out.push(b | 128);
  }
}
/** Appends bytes in place. Bodies are longer than an argument list may be, so there is no push(...bytes). */
export function append(to: number[], bytes: Bytes): number[] {
  for (const b of bytes) to.push(b);
  return to;
}
const f32bytes = (x: number): number[] => [...new Uint8Array(new Float32Array([x]).buffer)];
const i32bytes = (n: number): number[] => [...new Uint8Array(new Int32Array([n]).buffer)];
const four = (bytes: Bytes): number[] => [...bytes, ...bytes, ...bytes, ...bytes];

const code = <T extends ValueType>(...parts: Bytes[]): Expr<T> =>
  parts.reduce(append, [] as number[]) as unknown as Expr<T>;
export const statement = (...parts: Bytes[]): Statement => parts.reduce(append, [] as number[]) as unknown as Statement;

const int = (x: Int): Bytes => (typeof x === 'number' ? [0x41, ...sleb(x)] : x);
const float = (x: Float): Bytes => (typeof x === 'number' ? [0x43, ...f32bytes(x)] : x);
/** The bytes of an operand of type T. */
export const operand = <T extends ValueType>(type: T, x: Operand<T>): Bytes =>
  type === 'i32' ? int(x as Int) : type === 'f32' ? float(x as Float) : (x as V128);

/** Instructions of two integers, of two floats, and of two floats that give 0 or 1. */
const ints =
  (op: number) =>
  (a: Int, b: Int): I32 =>
    code(int(a), int(b), [op]);
const floats =
  (op: number) =>
  (a: Float, b: Float): F32 =>
    code(float(a), float(b), [op]);
const test =
  (op: number) =>
  (a: Float, b: Float): I32 =>
    code(float(a), float(b), [op]);
const unary =
  <A extends ValueType, R extends ValueType>(...op: number[]) =>
  (a: Expr<A>): Expr<R> =>
    code(a, op);
const load =
  <R extends ValueType>(align: number, ...op: number[]) =>
  (at: Int, offset = 0): Expr<R> =>
    code(int(at), op, [align], uleb(offset));
const store =
  <A extends ValueType>(type: A, align: number, ...op: number[]) =>
  (at: Int, x: Operand<A>, offset = 0): Statement =>
    statement(int(at), operand(type, x), op, [align], uleb(offset));
const simd = (n: number): number[] => [0xfd, ...uleb(n)];
const vectors = (n: number) => {
  const op = simd(n);
  return (a: V128, b: V128): V128 => code(a, b, op);
};
const vector = (n: number) => unary<'v128', 'v128'>(...simd(n));
const shift =
  (n: number) =>
  (a: V128, by: number): V128 =>
    code(a, int(by), simd(n));

// biome-ignore format: a table of instructions
export const i32 = {
  /** Marks a parameter of this type; see kernel.ts. */
  type: 'i32',
  add: (first: Int, ...rest: Int[]): I32 => code(int(first), ...rest.map((x) => [...int(x), 0x6a])),
  sub: ints(0x6b), mul: ints(0x6c), divu: ints(0x6e), remu: ints(0x70),
  and: ints(0x71), or: ints(0x72), xor: ints(0x73), shl: ints(0x74), shr: ints(0x75), shru: ints(0x76),
  eqz: unary<'i32', 'i32'>(0x45), eq: ints(0x46), ne: ints(0x47),
  lt: ints(0x48), gt: ints(0x4a), le: ints(0x4c), ge: ints(0x4e), ltu: ints(0x49), geu: ints(0x4f),
  min: (a: Int, b: Int): I32 => i32.select(a, b, i32.lt(a, b)),
  max: (a: Int, b: Int): I32 => i32.select(a, b, i32.gt(a, b)),
  /** c ≠ 0 ? a : b; both are computed. */
  select: (a: Int, b: Int, c: Int): I32 => code(int(a), int(b), int(c), [0x1b]),
  /** Whole part of a float, saturating; NaN gives 0. */
  fromFloat: unary<'f32', 'i32'>(0xfc, 0),
  bits: unary<'f32', 'i32'>(0xbc),
  load: load<'i32'>(2, 0x28), store: store('i32', 2, 0x36),
  atomicLoad: load<'i32'>(2, 0xfe, 0x10), atomicStore: store('i32', 2, 0xfe, 0x17),
  atomicAdd: (at: Int, x: Int, offset = 0): I32 => code(int(at), int(x), [0xfe, 0x1e, 2], uleb(offset)),
  /** Sleeps while memory[at] = expected; no time limit. Not allowed on a browser's main thread. */
  wait: (at: Int, expected: Int): I32 => code(int(at), int(expected), [0x42, 0x7f, 0xfe, 1, 2, 0]),
  notify: (at: Int, count: Int): I32 => code(int(at), int(count), [0xfe, 0, 2, 0]),
} as const;

// biome-ignore format: a table of instructions
export const f32 = {
  /** Marks a parameter of this type; see kernel.ts. */
  type: 'f32',
  load: load<'f32'>(2, 0x2a), store: store('f32', 2, 0x38),
  add: floats(0x92), sub: floats(0x93), mul: floats(0x94), div: floats(0x95), max: floats(0x97), min: floats(0x96),
  sqrt: unary<'f32', 'f32'>(0x91), abs: unary<'f32', 'f32'>(0x8b), neg: unary<'f32', 'f32'>(0x8c),
  floor: unary<'f32', 'f32'>(0x8e), fromInt: unary<'i32', 'f32'>(0xb2),
  eq: test(0x5b), ne: test(0x5c), lt: test(0x5d), gt: test(0x5e), le: test(0x5f), ge: test(0x60),
  /** c ≠ 0 ? a : b; both are computed. */
  select: (a: Float, b: Float, c: Int): F32 => code(float(a), float(b), int(c), [0x1b]),
} as const;

/** Four float32 lanes. Comparisons give all-ones or zero lanes; `int…` treats lanes as int32. */
// biome-ignore format: a table of instructions
export const v = {
  load: load<'v128'>(0, ...simd(0)), loadSplat: load<'v128'>(0, ...simd(9)), store: store('v128', 0, ...simd(11)),
  /** One float in lane 0, zeros elsewhere. */
  loadZero: load<'v128'>(0, ...simd(92)),
  splat: (x: Float): V128 => code(float(x), simd(0x13)), intSplat: (x: Int): V128 => code(int(x), simd(0x11)),
  const: (x: number): V128 => code(simd(12), four(f32bytes(x))),
  intConst: (n: number): V128 => code(simd(12), four(i32bytes(n))),
  lanes: (x: readonly number[]): V128 => code(simd(12), ...x.map(f32bytes)),
  bytes: (b: readonly number[]): V128 => code(simd(12), b),
  /** Lanes 0–3 come from a, 4–7 from b. */
  shuffle: (a: V128, b: V128, lanes: readonly number[]): V128 =>
    code(a, b, simd(13), lanes.flatMap((i) => [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3])),
  lane: (a: V128, i: number): F32 => code(a, simd(0x1f), [i]),
  setLane: (a: V128, i: number, x: Float): V128 => code(a, float(x), simd(0x20), [i]),
  storeLane: (at: Int, a: V128, lane: number, offset = 0): Statement =>
    statement(int(at), a, simd(0x5a), [0], uleb(offset), [lane]),
  add: vectors(0xe4), sub: vectors(0xe5), mul: vectors(0xe6), div: vectors(0xe7),
  sqrt: vector(0xe3), neg: vector(0xe1), abs: vector(0xe0), floor: vector(0x68),
  /** NaN in either gives NaN. */
  max: vectors(0xe9), min: vectors(0xe8),
  /** b < a ? b : a, and a < b ? b : a. Faster than min and max; NaN in a stays, NaN in b is ignored. */
  pmin: vectors(0xea), pmax: vectors(0xeb),
  eq: vectors(0x41), ne: vectors(0x42), lt: vectors(0x43), gt: vectors(0x44), le: vectors(0x45), ge: vectors(0x46),
  /** Bits of a where mask is set, else of b. */
  select: (a: V128, b: V128, mask: V128): V128 => code(a, b, mask, simd(0x52)),
  /** andNot(a, b) = a and not b */
  and: vectors(0x4e), andNot: vectors(0x4f), or: vectors(0x50), xor: vectors(0x51), not: vector(0x4d),
  anyTrue: unary<'v128', 'i32'>(...simd(0x53)), bitmask: unary<'v128', 'i32'>(...simd(0xa4)),
  fromInt: vector(0xfa), toInt: vector(0xf8),
  intAdd: vectors(0xae), intSub: vectors(0xb1), intShl: shift(0xab), intShr: shift(0xac), intShru: shift(0xad),
  intEq: vectors(0x37), intLt: vectors(0x39), intGt: vectors(0x3b),
  /** Eight int16 lanes: the int32 lanes of a, then of b, clamped to 16 bits. */
  narrow: vectors(0x85),
  /** Of int16 lanes, to int32: a₀b₀ + a₁b₁, a₂b₂ + a₃b₃, … */
  dotPairs: vectors(0xba),
  /** The first eight bytes as int16 lanes. */
  widenBytes: vector(0x89),
  /** The first eight bytes of a and b in turn: a₀, b₀, a₁, b₁, … */
  interleaveBytes: (a: V128, b: V128): V128 =>
    code(a, b, simd(13), Array.from({ length: 8 }, (_, i) => [i, 16 + i]).flat()),
  /** Sixteen bytes: the int16 lanes of a, then of b, clamped to 0..255. */
  narrowToBytes: vectors(0x66),
  /** x·y + z in one rounding (relaxed SIMD). Kernels call Fn.madd, which knows whether the engine has it. */
  madd: (x: V128, y: V128, z: V128): V128 => code(x, y, z, simd(0x105)),
} as const;

export const drop = (x: Expr<ValueType>): Statement => statement(x, [0x1a]);
/** Stops with an error. */
export const trap: Statement = statement([0x00]);
