/** Collects the WASM functions of one module and the vector constants that they read. */
import {
  build,
  call,
  type Expr,
  type F32,
  Fn,
  f32,
  i32,
  type Local,
  type Params,
  type Statement,
  type V128,
  type ValueType,
  v,
} from './emitter.ts';

/** A local variable by name: asking again for the same name gives the same variable. */
export type Locals = <T extends ValueType = 'v128'>(name: string, type?: T) => Local<T>;
export type Body<P extends string> = (f: Fn, args: Params<P>, L: Locals) => void;

/** Vector constants that kernels read from memory, 16 bytes each: one load, where V8 rebuilds v128.const each time. */
export class ConstantTable {
  readonly values: number[] = [];
  readonly at: number;
  readonly capacity: number;

  /** @param at  byte address of the table */
  constructor(at: number, capacity: number) {
    this.at = at;
    this.capacity = capacity;
  }
  get(x: number): V128 {
    let i = this.values.findIndex((y) => Object.is(x, y));
    if (i < 0) {
      if (this.values.length === this.capacity) return v.const(x);
      i = this.values.push(x) - 1;
    }
    return v.load(i32.const(0), this.at + 16 * i);
  }
  /** Writes the constants where kernels read them. */
  store(memory: Float32Array): void {
    this.values.forEach((x, i) => {
      memory.fill(x, this.at / 4 + 4 * i, this.at / 4 + 4 * i + 4);
    });
  }
}

export class KernelBuilder {
  readonly fma: boolean;
  readonly functions: Fn[] = [];
  readonly #constants: ConstantTable;
  #held: ((x: number) => Local<'v128'>) | undefined;

  constructor(fma: boolean, constants: ConstantTable) {
    this.fma = fma;
    this.#constants = constants;
  }
  /**
   * Adds an exported function. Kernels that threads run begin with the parameters `begin end scratch`.
   *
   *   k.def('scale', 'begin end scratch x y factor:f32', (f, a, L) => { … })
   */
  def<P extends string>(name: string, params: P, body: Body<P>): void {
    if (this.functions.some((f) => f.name === name))
      throw new Error(`KernelBuilder: expected a new name, got '${name}'.`);
    const f = new Fn(name, params);
    const fn = f as unknown as Fn;
    const locals = new Map<string, Local<ValueType>>();
    const L: Locals = <T extends ValueType>(key: string, type?: T) => {
      const found = locals.get(key) ?? f.local(type ?? 'v128');
      locals.set(key, found as Local<ValueType>);
      return found as Local<T>;
    };
    this.functions.push(fn);
    body(fn, f.args, L);
  }
  /** Calls a function defined before. */
  call(name: string, ...args: Expr<ValueType>[]): Statement {
    return call(this.functions, name, ...args);
  }
  /** x·y + z, in one rounding where the engine can. */
  madd(x: V128, y: V128, z: V128): V128 {
    return this.fma ? v.madd(x, y, z) : v.add(z, v.mul(x, y));
  }
  /** The constant x in four lanes. */
  c(x: number): V128 {
    return this.#held?.(x) ?? this.#constants.get(x);
  }
  /** Emits loops whose constants are read once, before them. */
  hold(f: Fn, L: Locals, emit: () => void): void {
    const held = new Map<string, { value: number; local: Local<'v128'> }>();
    this.#held = (value) => {
      const name = Object.is(value, -0) ? '-0' : String(value);
      const local = L(`constant ${name}`);
      held.set(name, { value, local });
      return local;
    };
    const loops = f.record(emit);
    this.#held = undefined;
    for (const { value, local } of held.values()) local.set(this.c(value));
    f.do(loops);
  }
  /** a[0] x⁰ + a[1] x¹ + …; x should be a local. */
  polynomial(x: V128, coefficients: readonly number[]): V128 {
    const [last, ...rest] = [...coefficients].reverse() as [number, ...number[]];
    return rest.reduce((p, a) => this.madd(p, x, this.c(a)), this.c(last));
  }
  build(shared: boolean): Uint8Array<ArrayBuffer> {
    return build(this.functions, { shared });
  }
}

const fold =
  (op: (a: F32, b: F32) => F32) =>
  (x: V128): F32 =>
    op(op(v.lane(x, 0), v.lane(x, 1)), op(v.lane(x, 2), v.lane(x, 3)));
/** Sum of four lanes; x should be a local. */
export const sum4 = fold(f32.add);
/** Largest of four lanes; x should be a local. */
export const max4 = fold(f32.max);
