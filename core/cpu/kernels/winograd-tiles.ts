/** The 4×4 tiles of winograd.ts: 16 planes in memory, one for each place of the tile; 16 vectors in a kernel. */
import { add, bytes, type Fn, type I32, type Int, type Local, mul } from './dsl.ts';

export const PLANES = 16;
/** Floats between planes. Planes a multiple of 4 KB apart would compete for the same few cache lines. */
export const GAP = 16;
/** Bytes from one plane of rows × columns to the next. */
export const planeBytes = (rows: Int, columns: Int): I32 => bytes(add(mul(rows, columns), GAP));
/** Floats of all planes. */
export const planesOf = (rows: number, columns: number): number => PLANES * (rows * columns + GAP);

export const FOUR = [0, 1, 2, 3] as const;
export type Four = readonly [Local<'v128'>, Local<'v128'>, Local<'v128'>, Local<'v128'>];
/** 16 locals, as the rows and as the columns of 4×4. */
export function square(f: Fn, name: string) {
  const cell = (row: number, column: number) => f.vector(`${name}${row}${column}`);
  return {
    rows: FOUR.map((i) => FOUR.map((j) => cell(i, j)) as unknown as Four),
    columns: FOUR.map((j) => FOUR.map((i) => cell(i, j)) as unknown as Four),
  };
}
