/**
 * 3×3 convolutions of stride 1 in 16 multiplications for each 2×2 results where the plain sum has 36: F(2×2, 3×3) of Lavin
 * and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308, eq. 8–12.
 *
 *      y = Aᵀ [ (G w Gᵀ) ∘ (Bᵀ x B) ] A          x: tiles of 4×4 that overlap by two, y: tiles of 2×2
 *
 * summed over channels, ∘ becomes 16 matrix products, one for each place of the 4×4:
 *
 *      results, plane k:       M_k = U_k V_k       [outs, ins] · [ins, tiles]        U = G w Gᵀ    V = Bᵀ x B
 *      gradient of w:         dU_k = D_k V_kᵀ      [outs, tiles] · [tiles, ins]      D = A g Aᵀ   dw = Gᵀ dU G
 *
 * Four neighbouring tiles, a *group*, are worked on at once, one in each lane; pictures come framed to whole groups. Errors
 * grow by a factor of two or three; an infinity makes NaN of all the tiles that it meets.
 */
import { type I32, i32, type Local, v } from '../emitter.ts';
import type { KernelBuilder, Locals } from '../kernel-builder.ts';
import { type Cpu, SCRATCH_FLOATS } from '../routine.ts';
import { ADD, EDGE_BYTES } from './gemm.ts';
import { ints, vectors } from './locals.ts';

const at = i32.add;
const c = i32.const;
const FOUR = [0, 1, 2, 3] as const;
const PLANES = 16;
/** Floats between one plane and the next: planes a multiple of 4 KB apart would share a few lines of the cache. */
const GAP = 16;

type Four = readonly [Local<'v128'>, Local<'v128'>, Local<'v128'>, Local<'v128'>];
/** 16 locals, as rows and as columns of 4×4. */
function square(L: Locals, name: string) {
  const cell = (row: number, column: number) => L(`${name}${row}${column}`);
  return {
    rows: FOUR.map((i) => FOUR.map((j) => cell(i, j)) as unknown as Four),
    columns: FOUR.map((j) => FOUR.map((i) => cell(i, j)) as unknown as Four),
  };
}

export const routines = {};
export function define(k: KernelBuilder): void {
  defineWeights(k);
  defineInput(k);
  defineOutput(k);
  defineOutputGradient(k);
  defineWeightGradient(k);
  defineProducts(k);
}

/**
 * U [16][outs][ins] = G w Gᵀ; items: outs. Kernels of neighbouring outs (ins) stand outStep (inStep) bytes apart. With
 * `turned` each kernel is read backwards, as the gradient of the input wants it.
 */
