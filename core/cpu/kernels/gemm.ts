/**
 * Matrix products: C = A B (+ what is there, + bias), any sizes, either operand transposed.
 *
 *            ┌─ 8 columns ─┐
 *            │ B, packed   │  256 × 256 blocks of B are copied once into panels of 8 columns: [panel][k][8]
 *            └─────────────┘
 *   ┌──────┐ ┌──────┬──────┐
 *   │ A: 6 │ │ C: 6 × 8    │  one tile = 12 accumulators; for each k: 2 vectors of B, 6 splatted values of A, 12 madd
 *   └──────┘ └──────┴──────┘
 *
 * 12 accumulators, 2 vectors of B and one of A are the 15 registers that V8 hands out. It would load all six values of A
 * before the first madd and run out of them; `emitTile` keeps it from that. Where multiply and add are two instructions, and
 * at the lower border, tiles have 4 rows, which fit as they are: 8 accumulators, too few to hide a madd's four cycles behind
 * the others, at 0.91 × the rate.
 *
 * A is read in place. Tiles over the border compute all their values all the same (rows and columns past the end repeat the
 * last one) and leave through a scratch tile.
 */
import { type Fn, type I32, i32, type Local, type Statement, type V128, v } from '../emitter.ts';
import type { KernelBuilder, Locals } from '../kernel-builder.ts';
import { type Code, ints, vectors } from './locals.ts';

const k = i32.const;
const at = i32.add;

/** Columns of a tile. */
export const COLUMNS = 8;
/** Rows of a tile. */
const TALL = 6;
const SHORT = 4;

export const KC = 256; // block of the sum
export const NC = 256; // block of columns: a packed KC × NC block is 256 KB and stays in the L2 cache
const MC = 128; // rows of A that meet one panel while they are in the cache
/** The scratch tile, before the packed block. */
export const EDGE_BYTES = 192;
/** Floats behind packed panels: the last group of four k may run over. */
export const RUN_OVER = 32;
/** Scratch floats of gemm: the edge tile and the packed block. */
export const gemmScratch = (n: number, depth: number): number =>
  EDGE_BYTES / 4 + packedFloats(Math.min(NC, n), Math.min(KC, depth));

/** What is added to the product. */
export const ADD = { nothing: 0, c: 1, columnBias: 2, rowBias: 3 } as const;

/** In place of the bytes between columns of B: B is packed already. */
export const PACKED = 0;
/** Floats of all panels of B. */
export const packedFloats = (n: number, depth: number): number => Math.ceil(n / COLUMNS) * COLUMNS * depth + RUN_OVER;

/** How A is stored: rows of k, or, transposed, rows of m. */
export type Mode = 'row' | 'col';

export const routines = {};
export function define(b: KernelBuilder): void {
  definePack(b);
  for (const mode of ['row', 'col'] as const) {
    defineBlock(b, mode);
    defineGemm(b, mode);
  }
}

/**
 * B[kb, nb] → panels [nb/8][kb][8]. rs, cs: bytes between rows and columns of B; one of them is 4.
 */
