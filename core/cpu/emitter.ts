/**
 * A tiny WebAssembly emitter. An expression is an array of bytes in post-order, so calls nest like the maths:
 *
 *   acc.set(v.add(acc, v.mul(x, y)))
 *
 * Loops and branches take callbacks that emit their bodies. TypeScript keeps i32, f32 and v128 apart; what it cannot
 * see (a wrong lane, a wrong offset) shows as wrong numbers, so each kernel is tested against plain JavaScript.
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
/** Bytes that leave nothing on the stack. */
export type Statement = readonly number[] & { readonly [type]: 'none' };
/** A parameter or local variable: its value, and a way to overwrite it (emitted where it is called). */
export type Local<T extends ValueType> = Expr<T> & { set(x: Expr<T>): void };

type Bytes = readonly number[];

const uleb = (n: number): number[] => {
  const out: number[] = [];
  n >>>= 0;
  do {
    let b = n & 127;
    n >>>= 7;
    if (n) b |= 128;
    out.push(b);
  } while (n);
  return out;
};
const sleb = (n: number): number[] => {
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
};
/** No spread: bodies exceed the argument limit. */
const append = (to: number[], bytes: Bytes): number[] => {
  for (const b of bytes) to.push(b);
  return to;
};
const f32bytes = (x: number): number[] => [...new Uint8Array(new Float32Array([x]).buffer)];
const i32bytes = (n: number): number[] => [...new Uint8Array(new Int32Array([n]).buffer)];
const four = (bytes: Bytes): number[] => [...bytes, ...bytes, ...bytes, ...bytes];
const vec = (items: readonly Bytes[]): number[] => items.reduce(append, uleb(items.length));
const str = (s: string): number[] => vec([...new TextEncoder().encode(s)].map((b) => [b]));
const TYPE = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;

const code = <T extends ValueType>(...parts: Bytes[]): Expr<T> =>
  parts.reduce(append, [] as number[]) as unknown as Expr<T>;
const statement = (...parts: Bytes[]): Statement => parts.reduce(append, [] as number[]) as unknown as Statement;
const unary =
  <A extends ValueType, R extends ValueType>(...op: number[]) =>
  (a: Expr<A>): Expr<R> =>
    code(a, op);
const binary =
  <A extends ValueType, R extends ValueType>(...op: number[]) =>
  (a: Expr<A>, b: Expr<A>): Expr<R> =>
    code(a, b, op);
const load =
  <R extends ValueType>(align: number, ...op: number[]) =>
  (at: I32, offset = 0): Expr<R> =>
    code(at, op, [align], uleb(offset));
const store =
  <A extends ValueType>(align: number, ...op: number[]) =>
  (at: I32, x: Expr<A>, offset = 0): Statement =>
    statement(at, x, op, [align], uleb(offset));
const simd = (n: number): number[] => [0xfd, ...uleb(n)];
const vv = (n: number) => binary<'v128', 'v128'>(...simd(n));
const v1 = (n: number) => unary<'v128', 'v128'>(...simd(n));
const shift =
  (n: number) =>
  (a: V128, by: number): V128 =>
    code(a, i32.const(by), simd(n));