function defineWeights(k: KernelBuilder): void {
  k.def('winograd_weights', 'begin end scratch w u outs ins outStep inStep turned', (f, a, L) => {
    const { o, i, p, u, plane } = ints(L, 'o i p u plane');
    const { half, t, s0, s1 } = vectors(L, 'half t s0 s1');
    const r = vectors(L, 'r0 r1 r2 r3');
    /** Three rows become four: r0, (r0 + r1 + r2) / 2, (r0 − r1 + r2) / 2, r2. */
    const spread = () => {
      t.set(v.mul(v.add(r.r0, r.r2), half));
      r.r3.set(r.r2);
      s0.set(v.mul(r.r1, half));
      r.r1.set(v.add(t, s0));
      r.r2.set(v.sub(t, s0));
    };
    half.set(k.c(0.5));
    plane.set(planeBytes(a.outs, a.ins));
    u.set(at(a.u, i32.shl(i32.mul(a.begin, a.ins), c(2))));
    const transform = () => {
      r.r0.set(v.load(p));
      r.r1.set(v.load(p, 12));
      r.r2.set(v.load(p, 24)); // the fourth lanes belong to others and are not used
      f.if(a.turned, () => {
        t.set(r.r0);
        r.r0.set(v.shuffle(r.r2, r.r2, [2, 1, 0, 3]));
        r.r1.set(v.shuffle(r.r1, r.r1, [2, 1, 0, 3]));
        r.r2.set(v.shuffle(t, t, [2, 1, 0, 3]));
      });
      spread();
      s0.set(v.shuffle(r.r0, r.r1, [0, 4, 1, 5]));
      s1.set(v.shuffle(r.r2, r.r3, [0, 4, 1, 5]));
      t.set(v.shuffle(v.shuffle(r.r0, r.r1, [2, 6, 3, 7]), v.shuffle(r.r2, r.r3, [2, 6, 3, 7]), [0, 1, 4, 5]));
      r.r0.set(v.shuffle(s0, s1, [0, 1, 4, 5]));
      r.r1.set(v.shuffle(s0, s1, [2, 3, 6, 7]));
      r.r2.set(t);
      spread(); // now lane i of r_j is row i, column j
      const { to } = ints(L, 'to');
      to.set(u);
      for (const row of FOUR)
        for (const column of [r.r0, r.r1, r.r2, r.r3]) {
          f.do(v.storeLane(to, column, row));
          to.set(at(to, plane));
        }
    };
    f.for(o, a.begin, a.end, c(1), () => {
      p.set(at(a.w, i32.mul(o, a.outStep)));
      f.loop(i, a.ins, 1, () => {
        transform();
        p.set(at(p, a.inStep));
        u.set(at(u, c(4)));
      });
    });
  });
}

/** From plane to plane of rows × columns. */
const planeBytes = (rows: I32, columns: I32): I32 => i32.shl(at(i32.mul(rows, columns), c(GAP)), c(2));
const planesOf = (rows: number, columns: number): number => PLANES * (rows * columns + GAP);

/** Picture, row of tiles and group in that row of a group, `wide` groups to a row and `high` rows of tiles to a picture. */
const placeOf = (group: Local<'i32'>, wide: I32, high: I32) => ({
  image: i32.divu(i32.divu(group, wide), high),
  row: i32.remu(i32.divu(group, wide), high),
  column: i32.remu(group, wide),
});

/**
 * V = Bᵀ x B of some groups of all channels, from framed pictures. With `panels` each plane stands as the panels of
 * gemm.ts, [tiles/8][channels][8], else as rows, [channels][tiles].
 */
function defineInput(k: KernelBuilder): void {
  const params = 'x channels image plane row wide high first groups to planeStep channelStep panels';
  k.def('winograd_input', params, (f, a, L) => {
    const { i, ch, g, p, line, to, d } = ints(L, 'i ch g p line to d');
    const { t } = vectors(L, 't');
    const x = square(L, 'x');
    /** Four become r0 − r2, r1 + r2, r2 − r1, r1 − r3. */
    const transform = ([r0, r1, r2, r3]: Four) => {
      r0.set(v.sub(r0, r2));
      r3.set(v.sub(r1, r3));
      t.set(v.add(r1, r2));
      r2.set(v.sub(r2, r1));
      r1.set(t);
    };
    f.loop(i, a.groups, 1, () => {
      g.set(at(a.first, i));
      const { image, row, column } = placeOf(g, a.wide, a.high);
      p.set(at(at(a.x, i32.mul(image, a.image)), at(i32.shl(i32.mul(row, a.row), c(1)), i32.shl(column, c(5)))));
      const inPanels = at(i32.mul(i32.shru(i, c(1)), i32.shl(a.channels, c(5))), i32.shl(i32.and(i, c(1)), c(4)));
      to.set(at(a.to, i32.select(inPanels, i32.shl(i, c(4)), a.panels)));
      f.loop(ch, a.channels, 1, () => {
        line.set(p);
        for (const [x0, x1, x2, x3] of x.rows) {
          // tile j reads values 2j … 2j + 3
          x0.set(v.shuffle(v.load(line), v.load(line, 16), [0, 2, 4, 6]));
          x1.set(v.shuffle(v.load(line), v.load(line, 16), [1, 3, 5, 7]));
          x2.set(v.shuffle(v.load(line, 8), v.load(line, 24), [0, 2, 4, 6]));
          x3.set(v.shuffle(v.load(line, 8), v.load(line, 24), [1, 3, 5, 7]));
          line.set(at(line, a.row));
        }
        for (const column of x.columns) transform(column);
        d.set(to);
        for (const row of x.rows) {
          transform(row);
          for (const y of row) {
            f.do(v.store(d, y));
            d.set(at(d, a.planeStep));
          }
        }
        p.set(at(p, a.plane));
        to.set(at(to, a.channelStep));
      });
    });
  });
}

