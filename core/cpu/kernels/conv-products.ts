/**
 * Convolution as matrix products, over images that already have their border of zeros:
 *
 *   conv         y[n] = W · columns(x[n]):            [O, K] · [K, P]     K = channels · kh · kw
 *   convWeights  dW   = Σ_n g[n] · columns(x[n])ᵀ:    [O, P] · [P, K]     P = pixels of the result
 *
 * `columns` is never stored. The address of one of its values is the sum of two offsets, one for the tap (channel, ky,
 * kx) and one for the pixel (oy, ox), so `packGather` copies straight from the image into the panels that gemm.ts
 * multiplies. The columns of the panels are pixels in the first product, taps in the second.
 */
import { add, bytes, floatAt, i32, kernel, mul, sub } from './dsl.ts';
import { ADDEND, block, EDGE_BYTES, KC } from './gemm.ts';
import { packGather } from './pack-gather.ts';

const sizeParams = {
  /** Bytes between images, groups of channels, channels, rows. */
  image: i32,
  group: i32,
  plane: i32,
  row: i32,
  /** Bytes in x from one pixel of the result to the next, down and right. */
  down: i32,
  right: i32,
  groups: i32,
  /** Channels of the result in a group. */
  outs: i32,
  /** ins · kh · kw */
  depth: i32,
  kh: i32,
  kw: i32,
  /** oh · ow */
  pixels: i32,
  oh: i32,
  ow: i32,
  /** Columns of the product in an item, and the number of such blocks. */
  block: i32,
  blocks: i32,
};

/** Items: image, group, block of pixels, share of the group's channels: `height` of them in each of `shares`. */
export const conv = kernel(
  'conv',
  { x: i32, w: i32, bias: i32, y: i32, ...sizeParams, height: i32, shares: i32 },
  (f, a) => {
    const names = 'i from n kc kb addend source weights result bias';
    const { i, from, n, kc, kb, addend, source, weights, result, bias } = f.ints(names);
    const { set, g, out, outs } = f.ints('set g out outs');
    const panels = add(a.scratch, EDGE_BYTES);
    f.for(i, a.begin, a.end, 1, () => {
      out.set(mul(i32.remu(i, a.shares), a.height));
      outs.set(i32.min(a.height, sub(a.outs, out)));
      set.set(i32.divu(i32.divu(i, a.shares), a.blocks)); // image · groups + group
      g.set(i32.remu(set, a.groups));
      out.set(add(out, mul(g, a.outs)));
      from.set(mul(i32.remu(i32.divu(i, a.shares), a.blocks), a.block));
      n.set(i32.min(a.block, sub(a.pixels, from)));
      source.set(add(a.x, mul(i32.divu(set, a.groups), a.image), mul(g, a.group)));
      weights.set(floatAt(a.w, mul(out, a.depth)));
      const plane = add(mul(i32.divu(set, a.groups), mul(a.groups, a.outs)), out);
      result.set(floatAt(a.y, add(mul(plane, a.pixels), from)));
      bias.set(floatAt(a.bias, out));
      addend.set(i32.select(ADDEND.rowBias, ADDEND.nothing, a.bias));
      f.for(kc, 0, a.depth, KC, () => {
        kb.set(i32.min(sub(a.depth, kc), KC));
        f.call(packGather, {
          src: source,
          firstK: kc,
          depth: kb,
          sizeK1: a.kh,
          sizeK2: a.kw,
          strideK0: a.plane,
          strideK1: a.row,
          strideK2: 4,
          firstJ: from,
          n,
          sizeJ1: a.oh,
          sizeJ2: a.ow,
          strideJ0: 0,
          strideJ1: a.down,
          strideJ2: a.right,
          dst: panels,
        });
        f.call(block.row, {
          m: outs,
          nb: n,
          kb,
          A: floatAt(weights, kc),
          lda: bytes(a.depth),
          panels,
          panelStride: i32.shl(kb, 5),
          C: result,
          ldc: bytes(a.pixels),
          addend,
          bias,
          edge: a.scratch,
        });
        addend.set(ADDEND.c);
      });
    });
  },
);

/** Items: part, group, block of taps. A part sums `images` images of `count` into its own [groups · outs, depth]. */
export const convWeights = kernel(
  'convWeights',
  { x: i32, g: i32, parts: i32, ...sizeParams, images: i32, count: i32 },
  (f, a) => {
    const names = 'i from n pc kb addend source grad result image last';
    const { i, from, n, pc, kb, addend, source, grad, result, image, last } = f.ints(names);
    const { set, g, part } = f.ints('set g part');
    const panels = add(a.scratch, EDGE_BYTES);
    f.for(i, a.begin, a.end, 1, () => {
      set.set(i32.divu(i, a.blocks)); // part · groups + group
      g.set(i32.remu(set, a.groups));
      part.set(i32.divu(set, a.groups));
      from.set(mul(i32.remu(i, a.blocks), a.block));
      n.set(i32.min(a.block, sub(a.depth, from)));
      result.set(floatAt(a.parts, add(mul(mul(set, a.outs), a.depth), from)));
      addend.set(ADDEND.nothing);
      last.set(i32.min(a.count, mul(add(part, 1), a.images)));
      f.for(image, mul(part, a.images), last, 1, () => {
        source.set(add(a.x, mul(image, a.image), mul(g, a.group)));
        grad.set(floatAt(a.g, mul(mul(add(mul(image, a.groups), g), a.outs), a.pixels)));
        f.for(pc, 0, a.pixels, KC, () => {
          kb.set(i32.min(sub(a.pixels, pc), KC));
          f.call(packGather, {
            src: source,
            firstK: pc,
            depth: kb,
            sizeK1: a.oh,
            sizeK2: a.ow,
            strideK0: 0,
            strideK1: a.down,
            strideK2: a.right,
            firstJ: from,
            n,
            sizeJ1: a.kh,
            sizeJ2: a.kw,
            strideJ0: a.plane,
            strideJ1: a.row,
            strideJ2: 4,
            dst: panels,
          });
          f.call(block.row, {
            m: a.outs,
            nb: n,
            kb,
            A: floatAt(grad, pc),
            lda: bytes(a.pixels),
            panels,
            panelStride: i32.shl(kb, 5),
            C: result,
            ldc: bytes(a.depth),
            addend,
            bias: 0,
            edge: a.scratch,
          });
          addend.set(ADDEND.c);
        });
      });
    });
  },
);

export const kernels = [conv, convWeights];
