/** Makes WebAssembly modules of declared functions. */
import { Fn, type WasmFunction } from './function.ts';
import { append, type Bytes, drop, uleb, type V128, v } from './instructions.ts';
import { wasmFunction } from './kernel.ts';

/** A module: memory is imported as e.m, every function is exported under its name. */
export interface WasmModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** In the order of the exports. */
  readonly functions: readonly WasmFunction[];
}

export interface ModuleOptions {
  /** The engine multiplies and adds in one instruction. */
  readonly fma: boolean;
  readonly constants: ConstantTable;
  /** Memory is shared between threads. */
  readonly shared: boolean;
}

/** Vector constants in memory, 16 bytes each, for `Fn.constant`. */
export class ConstantTable {
  readonly values: number[] = [];
  readonly at: number;
  readonly capacity: number;

  /** @param at  byte address of the table */
  constructor(at: number, capacity: number) {
    this.at = at;
    this.capacity = capacity;
  }
  /** An expression that loads x into four lanes; an instruction with a constant once the table is full. */
  get(x: number): V128 {
    let i = this.values.findIndex((y) => Object.is(x, y));
    if (i < 0) {
      if (this.values.length === this.capacity) return v.const(x);
      i = this.values.push(x) - 1;
    }
    return v.load(0, this.at + 16 * i);
  }
  /** Writes the constants where kernels read them. */
  store(memory: Float32Array): void {
    this.values.forEach((x, i) => {
      memory.fill(x, this.at / 4 + 4 * i, this.at / 4 + 4 * i + 4);
    });
  }
}

/** Builds a module of functions and of all that they call. Store the table's constants before running it. */
export function buildModule(wanted: readonly WasmFunction[], { fma, constants, shared }: ModuleOptions): WasmModule {
  const functions: WasmFunction[] = [];
  const emitted: Fn[] = [];
  const indexOf = (declared: WasmFunction): number => {
    const known = functions.indexOf(declared);
    if (known >= 0) return known;
    const f = new Fn({ fma, constant: (x) => constants.get(x), indexOf }, Object.values(declared.params));
    functions.push(declared);
    const index = emitted.push(f) - 1;
    declared.emit(f);
    return index;
  };
  wanted.forEach(indexOf);
  return { bytes: encode(emitted, functions, shared), functions };
}

/**
 * True where relaxed SIMD is on: Node 22 and later, current browsers, Node 20 with --experimental-wasm-relaxed-simd.
 */
export function supportsRelaxedMadd(): boolean {
  const probe = wasmFunction('probe', {}, (f) => f.do(drop(v.madd(v.const(0), v.const(0), v.const(0)))));
  const options = { fma: true, constants: new ConstantTable(0, 0), shared: false };
  return WebAssembly.validate(buildModule([probe], options).bytes);
}

const TYPE = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const;
const list = (items: readonly Bytes[]): number[] => items.reduce(append, uleb(items.length));
const text = (s: string): number[] => list([...new TextEncoder().encode(s)].map((b) => [b]));
const section = (id: number, bytes: Bytes): number[] => append([id, ...uleb(bytes.length)], bytes);

function encode(emitted: readonly Fn[], functions: readonly WasmFunction[], shared: boolean): Uint8Array<ArrayBuffer> {
  const bodies = emitted.map(({ locals, body }) => {
    const bytes = append(list(locals.map((t) => [1, TYPE[t]])), body);
    bytes.push(0x0b);
    return append(uleb(bytes.length), bytes);
  });
  const types = emitted.map(({ params }) => [0x60, ...list(params.map((t) => [TYPE[t]])), 0]);
  const memory = [...text('e'), ...text('m'), 2, shared ? 3 : 1, ...uleb(1), ...uleb(65536)];
  const exports = functions.map(({ name }, i) => [...text(name), 0, ...uleb(i)]);
  const out = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  append(out, section(1, list(types)));
  append(out, section(2, list([memory])));
  append(out, section(3, list(emitted.map((_, i) => uleb(i)))));
  append(out, section(7, list(exports)));
  append(out, section(10, list(bodies)));
  return new Uint8Array(out);
}
