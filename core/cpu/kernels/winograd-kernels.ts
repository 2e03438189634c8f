/** The kernels of winograd.ts: transforms of images with the products between them. */
import { add, bytes, i32, kernel, mul, sub } from './dsl.ts';
import { ADDEND, block, EDGE_BYTES } from './gemm.ts';
import { multiply } from './multiply.ts';
import { transformInput, transformOutput, transformOutputGradient } from './winograd-images.ts';
import { PLANES, planeBytes } from './winograd-tiles.ts';

const resultParams = {
  x: i32,
  u: i32,
  bias: i32,
  y: i32,
  /** Bytes between images, channels, rows of x. */
  image: i32,
  plane: i32,
  row: i32,
  /** Groups per row, rows of tiles per image, groups in all, groups of a block. */
  wide: i32,
  high: i32,
  groups: i32,
  block: i32,
  ins: i32,
  outs: i32,
  oh: i32,
  ow: i32,
};

/** y from x and U. Items: blocks of groups. */
export const winogradResult = kernel('winogradResult', resultParams, (f, a) => {
  const { i, first, n, plane, V, M, strideV, strideM, row } = f.ints('i first n plane V M strideV strideM row');
  const { ins, outs, wide, high } = a;
  row.set(i32.shl(a.block, 4));
  strideV.set(planeBytes(ins, i32.and(add(bytes(a.block), 7), -8))); // V is in panels of 8 columns
  strideM.set(planeBytes(outs, bytes(a.block)));
  V.set(add(a.scratch, EDGE_BYTES));
  M.set(add(V, mul(PLANES, strideV)));
  f.for(i, a.begin, a.end, 1, () => {
    first.set(mul(i, a.block));
    n.set(i32.min(a.block, sub(a.groups, first)));
    f.call(transformInput, {
      x: a.x,
      channels: ins,
      image: a.image,
      plane: a.plane,
      row: a.row,
      wide,
      high,
      first,
      groups: n,
      to: V,
      planeStride: strideV,
      channelStride: 32,
      panels: 1,
    });
    f.for(plane, 0, PLANES, 1, () => {
      f.call(block.row, {
        m: outs,
        nb: bytes(n), // four tiles per group
        kb: ins,
        A: add(a.u, mul(plane, planeBytes(outs, ins))),
        lda: bytes(ins),
        panels: add(V, mul(plane, strideV)),
        panelStride: i32.shl(ins, 5),
        C: add(M, mul(plane, strideM)),
        ldc: row,
        addend: ADDEND.nothing,
        bias: 0,
        edge: a.scratch,
      });
    });
    f.call(transformOutput, {
      m: M,
      y: a.y,
      bias: a.bias,
      outs,
      oh: a.oh,
      ow: a.ow,
      wide,
      high,
      first,
      groups: n,
      planeStride: strideM,
      channelStride: row,
    });
  });
});

const gradientParams = {
  x: i32,
  g: i32,
  V: i32,
  D: i32,
  /** Bytes between images, channels, rows of x and of g. */
  image: i32,
  plane: i32,
  row: i32,
  gImage: i32,
  gPlane: i32,
  gRow: i32,
  wide: i32,
  high: i32,
  start: i32,
  count: i32,
  ins: i32,
  outs: i32,
};

/** V and D of `count` groups from `start` on. Items: those groups. */
export const winogradTransforms = kernel('winogradTransforms', gradientParams, (f, a) => {
  const { row, first, n, offset } = f.ints('row first n offset');
  const { wide, high } = a;
  row.set(i32.shl(a.count, 4));
  first.set(add(a.start, a.begin));
  n.set(sub(a.end, a.begin));
  offset.set(i32.shl(a.begin, 4));
  f.call(transformInput, {
    x: a.x,
    channels: a.ins,
    image: a.image,
    plane: a.plane,
    row: a.row,
    wide,
    high,
    first,
    groups: n,
    to: add(a.V, offset),
    planeStride: planeBytes(a.ins, bytes(a.count)),
    channelStride: row,
    panels: 0,
  });
  f.call(transformOutputGradient, {
    x: a.g,
    channels: a.outs,
    image: a.gImage,
    plane: a.gPlane,
    row: a.gRow,
    wide,
    high,
    first,
    groups: n,
    to: add(a.D, offset),
    planeStride: planeBytes(a.outs, bytes(a.count)),
    channelStride: row,
    panels: 0,
  });
});

/** dU_k (+)= D_k V_kᵀ. Items: planes k. */
export const winogradProducts = kernel(
  'winogradProducts',
  { V: i32, D: i32, u: i32, tiles: i32, ins: i32, outs: i32, addend: i32 },
  (f, a) => {
    const { i, row, column } = f.ints('i row column');
    row.set(bytes(a.tiles));
    column.set(bytes(a.ins));
    f.for(i, a.begin, a.end, 1, () => {
      f.call(multiply.row, {
        m: a.outs,
        n: a.ins,
        depth: a.tiles,
        A: add(a.D, mul(i, planeBytes(a.outs, a.tiles))),
        lda: row,
        B: add(a.V, mul(i, planeBytes(a.ins, a.tiles))),
        rs: 4,
        cs: row,
        C: add(a.u, mul(i, planeBytes(a.outs, a.ins))),
        ldc: column,
        addend: a.addend,
        bias: 0,
        buffer: a.scratch,
      });
    });
  },
);

export const kernels = [winogradResult, winogradTransforms, winogradProducts];
