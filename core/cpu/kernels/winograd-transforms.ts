/**
 * The transforms of winograd.ts, on groups of four neighboring tiles, one in each lane of a vector. What they give is 16
 * planes, one for each place of a 4×4 tile.
 */
import { type I32, i32, type Local, v } from '../emitter.ts';
import type { KernelBuilder, Locals } from '../kernel-builder.ts';
import { everySecond } from './copy.ts';
import { ints, vectors } from './locals.ts';

const at = i32.add;
const c = i32.const;
const FOUR = [0, 1, 2, 3] as const;
export const PLANES = 16;
/** Floats between one plane and the next: planes a multiple of 4 KB apart would share a few lines of the cache. */
export const GAP = 16;
/** From plane to plane of rows × columns. */
export const planeBytes = (rows: I32, columns: I32): I32 => i32.shl(at(i32.mul(rows, columns), c(GAP)), c(2));
export const planesOf = (rows: number, columns: number): number => PLANES * (rows * columns + GAP);

type Four = readonly [Local<'v128'>, Local<'v128'>, Local<'v128'>, Local<'v128'>];
/** 16 locals, as rows and as columns of 4×4. */
function square(L: Locals, name: string) {
  const cell = (row: number, column: number) => L(`${name}${row}${column}`);
  return {
    rows: FOUR.map((i) => FOUR.map((j) => cell(i, j)) as unknown as Four),
    columns: FOUR.map((j) => FOUR.map((i) => cell(i, j)) as unknown as Four),
  };
}

/** Picture, row of tiles and group in that row of a group, `wide` groups to a row and `high` rows of tiles to a picture. */
const placeOf = (group: Local<'i32'>, wide: I32, high: I32) => ({
  image: i32.divu(i32.divu(group, wide), high),
  row: i32.remu(i32.divu(group, wide), high),
  column: i32.remu(group, wide),
});

export const routines = {};
export function define(k: KernelBuilder): void {
  defineWeights(k);
  defineInput(k);
  defineOutput(k);
  defineOutputGradient(k);
  defineWeightGradient(k);
}

/**
 * U [16][outs][ins] = G w Gᵀ; items: outs. Kernels of neighboring outs (ins) stand outStep (inStep) bytes apart. With
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

/**
 * A function that transforms some groups of all channels of framed pictures. `load` reads the upper `size` rows of a tile,
 * `transform` makes four of `size` values. With `panels` each plane stands as the panels of gemm.ts, [tiles/8][channels][8],
 * else as rows, [channels][tiles].
 */
function defineFromPictures(
  k: KernelBuilder,
  name: string,
  size: 2 | 4,
  load: (row: Four, line: Local<'i32'>) => void,
  transform: (four: Four, t: Local<'v128'>) => void,
): void {
  const params = 'x channels image plane row wide high first groups to planeStep channelStep panels';
  k.def(name, params, (f, a, L) => {
    const { i, ch, g, p, line, to, d } = ints(L, 'i ch g p line to d');
    const { t } = vectors(L, 't');
    const x = square(L, 'x');
    f.loop(i, a.groups, 1, () => {
      g.set(at(a.first, i));
      const { image, row, column } = placeOf(g, a.wide, a.high);
      p.set(at(at(a.x, i32.mul(image, a.image)), at(i32.shl(i32.mul(row, a.row), c(1)), i32.shl(column, c(5)))));
      const inPanels = at(i32.mul(i32.shru(i, c(1)), i32.shl(a.channels, c(5))), i32.shl(i32.and(i, c(1)), c(4)));
      to.set(at(a.to, i32.select(inPanels, i32.shl(i, c(4)), a.panels)));
      f.loop(ch, a.channels, 1, () => {
        line.set(p);
        for (const row of x.rows.slice(0, size)) {
          load(row, line);
          line.set(at(line, a.row));
        }
        for (const column of x.columns.slice(0, size)) transform(column, t);
        d.set(to);
        for (const row of x.rows) {
          transform(row, t);
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

/** V = Bᵀ x B: four become r0 − r2, r1 + r2, r2 − r1, r1 − r3. */
function defineInput(k: KernelBuilder): void {
  const load = ([x0, x1, x2, x3]: Four, line: I32) => {
    // tile j reads values 2j … 2j + 3
    x0.set(everySecond(line, 0, 0));
    x1.set(everySecond(line, 0, 1));
    x2.set(everySecond(line, 8, 0));
    x3.set(everySecond(line, 8, 1));
  };
  defineFromPictures(k, 'winograd_input', 4, load, ([r0, r1, r2, r3], t) => {
    r0.set(v.sub(r0, r2));
    r3.set(v.sub(r1, r3));
    t.set(v.add(r1, r2));
    r2.set(v.sub(r2, r1));
    r1.set(t);
  });
}

/** D = A g Aᵀ: two become r0, r0 + r1, r0 − r1, −r1. */
function defineOutputGradient(k: KernelBuilder): void {
  const load = ([even, odd]: Four, line: I32) => {
    even.set(everySecond(line, 0, 0));
    odd.set(everySecond(line, 0, 1));
  };
  defineFromPictures(k, 'winograd_output_gradient', 2, load, ([r0, r1, r2, r3]) => {
    r3.set(v.neg(r1));
    r2.set(v.sub(r0, r1));
    r1.set(v.add(r0, r1));
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
                t.set(y[lane >> 2]);
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