/** y = Aᵀ M A + bias of some groups; planes of M are rows, [outs][tiles]. y [N, outs, oh, ow] */
function defineOutput(k: KernelBuilder): void {
  const params = 'm y bias outs oh ow wide high first groups planeStep channelStep';
  k.def('winograd_output', params, (f, a, L) => {
    const { i, o, g, d, m, out, plane, left, below } = ints(L, 'i o g d m out plane left below');
    const { bias, t } = vectors(L, 'bias t');
    const x = square(L, 'x');
    const y = [L('y0'), L('y1')] as const;
    /** Four become r0 + r1 + r2, r1 − r2 − r3, in the first two. */
    const transform = ([r0, r1, r2, r3]: Four) => {
      r0.set(v.add(v.add(r0, r1), r2));
      r1.set(v.sub(v.sub(r1, r2), r3));
    };
    plane.set(i32.shl(i32.mul(a.oh, a.ow), c(2)));
    f.loop(i, a.groups, 1, () => {
      g.set(at(a.first, i));
      const { image, row, column } = placeOf(g, a.wide, a.high);
      const inPlane = at(i32.shl(i32.mul(row, a.ow), c(3)), i32.shl(column, c(5)));
      out.set(at(at(a.y, i32.mul(i32.mul(image, a.outs), plane)), inPlane));
      left.set(i32.sub(a.ow, i32.shl(column, c(3))));
      below.set(i32.lt(at(i32.shl(row, c(1)), c(1)), a.oh));
      m.set(at(a.m, i32.shl(i, c(4))));
      f.loop(o, a.outs, 1, () => {
        d.set(m);
        for (const row of x.rows)
          for (const cell of row) {
            cell.set(v.load(d));
            d.set(at(d, a.planeStep));
          }
        bias.set(v.const(0));
        f.if(a.bias, () => bias.set(v.loadSplat(at(a.bias, i32.shl(o, c(2))))));
        for (const column of x.columns) transform(column);
        d.set(out);
        for (const [r, row] of x.rows.slice(0, 2).entries()) {
          transform(row);
          const [even, odd] = row;
          y[0].set(v.add(bias, v.shuffle(even, odd, [0, 4, 1, 5])));
          y[1].set(v.add(bias, v.shuffle(even, odd, [2, 6, 3, 7])));
          const store = () =>
            f.if(i32.ge(left, c(8)), () => f.do(v.store(d, y[0]), v.store(d, y[1], 16)), () => {
              for (const lane of [0, 1, 2, 3, 4, 5, 6]) {
                t.set(y[lane >> 2]!);
                f.if(i32.gt(left, c(lane)), () => f.do(v.storeLane(d, t, lane & 3, 4 * lane)));
              }
            }); // biome-ignore format: two cases
          if (r === 0) store();
          else f.if(below, store);
          d.set(at(d, i32.shl(a.ow, c(2))));
        }
        m.set(at(m, a.channelStep));
        out.set(at(out, plane));
      });
    });
  });
}