export const i32 = {
  const: (n: number): I32 => code([0x41], sleb(n)),
  add: binary<'i32', 'i32'>(0x6a), sub: binary<'i32', 'i32'>(0x6b), mul: binary<'i32', 'i32'>(0x6c),
  divu: binary<'i32', 'i32'>(0x6e), remu: binary<'i32', 'i32'>(0x70),
  and: binary<'i32', 'i32'>(0x71), or: binary<'i32', 'i32'>(0x72), xor: binary<'i32', 'i32'>(0x73),
  shl: binary<'i32', 'i32'>(0x74), shr: binary<'i32', 'i32'>(0x75), shru: binary<'i32', 'i32'>(0x76),
  eqz: unary<'i32', 'i32'>(0x45), eq: binary<'i32', 'i32'>(0x46), ne: binary<'i32', 'i32'>(0x47),
  lt: binary<'i32', 'i32'>(0x48), gt: binary<'i32', 'i32'>(0x4a), le: binary<'i32', 'i32'>(0x4c), ge: binary<'i32', 'i32'>(0x4e),
  ltu: binary<'i32', 'i32'>(0x49), geu: binary<'i32', 'i32'>(0x4f),
  min: (a: I32, b: I32): I32 => code(a, b, a, b, [0x48, 0x1b]),
  max: (a: I32, b: I32): I32 => code(a, b, a, b, [0x4a, 0x1b]),
  /** c ≠ 0 ? a : b; both are computed. */
  select: (a: I32, b: I32, c: I32): I32 => code(a, b, c, [0x1b]),
  /** Whole part of a float, saturating; NaN gives 0. */
  fromFloat: unary<'f32', 'i32'>(0xfc, 0),
  bits: unary<'f32', 'i32'>(0xbc),
  load: load<'i32'>(2, 0x28), store: store<'i32'>(2, 0x36),
  atomicLoad: load<'i32'>(2, 0xfe, 0x10), atomicStore: store<'i32'>(2, 0xfe, 0x17), atomicAdd: (at: I32, x: I32, offset = 0): I32 => code(at, x, [0xfe, 0x1e, 2], uleb(offset)),
  /** Sleeps while memory[at] = expected; no time limit. Not allowed on a browser's main thread. */
  wait: (at: I32, expected: I32): I32 => code(at, expected, [0x42, 0x7f, 0xfe, 1, 2, 0]),
  notify: (at: I32, count: I32): I32 => code(at, count, [0xfe, 0, 2, 0]),
}; // biome-ignore format: a table of instructions

export const f32 = {
  const: (x: number): F32 => code([0x43], f32bytes(x)),
  load: load<'f32'>(2, 0x2a), store: store<'f32'>(2, 0x38),
  add: binary<'f32', 'f32'>(0x92), sub: binary<'f32', 'f32'>(0x93), mul: binary<'f32', 'f32'>(0x94), div: binary<'f32', 'f32'>(0x95),
  sqrt: unary<'f32', 'f32'>(0x91), abs: unary<'f32', 'f32'>(0x8b), neg: unary<'f32', 'f32'>(0x8c), floor: unary<'f32', 'f32'>(0x8e),
  max: binary<'f32', 'f32'>(0x97), min: binary<'f32', 'f32'>(0x96),
  eq: binary<'f32', 'i32'>(0x5b), ne: binary<'f32', 'i32'>(0x5c), lt: binary<'f32', 'i32'>(0x5d), gt: binary<'f32', 'i32'>(0x5e),
  le: binary<'f32', 'i32'>(0x5f), ge: binary<'f32', 'i32'>(0x60),
  select: (a: F32, b: F32, c: I32): F32 => code(a, b, c, [0x1b]),
  fromInt: unary<'i32', 'f32'>(0xb2),
}; // biome-ignore format: a table of instructions