function definePack(b: KernelBuilder): void {
  b.def('pack', 'src kb nb rs cs dst', (f, a, L) => {
    const { j, kk, p, d, n } = ints(L, 'j kk p d n');
    const q = Object.values(ints(L, 'q0 q1 q2 q3'));
    f.loop(j, a.nb, COLUMNS, () => {
      p.set(at(a.src, i32.mul(j, a.cs)));
      n.set(i32.sub(a.nb, j));
      f.if(
        i32.eq(a.cs, k(4)),
        () => {
          d.set(a.dst);
          f.loop(kk, a.kb, 1, () => {
            f.do(v.store(d, v.load(p)));
            // a narrow last panel must not read far past the end of B
            f.if(i32.gt(n, k(4)), () => f.do(v.store(d, v.load(p, 16), 16)), () => f.do(v.store(d, v.const(0), 16))); // biome-ignore format: one line
            p.set(at(p, a.rs));
            d.set(at(d, k(4 * COLUMNS)));
          });
        },
        () => {
          // four columns at a time; the last group of four k may run over into the next panel, which is packed later
          for (let column = 0; column < COLUMNS; column += 4) {
            for (const [i, from] of q.entries())
              from.set(at(p, i32.mul(a.cs, i32.min(k(column + i), i32.sub(n, k(1))))));
            d.set(at(a.dst, k(4 * column)));
            f.loop(kk, a.kb, 4, () => {
              transpose4(f, L, q.map((from) => v.load(from)), d, 4 * COLUMNS); // biome-ignore format: one line
              for (const from of q) from.set(at(from, k(16)));
              d.set(at(d, k(16 * COLUMNS)));
            });
          }
        },
      );
      a.dst.set(at(a.dst, i32.mul(a.kb, k(4 * COLUMNS))));
    });
  });
}

/** Four vectors become the columns of four rows, `apart` bytes from each other, at d. */
export function transpose4(f: Fn, L: Locals, columns: readonly V128[], d: I32, apart: number): void {
  const { t0, t1, t2, t3, s0, s1 } = vectors(L, 't0 t1 t2 t3 s0 s1');
  [t0, t1, t2, t3].forEach((t, i) => {
    t.set(columns[i]);
  });
  for (const row of [0, 2]) {
    const lanes = row ? [2, 6, 3, 7] : [0, 4, 1, 5];
    s0.set(v.shuffle(t0, t1, lanes));
    s1.set(v.shuffle(t2, t3, lanes));
    f.do(v.store(d, v.shuffle(s0, s1, [0, 1, 4, 5]), apart * row));
    f.do(v.store(d, v.shuffle(s0, s1, [2, 3, 6, 7]), apart * (row + 1)));
  }
}

/** The accumulators of a tile, and where its rows of A ('row') or its next values of a k ('col') stand. */
export function tileLocals(L: Locals, mode: Mode, rows: number) {
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  return {
    sums: range(rows).map((x) => range(COLUMNS / 4).map((y) => L(`c${x}${y}`))),
    pa: range(mode === 'row' ? rows : 1).map((x) => L(`pa${x}`, 'i32')),
  };
}

/**
 * Σ over kb of a tile's rows of A, from `pa` on, times the panel → `sums`. as: bytes from k to k, where mode is 'col'.
 *
 * V8 puts all loads of a block before all sums that nobody in the block reads. A way out of the loop, which is never
 * taken, ends the block after each row of a tall tile, and there the sums are read: so one register serves all values of A.
 */
export function emitTile(
  b: KernelBuilder,
  f: Code,
  L: Locals,
  mode: Mode,
  rows: number,
  panel: I32,
  kb: I32,
  as: I32,
): void {
  const { sums, pa } = tileLocals(L, mode, rows);
  const { count, pb } = ints(L, 'count pb');
  const { av } = vectors(L, 'av');
  const row = sums[0].map((_, y) => L(`b${y}`));
  for (const x of sums.flat()) x.set(v.const(0));
  pb.set(panel);
  count.set(kb);
  f.doWhile((leaveIf) => {
    for (const [y, x] of row.entries()) x.set(v.load(pb, 16 * y));
    sums.forEach((line, x) => {
      av.set(mode === 'row' ? v.loadSplat(pa[x]) : v.loadSplat(pa[0], 4 * x));
      for (const [y, c] of line.entries()) c.set(b.madd(av, row[y], c));
      // each time another condition, because V8 drops one that it knows
      if (rows === TALL && x < rows - 1) leaveIf(i32.lt(count, k(-x)));
    });
    for (const p of pa) p.set(at(p, mode === 'row' ? k(4) : as));
    pb.set(at(pb, k(4 * COLUMNS)));
    count.set(i32.sub(count, k(1)));
    return count;
  });
}

