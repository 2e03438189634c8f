/**
 * Nearest codebook entry of each row: argmin_j |z|² + |e_j|² − 2 z·e_j, the first of equals. |z|² is the same for all j and
 * left out. Products of 128 rows and 128 entries at a time go to scratch, so rows × entries are never stored:
 *
 *        │ entries 0–127 │ 128–255 │ …        per row: four lanes of least distance and its id, carried from block to
 *   rows │ z · e in scratch         …         block; a lane keeps the first minimum, and so does the choice of the lane
 */
import { f32, i32, v } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { type Routine, ref } from '../routine.ts';
import { ADD, gemmScratch } from './gemm.ts';
import { eachFour, floats, ints, vectors } from './locals.ts';

const at = i32.add;
const c = i32.const;
const ROWS = 128;
const ENTRIES = 128;
/** Byte offsets in scratch: products of one block, then least distance and id of each row, then the product's own. */
const DISTANCE = ROWS * ENTRIES * 4;
const GEMM = DISTANCE + ROWS * 32;

export function define(k: KernelBuilder): void {
  // norms[j] = |e_j|², and Infinity for the entries that fill up the last four, which are then never nearest
  k.def('code_norms', 'begin end scratch e norms entries dim', (f, a, L) => {
    const { i, j, row } = ints(L, 'i j row');
    const { s, t } = vectors(L, 's t');
    const { sum } = floats(L, 'sum');
    f.for(i, a.begin, a.end, c(1), () => {
      sum.set(f32.const(Infinity));
      f.if(i32.lt(i, a.entries), () => {
        row.set(at(a.e, i32.shl(i32.mul(i, a.dim), c(2))));
        s.set(v.const(0));
        eachFour(f, L, j, a.dim, ({ load, live }) => {
          t.set(live(load(row), v.const(0)));
          s.set(k.madd(t, t, s));
        });
        sum.set(f32.add(f32.add(v.lane(s, 0), v.lane(s, 1)), f32.add(v.lane(s, 2), v.lane(s, 3))));
      });
      f.do(f32.store(at(a.norms, i32.shl(i, c(2))), sum));
    });
  });

  k.def('nearestCode', 'begin end scratch z e norms y entries dim', (f, a, L) => {
    const { i, r, j, block, rows, count, source, state, bytes } = ints(L, 'i r j block rows count source state bytes');
    const { least, id, now, t, nearer } = vectors(L, 'least id now t nearer');
    const { d, best, bestId } = floats(L, 'd best bestId');
    bytes.set(i32.shl(a.dim, c(2)));

    const compareBlock = () => {
      least.set(v.load(state));
      id.set(v.load(state, 16));
      now.set(v.add(v.splat(f32.fromInt(block)), v.lanes([0, 1, 2, 3])));
      source.set(at(a.scratch, i32.mul(r, c(ENTRIES * 4))));
      f.loop(j, i32.shl(count, c(2)), 16, () => {
        t.set(v.load(at(at(a.norms, i32.shl(block, c(2))), j)));
        t.set(k.madd(v.load(at(source, j)), k.c(-2), t));
        nearer.set(v.lt(t, least));
        least.set(v.select(t, least, nearer));
        id.set(v.select(now, id, nearer));
        now.set(v.add(now, k.c(4)));
      });
      f.do(v.store(state, least), v.store(state, id, 16));
    };
    const chooseLane = () => {
      best.set(f32.load(state));
      bestId.set(f32.load(state, 16));
      for (const lane of [1, 2, 3]) {
        d.set(f32.load(state, 4 * lane));
        const first = i32.and(f32.eq(d, best), f32.lt(f32.load(state, 16 + 4 * lane), bestId));
        f.if(i32.or(f32.lt(d, best), first), () => {
          best.set(d);
          bestId.set(f32.load(state, 16 + 4 * lane));
        });
      }
    };
    const eachRow = (body: () => void) => {
      state.set(at(a.scratch, c(DISTANCE)));
      f.loop(r, rows, 1, () => {
        body();
        state.set(at(state, c(32)));
      });
    };

    f.for(i, a.begin, a.end, c(ROWS), () => {
      rows.set(i32.min(c(ROWS), i32.sub(a.end, i)));
      eachRow(() => f.do(v.store(state, v.const(Infinity)), v.store(state, v.const(0), 16)));
      f.for(block, c(0), a.entries, c(ENTRIES), () => {
        count.set(i32.min(c(ENTRIES), i32.sub(a.entries, block)));
        const z = at(a.z, i32.mul(i, bytes));
        const e = at(a.e, i32.mul(block, bytes));
        const product = [a.scratch, c(ENTRIES * 4), c(ADD.nothing), c(0), at(a.scratch, c(GEMM))] as const;
        f.do(k.call('gemm_row', rows, count, a.dim, z, bytes, e, c(4), bytes, ...product));
        eachRow(compareBlock);
      });
      eachRow(() => {
        chooseLane();
        f.do(f32.store(at(a.y, i32.shl(at(i, r), c(2))), bestId));
      });
    });
  });
}

/** Scratch floats that the kernel needs; gemm's part is largest for dim ≥ 256. */
export const scratchFloats = GEMM / 4 + gemmScratch(ENTRIES, 256);

export const routines: Readonly<Record<string, Routine>> = {
  /** z [R, D], codebook [V, D] → ids [R] */
  nearestCode(cpu, y, ...args) {
    const [z, e] = [ref(args[0]), ref(args[1])];
    const [rows, dim] = z.shape as [number, number];
    const entries = e.shape[0];
    const padded = (entries + 3) & ~3;
    const norms = cpu.alloc(padded);
    cpu.parallel('code_norms', padded, 2 * entries * dim, [e.at, norms, entries, dim]);
    cpu.parallel('nearestCode', rows, rows * entries * (dim + 4), [z.at, e.at, norms, y.at, entries, dim]);
    cpu.free(norms, padded);
  },
};