/** Four float32 lanes. Comparisons give all-ones or zero lanes; `int…` treats lanes as int32. */
export const v = {
  load: load<'v128'>(0, ...simd(0)), loadSplat: load<'v128'>(0, ...simd(9)), store: store<'v128'>(0, ...simd(11)),
  /** One float in lane 0, zeros elsewhere. */
  loadZero: load<'v128'>(0, ...simd(92)),
  splat: unary<'f32', 'v128'>(...simd(0x13)), intSplat: unary<'i32', 'v128'>(...simd(0x11)),
  const: (x: number): V128 => code(simd(12), four(f32bytes(x))),
  intConst: (n: number): V128 => code(simd(12), four(i32bytes(n))),
  lanes: (x: readonly number[]): V128 => code(simd(12), ...x.map(f32bytes)),
  bytes: (b: readonly number[]): V128 => code(simd(12), b),
  /** Lanes 0–3 come from a, 4–7 from b. */
  shuffle: (a: V128, b: V128, lanes: readonly number[]): V128 =>
    code(a, b, simd(13), lanes.flatMap((i) => [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3])),
  lane: (a: V128, i: number): F32 => code(a, simd(0x1f), [i]),
  setLane: (a: V128, i: number, x: F32): V128 => code(a, x, simd(0x20), [i]),
  storeLane: (at: I32, a: V128, lane: number, offset = 0): Statement => statement(at, a, simd(0x5a), [0], uleb(offset), [lane]),
  add: vv(0xe4), sub: vv(0xe5), mul: vv(0xe6), div: vv(0xe7), sqrt: v1(0xe3), neg: v1(0xe1), abs: v1(0xe0), floor: v1(0x68),
  /** NaN in either gives NaN. */
  max: vv(0xe9), min: vv(0xe8),
  /** b < a ? b : a, and a < b ? b : a: one instruction each; NaN in a stays. */
  pmin: vv(0xea), pmax: vv(0xeb),
  eq: vv(0x41), ne: vv(0x42), lt: vv(0x43), gt: vv(0x44), le: vv(0x45), ge: vv(0x46),
  /** Bits of a where mask is set, else of b. */
  select: (a: V128, b: V128, mask: V128): V128 => code(a, b, mask, simd(0x52)),
  /** andNot(a, b) = a and not b */
  and: vv(0x4e), andNot: vv(0x4f), or: vv(0x50), xor: vv(0x51), not: v1(0x4d),
  anyTrue: unary<'v128', 'i32'>(...simd(0x53)), bitmask: unary<'v128', 'i32'>(...simd(0xa4)),
  intAdd: vv(0xae), intSub: vv(0xb1), intShl: shift(0xab), intShr: shift(0xac), intShru: shift(0xad), fromInt: v1(0xfa), toInt: v1(0xf8),
  intEq: vv(0x37), intLt: vv(0x39), intGt: vv(0x3b),
  /** Eight int16 lanes: those of int32 lanes of a, then of b, held within 16 bits; and, to int32, a₀b₀ + a₁b₁, a₂b₂ + a₃b₃, … */
  narrow: vv(0x85), dotPairs: vv(0xba),
  /** x·y + z in one rounding: relaxed SIMD. Kernels call KernelBuilder.madd, which knows whether the engine has it. */
  madd: (x: V128, y: V128, z: V128): V128 => code(x, y, z, simd(0x105)),
}; // biome-ignore format: a table of instructions

export const drop = (x: Expr<ValueType>): Statement => statement(x, [0x1a]);
/** Stops with an error. */
export const trap: Statement = statement([0x00]);

/** 'begin end lr:f32' → { begin: 'i32', end: 'i32', lr: 'f32' } */
type Split<S extends string> = S extends `${infer A} ${infer B}` ? A | Split<B> : S;
type Typed<S extends string, Name extends string> = Extract<S, `${Name}:${ValueType}`>;
type TypeOf<S extends string, Name extends string> = [Typed<S, Name>] extends [never]
  ? 'i32'
  : Typed<S, Name> extends `${Name}:${infer T extends ValueType}`
    ? T
    : never;
type NameOf<S extends string> = S extends `${infer Name}:${ValueType}` ? Name : S;
export type Params<P extends string> = { readonly [N in NameOf<Split<P>>]: Local<TypeOf<Split<P>, N>> };

/** A function under construction. */
export class Fn<P extends string = string> {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly args: Params<P>;
  readonly locals: ValueType[] = [];
  readonly body: number[] = [];

