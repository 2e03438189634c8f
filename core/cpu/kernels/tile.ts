/**
 * The innermost loop of matrix products: a tile of C in registers, 6 × 8 or 4 × 8, summed over k.
 *
 * The 6 × 8 tile uses the 15 vector registers that V8 hands out: 12 accumulators, 2 vectors of B, one of A. The 4 × 8
 * tile has 8 accumulators, too few to hide the four cycles of a multiply-add, and runs at 0.91 × the rate. It serves
 * the lower edge, and engines without a fused multiply-add.
 */
import { add, type Fn, type Int, i32, type Local, sub, v } from './dsl.ts';

/** How A is stored: rows of k, or transposed, rows of m. */
export type Mode = 'row' | 'col';

/** Columns of a tile. */
export const COLUMNS = 8;
/** Rows of a tile. */
const TALL = 6;
const SHORT = 4;

/** The local variables of a tile. */
export interface Tile {
  /** Accumulators, [rows][2]: two vectors for each row. */
  readonly sums: readonly Local<'v128'>[][];
  /** Addresses in A: of each row ('row'), or of the rows' values for one k ('col'). */
  readonly a: readonly Local<'i32'>[];
}
export const tileOf = (f: Fn, mode: Mode, rows: number): Tile => ({
  sums: Array.from({ length: rows }, (_, x) => f.vectorArray(`c${x}`, COLUMNS / 4)),
  a: f.intArray('a', mode === 'row' ? rows : 1),
});

/**
 * tile.sums = Σ over kb values of k of A, from tile.a on, times a panel of B. `lda`: bytes from k to k where mode is
 * 'col'.
 *
 * V8 hoists the loads of a basic block above its multiply-adds and then runs out of registers. A never-taken branch
 * after each row of the tall tile ends the block, so one register can hold all values of A.
 */
export function sumTile(f: Fn, tile: Tile, mode: Mode, panel: Int, kb: Int, lda: Int): void {
  const { count, pb } = f.ints('count pb');
  const { av } = f.vectors('av');
  const b = f.vectorArray('b', COLUMNS / 4);
  for (const sum of tile.sums.flat()) sum.set(v.const(0));
  pb.set(panel);
  count.set(kb);
  f.doWhile((leaveIf) => {
    for (const [y, vector] of b.entries()) vector.set(v.load(pb, 16 * y));
    tile.sums.forEach((row, x) => {
      av.set(mode === 'row' ? v.loadSplat(tile.a[x]) : v.loadSplat(tile.a[0], 4 * x));
      for (const [y, sum] of row.entries()) sum.set(f.madd(av, b[y], sum));
      // another condition each time: V8 drops a branch that repeats an earlier one
      if (tile.sums.length === TALL && x < TALL - 1) leaveIf(i32.lt(count, -x));
    });
    for (const p of tile.a) p.set(add(p, mode === 'row' ? 4 : lda));
    pb.set(add(pb, 4 * COLUMNS));
    count.set(sub(count, 1));
    return count;
  });
}

/**
 * Emits `body` for the tiles that cover the rows from … to − 1, with the first row of each in i: tall tiles, then up to
 * two short ones where that leaves fewer rows empty. Full tiles cover every even number of rows from 4 on.
 */
export function eachTile(f: Fn, i: Local<'i32'>, from: Int, to: Int, body: (rows: number) => void): void {
  i.set(from);
  if (f.fma) {
    const { pairs, tall } = f.ints('pairs tall');
    // a tall tile has 3 pairs of rows, a short one 2: (2 · pairs) mod 3 short ones leave a multiple of 3
    pairs.set(i32.shru(add(sub(to, i), 1), 1));
    tall.set(add(i, i32.shl(sub(pairs, i32.shl(i32.remu(i32.shl(pairs, 1), 3), 1)), 1)));
    f.for(i, i, tall, TALL, () => body(TALL));
  }
  f.for(i, i, to, SHORT, () => body(SHORT));
}
