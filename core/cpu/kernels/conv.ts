/**
 * Two-dimensional convolution and its gradients. Images are copied to get a border of zeros, unless they need none. The
 * products are in correlate.ts, conv-products.ts, depthwise.ts and winograd.ts.
 */
import { options, type Routine, ref } from '../routine.ts';
import { gradInput } from './conv-grad-input.ts';
import { convWeights } from './conv-products.ts';
import { blockFor, correlate, type Filters, framedToTiles, inTiles } from './correlate.ts';
import { framed, type Images, images, type Pair } from './frames.ts';
import { reduceParts } from './parts.ts';
import { weightGradient } from './winograd.ts';

interface Options {
  readonly [key: string]: unknown;
  readonly stride: Pair;
  readonly padding: readonly [top: number, bottom: number, left: number, right: number];
  readonly groups: number;
}

const before = ({ padding: [top, , left] }: Options): Pair => [top, left];
const paddedSize = ({ H, W }: Images, { padding: [top, bottom, left, right] }: Options): Pair => [
  H + top + bottom,
  W + left + right,
];

export const routines: Readonly<Record<string, Routine>> = {
  /** x [N, C, H, W], w [O, C/g, kh, kw], bias [O] or null → [N, O, OH, OW] */
  conv2d(cpu, result, ...args) {
    const w = ref(args[1]);
    const opts = options<Options>(args[3]);
    const [kh, kw] = w.shape.slice(2) as [number, number];
    const y = images(result);
    if (y.N * y.C * y.H * y.W === 0) return;
    const { stride, groups } = opts;
    const filters: Filters = { at: w.at, bias: args[2] == null ? 0 : ref(args[2]).at, kh, kw, stride, groups };
    const x = images(ref(args[0]));
    correlate(cpu, x, before(opts), paddedSize(x, opts), filters, y);
  },

  /** g [N, O, OH, OW], w → [N, C, H, W] */
  conv2dGradInput(cpu, dx, ...args) {
    const w = ref(args[1]);
    const opts = options<Options>(args[2]);
    const [kh, kw] = w.shape.slice(2) as [number, number];
    const filters: Filters = { at: w.at, bias: 0, kh, kw, stride: opts.stride, groups: opts.groups };
    gradInput(cpu, images(dx), images(ref(args[0])), filters, before(opts));
  },

  /** x [N, C, H, W], g [N, O, OH, OW] → [O, C/g, kh, kw] */
  conv2dGradWeight(cpu, dw, ...args) {
    const [x, g] = [images(ref(args[0])), images(ref(args[1]))];
    const opts = options<Options>(args[2]);
    const [O, ins, kh, kw] = dw.shape as [number, number, number, number];
    const { stride, groups } = opts;
    const filters: Filters = { at: 0, bias: 0, kh, kw, stride, groups };
    if (inTiles(filters, x.C, g)) {
      framedToTiles(cpu, x, before(opts), g, 2, (x) =>
        framedToTiles(cpu, g, [0, 0], g, 0, (frames) => weightGradient(cpu, x, frames, dw.at, [g.N, O, g.H, g.W], ins)),
      );
      return;
    }
    const depth = ins * kh * kw;
    const count = Math.ceil(g.N / 8); // images of a part: at most eight parts
    const parts = Math.ceil(g.N / count);
    const block = blockFor(cpu, parts * groups, depth);
    const blocks = Math.ceil(depth / block);
    const launch = { items: parts * groups * blocks, work: g.N * O * g.H * g.W * depth };
    framed(cpu, x, before(opts), paddedSize(x, opts), (x) => {
      const plane = 4 * x.H * x.W;
      reduceParts(cpu, dw.at, parts, O * depth, (partsAt) =>
        cpu.parallel(convWeights, launch, {
          x: x.at,
          g: g.at,
          parts: partsAt,
          image: x.C * plane,
          group: ins * plane,
          plane,
          row: 4 * x.W,
          down: 4 * stride[0] * x.W,
          right: 4 * stride[1],
          groups,
          outs: O / groups,
          depth,
          kh,
          kw,
          pixels: g.H * g.W,
          oh: g.H,
          ow: g.W,
          block,
          blocks,
          images: count,
          count: g.N,
        }),
      );
    });
  },
};