  /** @param params  names; 'lr:f32' for a float, plain names are i32 */
  constructor(name: string, params: P) {
    this.name = name;
    const pairs = params
      .split(' ')
      .filter(Boolean)
      .map((p) => p.split(':') as [string, ValueType?]);
    this.params = pairs.map(([, t]) => t ?? 'i32');
    this.args = Object.fromEntries(pairs.map(([n], i) => [n, this.#variable(i)])) as unknown as Params<P>;
  }
  #variable<T extends ValueType>(i: number): Local<T> {
    const set = (x: Expr<T>): void => {
      append(append(this.body, x), [0x21, ...uleb(i)]);
    };
    return Object.assign([0x20, ...uleb(i)], { set }) as unknown as Local<T>;
  }
  local<T extends ValueType = 'v128'>(t?: T): Local<T> {
    this.locals.push(t ?? 'v128');
    return this.#variable(this.params.length + this.locals.length - 1);
  }
  #emit(...parts: Bytes[]): void {
    for (const p of parts) append(this.body, p);
  }
  do(...statements: Statement[]): void {
    this.#emit(...statements);
  }
  /** What `emit` adds, taken out again: for code that goes before it. */
  record(emit: () => void): Statement {
    const from = this.body.length;
    emit();
    return this.body.splice(from) as unknown as Statement;
  }
  /** for (i = from; i < to; i += step) */
  for(i: Local<'i32'>, from: I32, to: I32, step: I32, body: () => void): void {
    i.set(from);
    this.#emit([0x02, 0x40, 0x03, 0x40], i32.ge(i, to), [0x0d, 1]);
    body();
    i.set(i32.add(i, step));
    this.#emit([0x0c, 0, 0x0b, 0x0b]);
  }
  /** for (i = 0; i < to; i += step) */
  loop(i: Local<'i32'>, to: I32, step: number, body: () => void): void {
    this.for(i, i32.const(0), to, i32.const(step), body);
  }
  while(condition: I32, body: () => void): void {
    this.#emit([0x02, 0x40, 0x03, 0x40], i32.eqz(condition), [0x0d, 1]);
    body();
    this.#emit([0x0c, 0, 0x0b, 0x0b]);
  }
  /**
   * do body() while (the expression that body returns) is not 0: V8's fastest loop form. `leaveIf`, outside of inner loops
   * and branches, ends the loop early where its condition is not 0.
   */
  doWhile(body: (leaveIf: (condition: I32) => void) => I32): void {
    this.#emit([0x02, 0x40, 0x03, 0x40]);
    const condition = body((condition) => this.#emit(condition, [0x0d, 1]));
    this.#emit(condition, [0x0d, 0, 0x0b, 0x0b]);
  }
  if(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#emit(condition, [0x04, 0x40]);
    then();
    if (otherwise) {
      this.#emit([0x05]);
      otherwise();
    }
    this.#emit([0x0b]);
  }
}

/** Calls another function of the same module. */
export function call(fns: readonly Fn[], name: string, ...args: Expr<ValueType>[]): Statement {
  const index = fns.findIndex((f) => f.name === name);
  if (index < 0) throw new Error(`emitter: expected a function defined before its call, got '${name}'.`);
  return statement(...args, [0x10, ...uleb(index)]);
}

/** Module bytes: memory is imported as e.m, every function is exported under its name. */
export function build(fns: readonly Fn[], { shared = false } = {}): Uint8Array<ArrayBuffer> {
  const section = (id: number, bytes: Bytes) => append([id, ...uleb(bytes.length)], bytes);
  const bodies = fns.map((f) => {
    const body = append(vec(f.locals.map((t) => [1, TYPE[t]])), f.body);
    body.push(0x0b);
    return append(uleb(body.length), body);
  });
  const out = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  append(out, section(1, vec(fns.map((f) => [0x60, ...vec(f.params.map((t) => [TYPE[t]])), 0]))));
  append(out, section(2, vec([[...str('e'), ...str('m'), 2, shared ? 3 : 1, ...uleb(1), ...uleb(65536)]])));
  append(out, section(3, vec(fns.map((_, i) => uleb(i)))));
  append(out, section(7, vec(fns.map((f, i) => [...str(f.name), 0, ...uleb(i)]))));
  append(out, section(10, vec(bodies)));
  return new Uint8Array(out);
}

/** True where relaxed SIMD is on: Node 22 and later, current browsers, Node 20 with --experimental-wasm-relaxed-simd. */
export function supportsRelaxedMadd(): boolean {
  const f = new Fn('probe', '');
  f.do(drop(v.madd(v.const(0), v.const(0), v.const(0))));
  return WebAssembly.validate(build([f]));
}
