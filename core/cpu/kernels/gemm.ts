/**
 * Matrix products: C = A B (+ C or a bias), any sizes, either operand transposed.
 *
 *            ┌─ 8 columns ─┐
 *            │ B, packed   │  256 × 256 blocks of B are copied once into panels of 8 columns: [panel][k][8]
 *            └─────────────┘
 *   ┌──────┐ ┌──────┬──────┐
 *   │ A: 6 │ │ C: 6 × 8    │  one tile = 12 accumulators; for each k: 2 vectors of B, 6 splatted values of A, 12 madd
 *   └──────┘ └──────┴──────┘
 *
 * A is read in place. Edge tiles compute a full 6 × 8 block into scratch (rows and columns past the end repeat the last
 * valid one); only the valid part is copied to C.
 */

import { storeTransposed } from './copy.ts';
import {
  add,
  bytes,
  floatAt,
  type I32,
  type Int,
  i32,
  mul,
  type Statement,
  sub,
  type V128,
  v,
  type WasmFunction,
  wasmFunction,
} from './dsl.ts';
import { COLUMNS, eachTile, type Mode, sumTile, tileOf } from './tile.ts';

/** Depth of a block: values of k. */
export const KC = 256;
/** Columns of a block: a packed KC × NC block is 256 KB and stays in the L2 cache. */
export const NC = 256;
/** Rows of A that meet one panel after the other while they stay in the cache. */
const MC = 128;
/** Size of the scratch tile, which comes before the packed block. */
export const EDGE_BYTES = 192;
/** Floats after packed panels: the last group of four k may overrun them. */
export const OVERRUN = 32;
/** Floats of all panels of B. */
export const packedFloats = (n: number, depth: number): number => Math.ceil(n / COLUMNS) * COLUMNS * depth + OVERRUN;
/** Scratch floats of gemm: the scratch tile and the packed block. */
export const gemmScratch = (n: number, depth: number): number =>
  EDGE_BYTES / 4 + packedFloats(Math.min(NC, n), Math.min(KC, depth));

/** The addend of a product: nothing, the values of C, or a bias for each column or row. */
export const ADDEND = { nothing: 0, c: 1, columnBias: 2, rowBias: 3 } as const;

/** In place of the bytes between columns of B: B is packed already. */
export const PACKED = 0;

/** B[kb, nb] → panels [nb/8][kb][8]. rs, cs: bytes between rows and between columns of B; one of them is 4. */
export const pack = wasmFunction('pack', { src: i32, kb: i32, nb: i32, rs: i32, cs: i32, dst: i32 }, (f, a) => {
  const { j, k, p, d, n } = f.ints('j k p d n');
  const columns = f.intArray('column', 4);
  const packRows = () => {
    d.set(a.dst);
    f.for(k, 0, a.kb, 1, () => {
      f.do(v.store(d, v.load(p)));
      // a narrow last panel must not read far past the end of B
      f.if(
        i32.gt(n, 4),
        () => f.do(v.store(d, v.load(p, 16), 16)),
        () => f.do(v.store(d, v.const(0), 16)),
      );
      p.set(add(p, a.rs));
      d.set(add(d, 4 * COLUMNS));
    });
  };
  // four columns and four k at a time; the last four k may overrun into the next panel, which is packed later
  const packColumns = () => {
    for (let first = 0; first < COLUMNS; first += 4) {
      for (const [i, column] of columns.entries()) column.set(add(p, mul(a.cs, i32.min(first + i, sub(n, 1)))));
      d.set(add(a.dst, 4 * first));
      f.for(k, 0, a.kb, 4, () => {
        const four = columns.map((column) => v.load(column));
        storeTransposed(f, four, d, 4 * COLUMNS);
        for (const column of columns) column.set(add(column, 16));
        d.set(add(d, 16 * COLUMNS));
      });
    }
  };
  f.for(j, 0, a.nb, COLUMNS, () => {
    p.set(add(a.src, mul(j, a.cs)));
    n.set(sub(a.nb, j));
    f.if(i32.eq(a.cs, 4), packRows, packColumns);
    a.dst.set(add(a.dst, mul(a.kb, 4 * COLUMNS)));
  });
});

