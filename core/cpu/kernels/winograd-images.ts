/**
 * The transforms of images for winograd.ts, on groups of four neighboring tiles, one in each lane of a vector. Framed
 * images become 16 planes, one for each place of a 4×4 tile, and planes become images.
 */
import { everySecond } from './copy.ts';
import { add, bytes, floatAt, type I32, i32, type Local, mul, sub, v, type WasmFunction, wasmFunction } from './dsl.ts';
import { type Four, square } from './winograd-tiles.ts';

/**
 * Where a group is: its image, row of tiles, and place in that row. wide: groups per row; high: rows of tiles per
 * image.
 */
const positionOf = (group: Local<'i32'>, wide: I32, high: I32) => ({
  image: i32.divu(i32.divu(group, wide), high),
  row: i32.remu(i32.divu(group, wide), high),
  column: i32.remu(group, wide),
});

const fromImagesParams = {
  x: i32,
  channels: i32,
  /** Bytes between images, channels, rows. */
  image: i32,
  plane: i32,
  row: i32,
  wide: i32,
  high: i32,
  /** First group, and number of groups. */
  first: i32,
  groups: i32,
  to: i32,
  /** Bytes between planes, and between channels. */
  planeStride: i32,
  channelStride: i32,
  /** 1: each plane is written as the panels of gemm.ts, [tiles/8][channels][8]; 0: as rows, [channels][tiles]. */
  panels: i32,
};
type FromImages = WasmFunction<{ readonly [N in keyof typeof fromImagesParams]: 'i32' }>;

/**
 * Transforms some groups of all channels of framed images. `load` reads a row of four tiles, of which the first `size`
 * rows count; `transform` makes four values of `size`.
 */
const fromImages = (
  name: string,
  size: 2 | 4,
  load: (row: Four, line: Local<'i32'>) => void,
  transform: (four: Four, t: Local<'v128'>) => void,
): FromImages =>
  wasmFunction(name, fromImagesParams, (f, a) => {
    const { i, channel, g, p, line, to, d } = f.ints('i channel g p line to d');
    const { t } = f.vectors('t');
    const x = square(f, 'x');
    f.for(i, 0, a.groups, 1, () => {
      g.set(add(a.first, i));
      const { image, row, column } = positionOf(g, a.wide, a.high);
      p.set(add(a.x, mul(image, a.image), add(i32.shl(mul(row, a.row), 1), i32.shl(column, 5))));
      const inPanels = add(mul(i32.shru(i, 1), i32.shl(a.channels, 5)), i32.shl(i32.and(i, 1), 4));
      to.set(add(a.to, i32.select(inPanels, i32.shl(i, 4), a.panels)));
      f.for(channel, 0, a.channels, 1, () => {
        line.set(p);
        for (const row of x.rows.slice(0, size)) {
          load(row, line);
          line.set(add(line, a.row));
        }
        for (const column of x.columns.slice(0, size)) transform(column, t);
        d.set(to);
        for (const row of x.rows) {
          transform(row, t);
          for (const y of row) {
            f.do(v.store(d, y));
            d.set(add(d, a.planeStride));
          }
        }
        p.set(add(p, a.plane));
        to.set(add(to, a.channelStride));
      });
    });
  });

/** V = Bᵀ x B: four become r0 − r2, r1 + r2, r2 − r1, r1 − r3. */
export const transformInput = fromImages(
  'transformInput',
  4,
  ([x0, x1, x2, x3], line) => {
    // tile j reads values 2j … 2j + 3
    x0.set(everySecond(line, 0, 0));
    x1.set(everySecond(line, 0, 1));
    x2.set(everySecond(line, 8, 0));
    x3.set(everySecond(line, 8, 1));
  },
  ([r0, r1, r2, r3], t) => {
    r0.set(v.sub(r0, r2));
    r3.set(v.sub(r1, r3));
    t.set(v.add(r1, r2));
    r2.set(v.sub(r2, r1));
    r1.set(t);
  },
);

/** D = A g Aᵀ: two become r0, r0 + r1, r0 − r1, −r1. */
export const transformOutputGradient = fromImages(
  'transformOutputGradient',
  2,
  ([even, odd], line) => {
    even.set(everySecond(line, 0, 0));
    odd.set(everySecond(line, 0, 1));
  },
  ([r0, r1, r2, r3]) => {
    r3.set(v.neg(r1));
    r2.set(v.sub(r0, r1));
    r1.set(v.add(r0, r1));
  },
);

const outputParams = {
  m: i32,
  y: i32,
  /** 0: none. */
  bias: i32,
  outs: i32,
  oh: i32,
  ow: i32,
  wide: i32,
  high: i32,
  first: i32,
  groups: i32,
  planeStride: i32,
  channelStride: i32,
};

/** y [N, outs, oh, ow] = Aᵀ M A + bias of some groups; planes of M are rows, [outs][tiles]. */
export const transformOutput = wasmFunction('transformOutput', outputParams, (f, a) => {
  const { i, o, g, d, m, out, plane, left, below } = f.ints('i o g d m out plane left below');
  const { bias, t } = f.vectors('bias t');
  const x = square(f, 'x');
  const [y0, y1] = f.vectorArray('y', 2);
  /** Four become two: r0 + r1 + r2, r1 − r2 − r3. */
  const transform = ([r0, r1, r2, r3]: Four) => {
    r0.set(v.add(v.add(r0, r1), r2));
    r1.set(v.sub(v.sub(r1, r2), r3));
  };
  const storeFull = () => f.do(v.store(d, y0), v.store(d, y1, 16));
  const storePart = () => {
    for (const lane of [0, 1, 2, 3, 4, 5, 6]) {
      t.set(lane < 4 ? y0 : y1);
      f.if(i32.gt(left, lane), () => f.do(v.storeLane(d, t, lane & 3, 4 * lane)));
    }
  };
  const store = () => f.if(i32.ge(left, 8), storeFull, storePart);
  plane.set(bytes(mul(a.oh, a.ow)));
  f.for(i, 0, a.groups, 1, () => {
    g.set(add(a.first, i));
    const { image, row, column } = positionOf(g, a.wide, a.high);
    const inPlane = add(i32.shl(mul(row, a.ow), 3), i32.shl(column, 5));
    out.set(add(a.y, mul(mul(image, a.outs), plane), inPlane));
    left.set(sub(a.ow, i32.shl(column, 3)));
    below.set(i32.lt(add(i32.shl(row, 1), 1), a.oh));
    m.set(add(a.m, i32.shl(i, 4)));
    f.for(o, 0, a.outs, 1, () => {
      d.set(m);
      for (const cell of x.rows.flat()) {
        cell.set(v.load(d));
        d.set(add(d, a.planeStride));
      }
      bias.set(v.const(0));
      f.if(a.bias, () => bias.set(v.loadSplat(floatAt(a.bias, o))));
      for (const column of x.columns) transform(column);
      d.set(out);
      for (const [r, row] of x.rows.slice(0, 2).entries()) {
        transform(row);
        const [even, odd] = row;
        y0.set(v.add(bias, v.shuffle(even, odd, [0, 4, 1, 5])));
        y1.set(v.add(bias, v.shuffle(even, odd, [2, 6, 3, 7])));
        if (r === 0) store();
        else f.if(below, store);
        d.set(floatAt(d, a.ow));
      }
      m.set(add(m, a.channelStride));
      out.set(add(out, plane));
    });
  });
});
