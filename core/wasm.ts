/**
 * The WebAssembly emitter of the cpu device, for work outside of tensors: functions declared as in `cpu/kernels/`, in a
 * module with a memory of its own.
 */
import type { Params, WasmFunction } from './cpu/function.ts';
import type { Numbers } from './cpu/kernel.ts';
import { buildModule, ConstantTable } from './cpu/module.ts';

export { add, type Fn, type Int, i32, type Local, mul, sub, type V128, v, wasmFunction } from './cpu/kernels/dsl.ts';

/** Compiled functions and the memory that their addresses mean. */
export interface WasmProgram {
  /** Memory of at least that many bytes. Growing it detaches earlier views. */
  bytes(length: number): Uint8Array<ArrayBuffer>;
  run<P extends Params>(declared: WasmFunction<P>, args: Numbers<NoInfer<P>>): void;
}

/** Compiles functions, on the calling thread: they are small. */
export function wasmProgram(functions: readonly WasmFunction[]): WasmProgram {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { bytes } = buildModule(functions, { fma: false, constants: new ConstantTable(0, 0), shared: false });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory } });
  return {
    bytes(length) {
      const missing = length - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / 65536));
      return new Uint8Array(memory.buffer);
    },
    run: ({ name, params }, args) =>
      (exports[name] as (...args: number[]) => void)(...Object.keys(params).map((param) => args[param])),
  };
}