/** D = A g Aᵀ of some groups of all channels, as rows, from pictures framed to whole groups. */
function defineOutputGradient(k: KernelBuilder): void {
  const params = 'x channels image plane row wide high first groups to planeStep channelStep';
  k.def('winograd_output_gradient', params, (f, a, L) => {
    const { i, ch, g, p, to, d } = ints(L, 'i ch g p to d');
    const x = square(L, 'x');
    /** Two become r0, r0 + r1, r0 − r1, −r1. */
    const transform = ([r0, r1, r2, r3]: Four) => {
      r3.set(v.neg(r1));
      r2.set(v.sub(r0, r1));
      r1.set(v.add(r0, r1));
    };
    f.loop(i, a.groups, 1, () => {
      g.set(at(a.first, i));
      const { image, row, column } = placeOf(g, a.wide, a.high);
      p.set(at(at(a.x, i32.mul(image, a.image)), at(i32.shl(i32.mul(row, a.row), c(1)), i32.shl(column, c(5)))));
      to.set(at(a.to, i32.shl(i, c(4))));
      f.loop(ch, a.channels, 1, () => {
        for (const [r, [even, odd]] of x.rows.slice(0, 2).entries()) {
          const line = r === 0 ? p : at(p, a.row);
          even.set(v.shuffle(v.load(line), v.load(line, 16), [0, 2, 4, 6]));
          odd.set(v.shuffle(v.load(line), v.load(line, 16), [1, 3, 5, 7]));
        }
        for (const column of x.columns.slice(0, 2)) transform(column);
        d.set(to);
        for (const row of x.rows) {
          transform(row);
          for (const y of row) {
            f.do(v.store(d, y));
            d.set(at(d, a.planeStep));
          }
        }
        p.set(at(p, a.plane));
        to.set(at(to, a.channelStep));
      });
    });
  });
}

/** dw [outs, ins, 3, 3] = Gᵀ dU G; items: outs. */
function defineWeightGradient(k: KernelBuilder): void {
  k.def('winograd_weight_gradient', 'begin end scratch u w outs ins', (f, a, L) => {
    const { o, i, d, plane, u, to, left } = ints(L, 'o i d plane u to left');
    const { half, t } = vectors(L, 'half t');
    const x = square(L, 'x');
    /** Four become r0 + (r1 + r2) / 2, (r1 − r2) / 2, (r1 + r2) / 2 + r3, in the first three. */
    const transform = ([r0, r1, r2, r3]: Four) => {
      t.set(v.mul(v.add(r1, r2), half));
      r0.set(v.add(r0, t));
      r1.set(v.mul(v.sub(r1, r2), half));
      r2.set(v.add(t, r3));
    };
    half.set(k.c(0.5));
    plane.set(planeBytes(a.outs, a.ins));
    f.for(o, a.begin, a.end, c(1), () =>
      f.loop(i, a.ins, 4, () => {
        u.set(at(a.u, i32.shl(at(i32.mul(o, a.ins), i), c(2))));
        d.set(u);
        for (const row of x.rows)
          for (const cell of row) {
            cell.set(v.load(d));
            d.set(at(d, plane));
          }
        for (const column of x.columns) transform(column);
        for (const row of x.rows.slice(0, 3)) transform(row);
        to.set(at(a.w, i32.mul(at(i32.mul(o, a.ins), i), c(36))));
        left.set(i32.sub(a.ins, i));
        for (const lane of FOUR)
          f.if(i32.gt(left, c(lane)), () => {
            for (const [r, row] of x.rows.slice(0, 3).entries())
              for (const [j, cell] of row.slice(0, 3).entries())
                f.do(v.storeLane(to, cell, lane, 36 * lane + 4 * (3 * r + j)));
          });
      }),
    );
  });
}