/**
 * Emits `body` for the tiles of rows `from` to `to` with the first row in i: tall tiles, and up to two short ones where that
 * leaves fewer rows empty. Whole tiles cover every even number of rows from 4 on.
 */
export function eachTile(
  b: KernelBuilder,
  f: Code,
  L: Locals,
  i: Local<'i32'>,
  from: I32,
  to: I32,
  body: (rows: number) => void,
): void {
  i.set(from);
  if (b.fma) {
    const { pairs, tall } = ints(L, 'pairs tall');
    pairs.set(i32.shru(at(i32.sub(to, i), k(1)), k(1))); // of rows; two short tiles are a pair more than a tall one
    tall.set(at(i, i32.shl(i32.sub(pairs, i32.shl(i32.remu(i32.shl(pairs, k(1)), k(3)), k(1))), k(1))));
    f.for(i, i, tall, k(TALL), () => body(TALL));
  }
  f.for(i, i, to, k(SHORT), () => body(SHORT));
}

/**
 * C[m, nb] = A[m, kb] · panels, which start panelStep bytes apart, plus what `add` says. `as`: bytes between rows of A ('row'), or between its k where A is
 * stored transposed ('col'). `from`: bias of the first column or of row 0.
 */
function defineBlock(b: KernelBuilder, mode: Mode): void {
  b.def(`block_${mode}`, 'm nb kb A as panels panelStep C ldc add from edge', (f, a, L) => {
    const { mc, me, i, j, panel, cp, cc, step } = ints(L, 'mc me i j panel cp cc step');
    const { rows, columns, full, from, fromStep } = ints(L, 'rows columns full from fromStep');

    const multiply = (height: number) => {
      const { pa } = tileLocals(L, mode, height);
      if (mode === 'col') pa[0].set(at(a.A, i32.shl(i, k(2))));
      else {
        pa[0].set(at(a.A, i32.mul(i, a.as)));
        for (let x = 1; x < height; x++) pa[x].set(at(pa[x - 1], i32.select(a.as, k(0), i32.gt(rows, k(x)))));
      }
      emitTile(b, f, L, mode, height, panel, a.kb, a.as);
    };
    const store = (height: number) => {
      const { sums } = tileLocals(L, mode, height);
      const eachRow = (value: (x: V128, offset: number) => V128) => {
        for (const row of sums) {
          for (const [y, x] of row.entries()) f.do(v.store(cc, value(x, 16 * y), 16 * y));
          cc.set(at(cc, step));
          from.set(at(from, fromStep));
        }
      };
      const plus = (value: (offset: number) => V128) => eachRow((x, o) => v.add(value(o), x));
      cc.set(i32.select(cp, a.edge, full));
      step.set(i32.select(a.ldc, k(4 * COLUMNS), full));
      f.if(i32.or(i32.eqz(a.add), i32.eqz(full)), () => eachRow((x) => x), () =>
        f.if(i32.eq(a.add, k(ADD.rowBias)), () => plus(() => v.loadSplat(from)), () =>
          plus((o) => v.load(from, o))),
      ); // biome-ignore format: three cases
    };
    /** The valid part of the edge tile → C. */
    const storeEdge = () => {
      const { r, jj, cell, source } = ints(L, 'r jj cell source');
      cell.set(cp);
      cc.set(a.edge);
      setFrom();
      f.loop(r, rows, 1, () => {
        const copy = (bytes: number, load: typeof v.load, store: (x: V128) => Statement) => {
          source.set(at(cc, i32.shl(jj, k(2))));
          f.if(i32.eqz(a.add), () => f.do(store(load(source))), () =>
            f.if(i32.eq(a.add, k(ADD.rowBias)), () => f.do(store(v.add(v.loadSplat(from), load(source)))), () =>
              f.do(store(v.add(load(at(from, i32.shl(jj, k(2)))), load(source))))),
          ); // biome-ignore format: three cases
          cell.set(at(cell, k(bytes)));
        };
        f.for(jj, k(0), i32.sub(columns, k(3)), k(4), () => copy(16, v.load, (x) => v.store(cell, x)));
        f.for(jj, jj, columns, k(1), () => copy(4, v.loadZero, (x) => v.storeLane(cell, x, 0)));
        cell.set(at(cp, i32.mul(a.ldc, at(r, k(1)))));
        cc.set(at(cc, k(4 * COLUMNS)));
        from.set(at(from, fromStep));
      });
    };
    const setFrom = () => {
      from.set(at(a.from, i32.shl(i32.select(i, j, i32.eq(a.add, k(ADD.rowBias))), k(2))));
      fromStep.set(i32.select(k(4), k(0), i32.eq(a.add, k(ADD.rowBias))));
      f.if(i32.eq(a.add, k(ADD.c)), () => {
        from.set(cp);
        fromStep.set(a.ldc);
      });
    };

    f.loop(mc, a.m, MC, () => {
      me.set(i32.min(a.m, at(mc, k(MC))));
      panel.set(a.panels);
      f.loop(j, a.nb, COLUMNS, () => {
        columns.set(i32.min(i32.sub(a.nb, j), k(COLUMNS)));
        cp.set(at(at(a.C, i32.mul(mc, a.ldc)), i32.shl(j, k(2))));
        eachTile(b, f, L, i, mc, me, (height) => {
          rows.set(i32.min(i32.sub(me, i), k(height)));
          full.set(i32.eq(at(rows, columns), k(height + COLUMNS)));
          multiply(height);
          setFrom();
          store(height);
          f.if(i32.eqz(full), storeEdge);
          cp.set(at(cp, i32.mul(a.ldc, k(height))));
        });
        panel.set(at(panel, a.panelStep));
      });
    });
  });
}

