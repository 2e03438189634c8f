/** A WebAssembly function under construction: statements, local variables, and constants of its module. */
import {
  append,
  type Bytes,
  type Expr,
  type F32,
  f32,
  type I32,
  type Int,
  i32,
  type Operand,
  operand,
  type Statement,
  statement,
  uleb,
  type V128,
  type ValueType,
  v,
} from './instructions.ts';

/** A parameter or local variable: an expression for its value, and `set`, which emits an assignment. */
export type Local<T extends ValueType> = Expr<T> & { set(x: Operand<T>): void };

/** Parameters and their types, in the order in which they are passed. */
export type Params = Readonly<Record<string, 'i32' | 'f32'>>;
/** A declared function; see kernel.ts. */
export interface WasmFunction<P extends Params = Params> {
  readonly name: string;
  readonly params: P;
  /** Emits the body. */
  emit(f: Fn): void;
}

/** The module that a function becomes part of. */
export interface FunctionModule {
  readonly fma: boolean;
  /** The constant x in four lanes. */
  constant(x: number): V128;
  indexOf(callee: WasmFunction): number;
}

type Names<S extends string> = S extends `${infer A} ${infer B}` ? A | Names<B> : S;
type Named<S extends string, T extends ValueType> = { readonly [N in Names<S>]: Local<T> };

export class Fn {
  readonly params: readonly ValueType[];
  readonly locals: ValueType[] = [];
  readonly body: number[] = [];
  readonly #module: FunctionModule;
  readonly #byName = new Map<string, Local<ValueType>>();
  /** Gives constants while `hoistConstants` emits its loops. */
  #hoisted: ((x: number) => V128) | undefined;

  constructor(module: FunctionModule, params: readonly ValueType[]) {
    this.#module = module;
    this.params = params;
  }

  // ---- variables ----

  param<T extends ValueType>(index: number): Local<T> {
    return this.#variable(index, this.params[index] as T);
  }
  /** The local variable of this name and type. Asking again for a name gives the same variable. */
  local<T extends ValueType>(name: string, type: T): Local<T> {
    let found = this.#byName.get(name);
    if (!found) {
      this.locals.push(type);
      found = this.#variable<ValueType>(this.params.length + this.locals.length - 1, type);
      this.#byName.set(name, found);
    }
    return found as Local<T>;
  }
  int(name: string): Local<'i32'> {
    return this.local(name, 'i32');
  }
  float(name: string): Local<'f32'> {
    return this.local(name, 'f32');
  }
  vector(name: string): Local<'v128'> {
    return this.local(name, 'v128');
  }
  /** const { i, j } = f.ints('i j') */
  ints<S extends string>(names: S): Named<S, 'i32'> {
    return this.#named(names, 'i32');
  }
  floats<S extends string>(names: S): Named<S, 'f32'> {
    return this.#named(names, 'f32');
  }
  vectors<S extends string>(names: S): Named<S, 'v128'> {
    return this.#named(names, 'v128');
  }
  /** The locals name0, name1, … */
  intArray(name: string, count: number): Local<'i32'>[] {
    return Array.from({ length: count }, (_, i) => this.int(`${name}${i}`));
  }
  vectorArray(name: string, count: number): Local<'v128'>[] {
    return Array.from({ length: count }, (_, i) => this.vector(`${name}${i}`));
  }
  #named<S extends string, T extends ValueType>(names: S, type: T): Named<S, T> {
    return Object.fromEntries(names.split(' ').map((n) => [n, this.local(n, type)])) as unknown as Named<S, T>;
  }
  #variable<T extends ValueType>(index: number, type: T): Local<T> {
    const set = (x: Operand<T>): void => this.#emit(operand(type, x), [0x21, ...uleb(index)]);
    return Object.assign([0x20, ...uleb(index)], { set }) as unknown as Local<T>;
  }

  // ---- values that depend on the module ----

  /** The engine multiplies and adds in one instruction. */
  get fma(): boolean {
    return this.#module.fma;
  }
  /** x·y + z, in one rounding where the engine can. */
  madd(x: V128, y: V128, z: V128): V128 {
    return this.fma ? v.madd(x, y, z) : v.add(z, v.mul(x, y));
  }
  /** The constant x in four lanes, read from memory: one load, where V8 rebuilds `v.const` at each use. */
  constant(x: number): V128 {
    return this.#hoisted?.(x) ?? this.#module.constant(x);
  }
  /** a[0] x⁰ + a[1] x¹ + …; x should be a local. */
  polynomial(x: V128, coefficients: readonly number[]): V128 {
    const [last, ...rest] = [...coefficients].reverse() as [number, ...number[]];
    return rest.reduce((p, a) => this.madd(p, x, this.constant(a)), this.constant(last));
  }
  /** Emits loops whose constants are loaded once, before them. */
  hoistConstants(emit: () => void): void {
    const hoisted = new Map<string, { value: number; local: Local<'v128'> }>();
    this.#hoisted = (value) => {
      const name = Object.is(value, -0) ? '-0' : String(value);
      const local = this.vector(`constant ${name}`);
      hoisted.set(name, { value, local });
      return local;
    };
    const start = this.body.length;
    emit();
    const loops = this.body.splice(start);
    this.#hoisted = undefined;
    for (const { value, local } of hoisted.values()) local.set(this.constant(value));
    this.#emit(loops);
  }

  // ---- statements ----

  do(...statements: Statement[]): void {
    this.#emit(...statements);
  }
  /** Calls another function and adds it to the module if it is not part of it yet. */
  call<P extends Params>(callee: WasmFunction<P>, args: { readonly [N in keyof P]: Operand<P[N]> }): void {
    const values = Object.entries(callee.params).map(([name, type]) => operand(type, args[name]));
    this.do(statement(...values, [0x10, ...uleb(this.#module.indexOf(callee))]));
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
  /** for (i = from; i < to; i += step) */
  for(i: Local<'i32'>, from: Int, to: Int, step: Int, body: () => void): void {
    i.set(from);
    this.#emit([0x02, 0x40, 0x03, 0x40], i32.ge(i, to), [0x0d, 1]);
    body();
    i.set(i32.add(i, step));
    this.#emit([0x0c, 0, 0x0b, 0x0b]);
  }
  while(condition: I32, body: () => void): void {
    this.#emit([0x02, 0x40, 0x03, 0x40], i32.eqz(condition), [0x0d, 1]);
    body();
    this.#emit([0x0c, 0, 0x0b, 0x0b]);
  }
  /**
   * Repeats the body while the expression that it returns is not 0: V8's fastest loop form. `leaveIf`, outside of inner
   * loops and branches, ends the loop early where its condition is not 0.
   */
  doWhile(body: (leaveIf: (condition: I32) => void) => I32): void {
    this.#emit([0x02, 0x40, 0x03, 0x40]);
    const condition = body((condition) => this.#emit(condition, [0x0d, 1]));
    this.#emit(condition, [0x0d, 0, 0x0b, 0x0b]);
  }
  #emit(...parts: Bytes[]): void {
    for (const p of parts) append(this.body, p);
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