function defineProducts(k: KernelBuilder): void {
  const pictures = 'image plane row wide high groups block';
  // items: blocks of groups
  k.def('winograd', `begin end scratch x u bias y ${pictures} ins outs oh ow`, (f, a, L) => {
    const { i, first, n, plane, V, M, stepV, stepM, row } = ints(L, 'i first n plane V M stepV stepM row');
    row.set(i32.shl(a.block, c(4)));
    stepV.set(planeBytes(a.ins, i32.and(at(i32.shl(a.block, c(2)), c(4)), c(-8))));
    stepM.set(planeBytes(a.outs, i32.shl(a.block, c(2))));
    V.set(at(a.scratch, c(EDGE_BYTES)));
    M.set(at(V, i32.mul(c(PLANES), stepV)));
    f.for(i, a.begin, a.end, c(1), () => {
      first.set(i32.mul(i, a.block));
      n.set(i32.min(a.block, i32.sub(a.groups, first)));
      f.do(
        k.call('winograd_input', a.x, a.ins, a.image, a.plane, a.row, a.wide, a.high, first, n, V, stepV, c(32), c(1)),
      );
      f.loop(plane, c(PLANES), 1, () => {
        const U = at(a.u, i32.mul(plane, planeBytes(a.outs, a.ins)));
        const [from, to] = [at(V, i32.mul(plane, stepV)), at(M, i32.mul(plane, stepM))];
        f.do(
          k.call(
            'block_row',
            a.outs,
            i32.shl(n, c(2)),
            a.ins,
            U,
            i32.shl(a.ins, c(2)),
            from,
            i32.shl(a.ins, c(5)),
            to,
            row,
            c(ADD.nothing),
            c(0),
            a.scratch,
          ),
        );
      });
      f.do(k.call('winograd_output', M, a.y, a.bias, a.outs, a.oh, a.ow, a.wide, a.high, first, n, stepM, row));
    });
  });
  // V and D of `count` groups from `start` on; items: those groups
  const grads = 'gImage gPlane gRow wide high start count';
  k.def('winograd_rows', `begin end scratch x g V D image plane row ${grads} ins outs`, (f, a, L) => {
    const { row, first, n, offset } = ints(L, 'row first n offset');
    row.set(i32.shl(a.count, c(4)));
    first.set(at(a.start, a.begin));
    n.set(i32.sub(a.end, a.begin));
    offset.set(i32.shl(a.begin, c(4)));
    f.do(
      k.call('winograd_input', a.x, a.ins, a.image, a.plane, a.row, a.wide, a.high, first, n, at(a.V, offset), planeBytes(a.ins, i32.shl(a.count, c(2))), row, c(0)),
      k.call('winograd_output_gradient', a.g, a.outs, a.gImage, a.gPlane, a.gRow, a.wide, a.high, first, n, at(a.D, offset), planeBytes(a.outs, i32.shl(a.count, c(2))), row),
    ); // biome-ignore format: two calls
  });
  // dU_k (+)= D_k V_kᵀ; items: planes
  k.def('winograd_planes', 'begin end scratch V D u tiles ins outs add', (f, a, L) => {
    const { i, row, column } = ints(L, 'i row column');
    row.set(i32.shl(a.tiles, c(2)));
    column.set(i32.shl(a.ins, c(2)));
    f.for(i, a.begin, a.end, c(1), () => {
      const [V, D] = [
        at(a.V, i32.mul(i, planeBytes(a.ins, a.tiles))),
        at(a.D, i32.mul(i, planeBytes(a.outs, a.tiles))),
      ];
      const U = at(a.u, i32.mul(i, planeBytes(a.outs, a.ins)));
      f.do(k.call('large_row', a.outs, a.ins, a.tiles, D, row, V, c(4), row, U, column, a.add, c(0), a.scratch));
    });
  });
}

// ---- what conv.ts asks for ----------------------------------------------------------------------------------------

/** Groups of a result: to a row, rows of tiles to a picture, and in all. */
export const tiling = (N: number, oh: number, ow: number) => {
  const [wide, high] = [Math.ceil(ow / 8), Math.ceil(oh / 2)];
  return { wide, high, groups: N * wide * high };
};

/** Groups of a block whose V and M fit the scratch, in pairs that fill a panel. */
const blockOf = (ins: number, outs: number): number =>
  Math.floor((SCRATCH_FLOATS - EDGE_BYTES / 4 - 2 * PLANES * GAP) / (PLANES * 4 * (ins + outs))) & ~1;