const blockParams = {
  m: i32,
  nb: i32,
  kb: i32,
  A: i32,
  /** As in `productParams`. */
  lda: i32,
  panels: i32,
  /** Bytes between panels. */
  panelStride: i32,
  C: i32,
  ldc: i32,
  addend: i32,
  /** Of the first column or of row 0. */
  bias: i32,
  /** Address of the scratch tile. */
  edge: i32,
};

/** C[m, nb] = A[m, kb] · panels + addend. */
const blockOf = (mode: Mode) =>
  wasmFunction(`block.${mode}`, blockParams, (f, a) => {
    const { mc, me, i, j, panel, cp, cc, stride } = f.ints('mc me i j panel cp cc stride');
    const { rows, columns, full, from, fromStride } = f.ints('rows columns full from fromStride');
    const isRowBias = i32.eq(a.addend, ADDEND.rowBias);

    const multiply = (height: number) => {
      const tile = tileOf(f, mode, height);
      const [first, ...rest] = tile.a;
      if (mode === 'col') first.set(floatAt(a.A, i));
      else first.set(add(a.A, mul(i, a.lda)));
      for (const [x, p] of rest.entries()) p.set(add(tile.a[x], i32.select(a.lda, 0, i32.gt(rows, x + 1))));
      sumTile(f, tile, mode, panel, a.kb, a.lda);
    };
    /** Tile → C, or the scratch tile if it is not full. */
    const store = (height: number) => {
      const { sums } = tileOf(f, mode, height);
      const eachRow = (value: (x: V128, offset: number) => V128) => {
        for (const row of sums) {
          for (const [y, x] of row.entries()) f.do(v.store(cc, value(x, 16 * y), 16 * y));
          cc.set(add(cc, stride));
          from.set(add(from, fromStride));
        }
      };
      const plus = (value: (offset: number) => V128) => eachRow((x, offset) => v.add(value(offset), x));
      cc.set(i32.select(cp, a.edge, full));
      stride.set(i32.select(a.ldc, 4 * COLUMNS, full));
      f.if(
        i32.or(i32.eqz(a.addend), i32.eqz(full)),
        () => eachRow((x) => x),
        () =>
          f.if(
            isRowBias,
            () => plus(() => v.loadSplat(from)),
            () => plus((offset) => v.load(from, offset)),
          ),
      );
    };
    /** The valid part of the scratch tile → C. */
    const storeEdge = () => {
      const { r, column, cell, source } = f.ints('r column cell source');
      const copy = (size: number, load: (p: I32) => V128, store: (x: V128) => Statement) => {
        source.set(floatAt(cc, column));
        f.if(
          i32.eqz(a.addend),
          () => f.do(store(load(source))),
          () =>
            f.if(
              isRowBias,
              () => f.do(store(v.add(v.loadSplat(from), load(source)))),
              () => f.do(store(v.add(load(floatAt(from, column)), load(source)))),
            ),
        );
        cell.set(add(cell, size));
      };
      cell.set(cp);
      cc.set(a.edge);
      setFrom();
      f.for(r, 0, rows, 1, () => {
        f.for(column, 0, sub(columns, 3), 4, () => copy(16, v.load, (x) => v.store(cell, x)));
        f.for(column, column, columns, 1, () => copy(4, v.loadZero, (x) => v.storeLane(cell, x, 0)));
        cell.set(add(cp, mul(a.ldc, add(r, 1))));
        cc.set(add(cc, 4 * COLUMNS));
        from.set(add(from, fromStride));
      });
    };
    /** Points at the addend of the tile's first value. */
    const setFrom = () => {
      from.set(floatAt(a.bias, i32.select(i, j, isRowBias)));
      fromStride.set(i32.select(4, 0, isRowBias));
      f.if(i32.eq(a.addend, ADDEND.c), () => {
        from.set(cp);
        fromStride.set(a.ldc);
      });
    };

    f.for(mc, 0, a.m, MC, () => {
      me.set(i32.min(a.m, add(mc, MC)));
      panel.set(a.panels);
      f.for(j, 0, a.nb, COLUMNS, () => {
        columns.set(i32.min(sub(a.nb, j), COLUMNS));
        cp.set(floatAt(add(a.C, mul(mc, a.ldc)), j));
        eachTile(f, i, mc, me, (height) => {
          rows.set(i32.min(sub(me, i), height));
          full.set(i32.eq(add(rows, columns), height + COLUMNS));
          multiply(height);
          setFrom();
          store(height);
          f.if(i32.eqz(full), storeEdge);
          cp.set(add(cp, mul(a.ldc, height)));
        });
        panel.set(add(panel, a.panelStride));
      });
    });
  });

