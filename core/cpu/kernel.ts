/**
 * Declares the WebAssembly functions of the cpu device: a name, typed parameters, a body that emits the code.
 *
 *   const scale = kernel('scale', { x: i32, y: i32, factor: f32 }, (f, a) => { … });
 *   cpu.parallel(scale, { items: n, work: n, unit: 16 }, { x: x.at, y: y.at, factor: 2 });
 *
 * A *kernel* is what threads run, each on its own range of items. An item is a row, a tile, an image: each kernel's
 * docstring says what. Three parameters come before the declared ones:
 *
 *   begin, end   the thread's items, begin … end − 1
 *   scratch      address of SCRATCH_FLOATS floats that are the thread's own, with unspecified values
 *
 * A *function* (`wasmFunction`) is called by kernels and other functions, and has the declared parameters only.
 *
 * i32 parameters named after tensors are byte addresses. Strides and offsets are in bytes, lengths in values.
 */
import type { Fn, Local, Params, WasmFunction } from './function.ts';

/** Scratch floats per thread. The largest user is Strassen's algorithm, with the panels of seven products. */
export const SCRATCH_FLOATS = 160_000;

/** Arguments of a launch, by name. */
export type Numbers<P extends Params> = { readonly [N in keyof P]: number };
/** Parameters as declared: `{ x: i32, factor: f32 }`. */
type Declared<P extends Params> = { readonly [N in keyof P]: { readonly type: P[N] } };
/** The parameters inside a body. */
type Variables<P extends Params> = { readonly [N in keyof P]: Local<P[N]> };
type Body<P extends Params> = (f: Fn, a: Variables<P>) => void;
type Share = { readonly begin: 'i32'; readonly end: 'i32'; readonly scratch: 'i32' };
const SHARE: Share = { begin: 'i32', end: 'i32', scratch: 'i32' };

/** A declared kernel. */
export interface Kernel<P extends Params = Params> extends WasmFunction {
  /** Named arguments in the order of the declaration. */
  inOrder(args: Numbers<P>): readonly number[];
}

/** How the items of a kernel are cut into one contiguous range per thread. */
export interface Launch {
  /** Number of items. */
  readonly items: number;
  /** Estimated scalar operations of all items together. Small work stays on the calling thread. */
  readonly work: number;
  /** Ranges begin at multiples of this. Default: 1. */
  readonly unit?: number;
}

/** Declares a function that kernels call with `f.call(declared, { … })`. */
export function wasmFunction<P extends Params>(name: string, params: Declared<P>, body: Body<P>): WasmFunction<P> {
  return define(name, types(params), body);
}
/** Declares a function that threads run. */
export function kernel<P extends Params>(name: string, params: Declared<P>, body: Body<Share & P>): Kernel<P> {
  const declared = types(params);
  return { ...define<Share & P>(name, { ...SHARE, ...declared }, body), inOrder: inOrder(Object.keys(declared)) };
}

const types = <P extends Params>(params: Declared<P>): P =>
  Object.fromEntries(Object.entries(params).map(([name, { type }]) => [name, type])) as P;

function define<P extends Params>(name: string, params: P, body: Body<P>): WasmFunction<P> {
  const variables = (f: Fn) =>
    Object.fromEntries(Object.keys(params).map((param, i) => [param, f.param(i)])) as unknown as Variables<P>;
  return { name, params, emit: (f) => body(f, variables(f)) };
}

/** Compiled where possible: V8 then reads each argument as a field, without a lookup by name (0.1 µs per launch). */
function inOrder(names: readonly string[]): (args: Readonly<Record<string, number>>) => readonly number[] {
  try {
    return new Function('a', `return [${names.map((name) => `a.${name}`)}]`) as ReturnType<typeof inOrder>;
  } catch {
    return (args) => names.map((name) => args[name]); // the page's content security policy forbids it
  }
}