/**
 * True where the 16 products and the transforms cost less than the plain sum, counted in vector operations: those of a
 * group of four tiles per channel, and those of the weights (`bench models`).
 */
export function winogradPays(ins: number, outs: number, N: number, oh: number, ow: number): boolean {
  if (blockOf(ins, outs) < 2) return false;
  const { groups } = tiling(N, oh, ow);
  const plain = (9 * ins * outs * N * oh * ow) / 8;
  const products = (PLANES * ins * outs * 4 * groups) / 8;
  return products + groups * 50 * (ins + outs) + 20 * ins * outs < 0.8 * plain;
}

/** Planes of framed pictures: address, and bytes of a picture, a channel, a row. */
export interface Frames {
  readonly at: number;
  readonly image: number;
  readonly plane: number;
  readonly row: number;
}

/** y [N, outs, oh, ow] = w ∗ x + bias; w [outs, ins, 3, 3], or, read backwards in each kernel, [ins, outs, 3, 3] */
export function convolve(
  cpu: Cpu,
  x: Frames,
  w: number,
  bias: number,
  y: number,
  [N, outs, oh, ow]: readonly [number, number, number, number],
  ins: number,
  turned: boolean,
): void {
  const { wide, high, groups } = tiling(N, oh, ow);
  const u = cpu.alloc(planesOf(outs, ins));
  const steps = turned ? [36, 36 * outs, 1] : [36 * ins, 36, 0];
  cpu.parallel('winograd_weights', outs, 80 * outs * ins, [w, u, outs, ins, ...steps]);
  let block = blockOf(ins, outs); // the largest of those that leave the busiest thread the least
  const most = (block: number) => Math.ceil(Math.ceil(groups / block) / cpu.threads) * block;
  for (let smaller = block - 2; smaller >= 4; smaller -= 2) if (most(smaller) < most(block)) block = smaller;
  cpu.parallel('winograd', Math.ceil(groups / block), PLANES * 4 * groups * ins * outs, [
    x.at, u, bias, y, x.image, x.plane, x.row, wide, high, groups, block, ins, outs, oh, ow,
  ]); // biome-ignore format: one line
  cpu.free(u, planesOf(outs, ins));
}

/** Groups at a time: V and D of 64 channels each take 2 MB. */
const CHUNK = 64;

/** dw [outs, ins, 3, 3] from pictures x and gradients g of the result [N, outs, oh, ow], both framed. */
export function weightGradient(
  cpu: Cpu,
  x: Frames,
  g: Frames,
  dw: number,
  [N, outs, oh, ow]: readonly [number, number, number, number],
  ins: number,
): void {
  const { wide, high, groups } = tiling(N, oh, ow);
  const sizes = { u: planesOf(outs, ins), V: planesOf(ins, 4 * CHUNK), D: planesOf(outs, 4 * CHUNK) };
  const [u, V, D] = [cpu.alloc(sizes.u), cpu.alloc(sizes.V), cpu.alloc(sizes.D)];
  for (let start = 0; start < groups; start += CHUNK) {
    const count = Math.min(CHUNK, groups - start);
    cpu.parallel('winograd_rows', count, 200 * count * (ins + outs), [
      x.at, g.at, V, D, x.image, x.plane, x.row, g.image, g.plane, g.row, wide, high, start, count, ins, outs,
    ]); // biome-ignore format: one line
    const add = start === 0 ? ADD.nothing : ADD.c;
    cpu.parallel('winograd_planes', PLANES, sizes.u * 4 * count, [V, D, u, 4 * count, ins, outs, add]);
  }
  cpu.parallel('winograd_weight_gradient', outs, 80 * outs * ins, [u, dw, outs, ins]);
  for (const [at, floats] of [[u, sizes.u], [V, sizes.V], [D, sizes.D]] as const) cpu.free(at, floats); // biome-ignore format: one line
}
