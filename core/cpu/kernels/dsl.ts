/**
 * The language of kernels. Every file of kernels imports these names, and none gives them another meaning:
 *
 *   kernel, wasmFunction    declare what threads run, and what kernels call
 *   f, a                    in a body: the function under construction, and its parameters
 *   f.ints('i j'), …        local variables; `i.set(x)` assigns
 *   add, sub, mul           arithmetic of counts and byte addresses; a number stands for a constant
 *   bytes(n)                the size of n floats
 *   floatAt(p, i)           the address of float i behind address p
 *   i32, f32, v             all other instructions: integers, floats, vectors of four floats
 */
import { type I32, type Int, i32 } from '../instructions.ts';

export { type Fn, type Local, max4, sum4, type WasmFunction } from '../function.ts';
export { type F32, type Float, f32, type I32, type Int, i32, type Statement, type V128, v } from '../instructions.ts';
export { kernel, wasmFunction } from '../kernel.ts';

export const { add, sub, mul } = i32;
export const bytes = (floats: Int): I32 => i32.shl(floats, 2);
export const floatAt = (address: Int, i: Int): I32 => add(address, bytes(i));