/**
 * C[m, n] = A[m, depth] B[depth, n]; `buffer` has gemmScratch(n, depth) floats. `as` as in block, `rs cs` as in pack; cs is
 * PACKED where B is all of its own panels, [n/8][depth][8].
 */
function defineGemm(b: KernelBuilder, mode: Mode): void {
  const row = k(4 * COLUMNS);
  b.def(`gemm_${mode}`, 'm n depth A as B rs cs C ldc add bias buffer', (f, a, L) => {
    const { kc, kb, nc, nb, add } = ints(L, 'kc kb nc nb add');
    const panels = at(a.buffer, k(EDGE_BYTES));
    const columnA = mode === 'row' ? i32.shl(kc, k(2)) : i32.mul(kc, a.as);
    const bias = at(a.bias, i32.select(i32.shl(nc, k(2)), k(0), i32.eq(add, k(ADD.columnBias))));
    const multiply = (panels: I32, panelStep: I32) => {
      const [A, C] = [at(a.A, columnA), at(a.C, i32.shl(nc, k(2)))];
      f.do(b.call(`block_${mode}`, a.m, nb, kb, A, a.as, panels, panelStep, C, a.ldc, add, bias, a.buffer));
    };
    add.set(a.add);
    f.loop(kc, a.depth, KC, () => {
      kb.set(i32.min(i32.sub(a.depth, kc), k(KC)));
      f.loop(nc, a.n, NC, () => {
        nb.set(i32.min(i32.sub(a.n, nc), k(NC)));
        f.if(
          i32.eq(a.cs, k(PACKED)),
          () => multiply(at(a.B, at(i32.shl(i32.mul(nc, a.depth), k(2)), i32.mul(kc, row))), i32.mul(a.depth, row)),
          () => {
            f.do(b.call('pack', at(at(a.B, i32.mul(kc, a.rs)), i32.mul(nc, a.cs)), kb, nb, a.rs, a.cs, panels));
            multiply(panels, i32.mul(kb, row));
          },
        );
      });
      add.set(k(ADD.c)); // later blocks of the sum add to what the first one wrote
    });
  });
}
