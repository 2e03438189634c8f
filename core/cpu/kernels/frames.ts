/** Copies of images with a border of zeros, and other moves of rectangles between planes. */
import type { Cpu, CpuRef } from '../routine.ts';
import { add, i32, kernel, mul, v } from './dsl.ts';
import { eachFour } from './rows.ts';

export type Pair = readonly [y: number, x: number];

/** Images [N, C, H, W] in memory. */
export interface Images {
  readonly at: number;
  readonly N: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
}
export const images = (t: CpuRef): Images => {
  const [N, C, H, W] = t.shape as [number, number, number, number];
  return { at: t.at, N, C, H, W };
};

const placeParams = {
  src: i32,
  dst: i32,
  /** Bytes between planes. */
  srcPlane: i32,
  dstPlane: i32,
  /** Bytes from the plane to the rectangle. */
  srcOffset: i32,
  dstOffset: i32,
  rows: i32,
  columns: i32,
  /** Bytes between rows, and between columns. */
  srcRow: i32,
  dstRow: i32,
  srcColumn: i32,
  dstColumn: i32,
  /** Bytes of a plane to fill with zeros first, or 0. */
  zero: i32,
};

/** Copies a rectangle of each plane. Items: planes. */
const copyRectangles = kernel('copyRectangles', placeParams, (f, a) => {
  const { i, j, y, p, q, from, to } = f.ints('i j y p q from to');
  const { t } = f.vectors('t');
  const copyRow = () =>
    eachFour(f, j, a.columns, ({ load, store }) => {
      t.set(load(p));
      store(q, t);
    });
  const copySpacedRow = () => {
    from.set(p);
    to.set(q);
    f.for(j, 0, a.columns, 1, () => {
      f.do(i32.store(to, i32.load(from)));
      from.set(add(from, a.srcColumn));
      to.set(add(to, a.dstColumn));
    });
  };
  f.for(i, a.begin, a.end, 1, () => {
    p.set(add(a.src, mul(i, a.srcPlane), a.srcOffset));
    q.set(add(a.dst, mul(i, a.dstPlane)));
    t.set(v.const(0));
    eachFour(f, j, i32.shru(a.zero, 2), ({ store }) => store(q, t));
    q.set(add(q, a.dstOffset));
    f.for(y, 0, a.rows, 1, () => {
      f.if(i32.and(i32.eq(a.srcColumn, 4), i32.eq(a.dstColumn, 4)), copyRow, copySpacedRow);
      p.set(add(p, a.srcRow));
      q.set(add(q, a.dstRow));
    });
  });
});

export const kernels = [copyRectangles];

/** Where value i of one axis goes: to i · stride + offset, if that is inside the target. */
export interface AxisMap {
  readonly offset: number;
  readonly stride: number;
}
/** The values of an axis of length `from` that stay inside one of length `to`. */
const range = (from: number, to: number, { offset, stride }: AxisMap) => {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(from, Math.floor((to - 1 - offset) / stride) + 1);
  return { first, count: Math.max(0, last - first), target: first * stride + offset };
};

/**
 * Copies planes into larger or smaller ones, without the values that fall outside. `zero`: fills y with zeros first.
 */
export function place(cpu: Cpu, x: Images, y: Images, down: AxisMap, right: AxisMap, zero: boolean): void {
  const rows = range(x.H, y.H, down);
  const columns = range(x.W, y.W, right);
  const [srcPlane, dstPlane] = [4 * x.H * x.W, 4 * y.H * y.W];
  cpu.parallel(
    copyRectangles,
    { items: x.N * x.C, work: x.N * x.C * y.H * y.W },
    {
      src: x.at,
      dst: y.at,
      srcPlane,
      dstPlane,
      srcOffset: 4 * (rows.first * x.W + columns.first),
      dstOffset: 4 * (rows.target * y.W + columns.target),
      rows: rows.count,
      columns: columns.count,
      srcRow: 4 * x.W,
      dstRow: 4 * down.stride * y.W,
      srcColumn: 4,
      dstColumn: 4 * right.stride,
      zero: zero ? dstPlane : 0,
    },
  );
}

const unmoved: AxisMap = { offset: 0, stride: 1 };
/** Fills images with zeros. */
export const fillZeros = (cpu: Cpu, x: Images): void => place(cpu, { ...x, H: 0, W: 0 }, x, unmoved, unmoved, true);

/** Calls f with images of H × W that are x with zeros around, `top` rows above and `left` columns before. */
export function framed(cpu: Cpu, x: Images, [top, left]: Pair, [H, W]: Pair, f: (x: Images) => void): void {
  if (top === 0 && left === 0 && H === x.H && W === x.W) {
    f(x);
    return;
  }
  const floats = x.N * x.C * H * W + 16; // vectors of every second value may read past the last row
  const frame = { ...x, at: cpu.alloc(floats), H, W };
  place(cpu, x, frame, { offset: top, stride: 1 }, { offset: left, stride: 1 }, true);
  f(frame);
  cpu.free(frame.at, floats);
}
