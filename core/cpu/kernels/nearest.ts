/**
 * Nearest codebook entry of each row: argmin_j |z|² + |e_j|² − 2 z·e_j, the first of equals. |z|² is the same for all j
 * and left out. Products of 128 rows and 128 entries at a time go to scratch, so rows × entries are never stored:
 *
 *        │ entries 0–127 │ 128–255 │ …        per row: the least distance and its id in four lanes, carried from
 *   rows │ z · e in scratch         …         block to block; each lane keeps its first minimum, and so does the row
 */
import { type Routine, ref } from '../routine.ts';
import { add, bytes, f32, floatAt, i32, kernel, mul, sub, sum4, v } from './dsl.ts';
import { ADDEND, gemm, gemmScratch } from './gemm.ts';
import { eachFour } from './rows.ts';

const ROWS = 128;
const ENTRIES = 128;
/** Byte offsets in scratch: products of one block, then least distance and id of each row, then gemm's own. */
const DISTANCE = ROWS * ENTRIES * 4;
const GEMM = DISTANCE + ROWS * 32;

/** norms[j] = |e_j|², and ∞ for the entries that fill up the last four, which are then never nearest. Items: j. */
const codeNorms = kernel('codeNorms', { e: i32, norms: i32, entries: i32, dim: i32 }, (f, a) => {
  const { i, j, row } = f.ints('i j row');
  const { s, t } = f.vectors('s t');
  const { sum } = f.floats('sum');
  f.for(i, a.begin, a.end, 1, () => {
    sum.set(Infinity);
    f.if(i32.lt(i, a.entries), () => {
      row.set(floatAt(a.e, mul(i, a.dim)));
      s.set(v.const(0));
      eachFour(f, j, a.dim, ({ load, live }) => {
        t.set(live(load(row), v.const(0)));
        s.set(f.madd(t, t, s));
      });
      sum.set(sum4(s));
    });
    f.do(f32.store(floatAt(a.norms, i), sum));
  });
});

/** Items: rows. */
const nearestCode = kernel('nearestCode', { z: i32, e: i32, norms: i32, y: i32, entries: i32, dim: i32 }, (f, a) => {
  const names = 'i r j block rows count source state stride';
  const { i, r, j, block, rows, count, source, state, stride } = f.ints(names);
  const { least, id, now, t, nearer } = f.vectors('least id now t nearer');
  const { d, best, bestId } = f.floats('d best bestId');

  const compareBlock = () => {
    least.set(v.load(state));
    id.set(v.load(state, 16));
    now.set(v.add(v.splat(f32.fromInt(block)), v.lanes([0, 1, 2, 3])));
    source.set(add(a.scratch, mul(r, ENTRIES * 4)));
    f.for(j, 0, bytes(count), 16, () => {
      t.set(v.load(add(floatAt(a.norms, block), j)));
      t.set(f.madd(v.load(add(source, j)), f.constant(-2), t));
      nearer.set(v.lt(t, least));
      least.set(v.select(t, least, nearer));
      id.set(v.select(now, id, nearer));
      now.set(v.add(now, f.constant(4)));
    });
    f.do(v.store(state, least), v.store(state, id, 16));
  };
  const chooseLane = () => {
    best.set(f32.load(state));
    bestId.set(f32.load(state, 16));
    for (const lane of [1, 2, 3]) {
      const laneId = f32.load(state, 16 + 4 * lane);
      d.set(f32.load(state, 4 * lane));
      const first = i32.and(f32.eq(d, best), f32.lt(laneId, bestId));
      f.if(i32.or(f32.lt(d, best), first), () => {
        best.set(d);
        bestId.set(laneId);
      });
    }
  };
  const eachRow = (body: () => void) => {
    state.set(add(a.scratch, DISTANCE));
    f.for(r, 0, rows, 1, () => {
      body();
      state.set(add(state, 32));
    });
  };

  stride.set(bytes(a.dim));
  f.for(i, a.begin, a.end, ROWS, () => {
    rows.set(i32.min(ROWS, sub(a.end, i)));
    eachRow(() => f.do(v.store(state, v.const(Infinity)), v.store(state, v.const(0), 16)));
    f.for(block, 0, a.entries, ENTRIES, () => {
      count.set(i32.min(ENTRIES, sub(a.entries, block)));
      f.call(gemm.row, {
        m: rows,
        n: count,
        depth: a.dim,
        A: add(a.z, mul(i, stride)),
        lda: stride,
        B: add(a.e, mul(block, stride)),
        rs: 4,
        cs: stride,
        C: a.scratch,
        ldc: ENTRIES * 4,
        addend: ADDEND.nothing,
        bias: 0,
        buffer: add(a.scratch, GEMM),
      });
      eachRow(compareBlock);
    });
    eachRow(() => {
      chooseLane();
      f.do(f32.store(floatAt(a.y, add(i, r)), bestId));
    });
  });
});

export const kernels = [codeNorms, nearestCode];

/** Scratch floats of the kernel; gemm's part is largest for dim ≥ 256. */
export const scratchFloats = GEMM / 4 + gemmScratch(ENTRIES, 256);

export const routines: Readonly<Record<string, Routine>> = {
  /** z [R, D], codebook [V, D] → ids [R] */
  nearestCode(cpu, y, ...args) {
    const [z, e] = [ref(args[0]), ref(args[1])];
    const [rows, dim] = z.shape as [number, number];
    const entries = e.shape[0];
    const padded = (entries + 3) & ~3;
    const norms = cpu.alloc(padded);
    cpu.parallel(codeNorms, { items: padded, work: 2 * entries * dim }, { e: e.at, norms, entries, dim });
    const launch = { items: rows, work: rows * entries * (dim + 4) };
    cpu.parallel(nearestCode, launch, { z: z.at, e: e.at, norms, y: y.at, entries, dim });
    cpu.free(norms, padded);
  },
};