/** Parameters of all products C[m, n] = A[m, depth] B[depth, n] + addend. */
export const productParams = {
  m: i32,
  n: i32,
  depth: i32,
  A: i32,
  /** Bytes between rows of A ('row'), or from k to k where A is stored transposed ('col'). */
  lda: i32,
  B: i32,
  /**
   * Bytes between rows of B, and between columns; one of them is 4. Or cs is PACKED, and B is panels, [n/8][depth][8].
   */
  rs: i32,
  cs: i32,
  C: i32,
  /** Bytes between rows of C. */
  ldc: i32,
  /** One of ADDEND. */
  addend: i32,
  /** Address of the bias; unused with ADDEND.nothing and ADDEND.c. */
  bias: i32,
  /** Address of scratch: gemmScratch(n, depth) floats for gemm. */
  buffer: i32,
};
export type ProductFunction = WasmFunction<{ readonly [N in keyof typeof productParams]: 'i32' }>;

const gemmOf = (mode: Mode): ProductFunction =>
  wasmFunction(`gemm.${mode}`, productParams, (f, a) => {
    const { kc, kb, nc, nb, addend } = f.ints('kc kb nc nb addend');
    const packed = add(a.buffer, EDGE_BYTES);
    const panelRow = 4 * COLUMNS;
    const multiply = (panels: Int, panelStride: Int) =>
      f.call(block[mode], {
        m: a.m,
        nb,
        kb,
        A: add(a.A, mode === 'row' ? bytes(kc) : mul(kc, a.lda)),
        lda: a.lda,
        panels,
        panelStride,
        C: floatAt(a.C, nc),
        ldc: a.ldc,
        addend,
        bias: add(a.bias, i32.select(bytes(nc), 0, i32.eq(addend, ADDEND.columnBias))),
        edge: a.buffer,
      });
    addend.set(a.addend);
    f.for(kc, 0, a.depth, KC, () => {
      kb.set(i32.min(sub(a.depth, kc), KC));
      f.for(nc, 0, a.n, NC, () => {
        nb.set(i32.min(sub(a.n, nc), NC));
        f.if(
          i32.eq(a.cs, PACKED),
          () => multiply(add(a.B, add(bytes(mul(nc, a.depth)), mul(kc, panelRow))), mul(a.depth, panelRow)),
          () => {
            const src = add(a.B, mul(kc, a.rs), mul(nc, a.cs));
            f.call(pack, { src, kb, nb, rs: a.rs, cs: a.cs, dst: packed });
            multiply(packed, mul(kb, panelRow));
          },
        );
      });
      addend.set(ADDEND.c); // later blocks of the sum add to what the first one wrote
    });
  });

export const block = { row: blockOf('row'), col: blockOf('col') };
export const gemm = { row: gemmOf('row'), col: gemmOf('col') };
