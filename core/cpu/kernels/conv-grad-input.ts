/**
 * The gradient of a convolution with respect to its input: itself a convolution, of g with the filters rotated by 180°.
 *
 * With a stride s the pixels of the input fall into s · s phases, each of which meets only every s-th tap of the
 * filter. Each phase is a convolution of stride 1, and its result is spread over every s-th pixel.
 *
 *      stride 2, three taps:   x  a b a b a b a      a = g · w₁ (one tap)      b = g · w₀ + g' · w₂ (two taps)
 */
import type { Cpu } from '../routine.ts';
import { correlate, correlateTiles, type Filters, inTiles } from './correlate.ts';
import { add, bytes, floatAt, i32, kernel, mul, sub } from './dsl.ts';
import { fillZeros, type Images, type Pair, place } from './frames.ts';

/** Channels whose filters are flipped together: those of neighboring channels share cache lines. */
const TOGETHER = 16;

const params = {
  w: i32,
  y: i32,
  /** Channels in and out of a group. */
  ins: i32,
  outs: i32,
  kh: i32,
  kw: i32,
  /** Size of the flipped filters. */
  th: i32,
  tw: i32,
  /** The taps that become the first ones, and the steps back from there. */
  firstY: i32,
  firstX: i32,
  stepY: i32,
  stepX: i32,
};

/** Weights [O, C/g, kh, kw] → [C, O/g, th, tw], taps in reverse. Items: channels of [C]. */
const flipWeights = kernel('flipWeights', params, (f, a) => {
  const { from, to, i, o, ty, tx, p, q, line, right, down } = f.ints('from to i o ty tx p q line right down');
  const flip = () => {
    p.set(floatAt(a.y, mul(add(mul(i, a.outs), o), mul(a.th, a.tw))));
    const out = add(mul(i32.divu(i, a.ins), a.outs), o); // channel i is of group i / ins
    const filter = mul(add(mul(out, a.ins), i32.remu(i, a.ins)), mul(a.kh, a.kw));
    line.set(floatAt(a.w, add(filter, add(mul(a.firstY, a.kw), a.firstX))));
    f.for(ty, 0, a.th, 1, () => {
      q.set(line);
      f.for(tx, 0, a.tw, 1, () => {
        f.do(i32.store(p, i32.load(q)));
        q.set(sub(q, right));
        p.set(add(p, 4));
      });
      line.set(sub(line, down));
    });
  };
  right.set(bytes(a.stepX));
  down.set(mul(bytes(a.stepY), a.kw));
  f.for(from, a.begin, a.end, TOGETHER, () => {
    to.set(i32.min(a.end, add(from, TOGETHER)));
    f.for(o, 0, a.outs, 1, () => f.for(i, from, to, 1, flip));
  });
});

export const kernels = [flipWeights];

/** One phase of an axis: the taps that it meets, its pixels, and the zeros before g. */
function phaseOf(r: number, stride: number, before: number, size: number, length: number) {
  const taps = Math.max(0, Math.ceil((size - r) / stride)); // r, r + stride, …
  const first = Math.max(0, Math.ceil((before - r) / stride)); // pixel u of the phase is u · stride + r − before
  const count = Math.floor((length - 1 + before - r) / stride) - first + 1;
  return {
    taps,
    lastTap: r + stride * (taps - 1),
    count,
    zeros: taps - 1 - first,
    to: { offset: first * stride + r - before, stride },
  };
}
type Phase = ReturnType<typeof phaseOf>;

/**
 * dx [N, C, H, W] from g [N, O, OH, OW].
 *
 * @param before  rows and columns of padding above and left of x
 */
export function gradInput(cpu: Cpu, dx: Images, g: Images, filters: Filters, before: Pair): void {
  if (inTiles(filters, g.C, dx)) {
    correlateTiles(cpu, g, [2 - before[0], 2 - before[1]], filters, dx, true);
    return;
  }
  const { kh, kw, stride } = filters;
  const direct = stride[0] === 1 && stride[1] === 1;
  if (!direct) fillZeros(cpu, dx);
  for (let ry = 0; ry < stride[0]; ry++)
    for (let rx = 0; rx < stride[1]; rx++) {
      const down = phaseOf(ry, stride[0], before[0], kh, dx.H);
      const right = phaseOf(rx, stride[1], before[1], kw, dx.W);
      if (Math.min(down.taps, right.taps, down.count, right.count) <= 0) continue;
      if (direct) gradPhase(cpu, dx, g, filters, down, right);
      else {
        const floats = dx.N * dx.C * down.count * right.count;
        const result = { ...dx, H: down.count, W: right.count, at: cpu.alloc(floats) };
        gradPhase(cpu, result, g, filters, down, right);
        place(cpu, result, dx, down.to, right.to, false);
        cpu.free(result.at, floats);
      }
    }
}

/** The pixels of one phase, next to each other. */
function gradPhase(cpu: Cpu, dx: Images, g: Images, filters: Filters, down: Phase, right: Phase): void {
  const { at, kh, kw, stride, groups } = filters;
  const [ins, outs] = [dx.C / groups, g.C / groups];
  const [th, tw] = [down.taps, right.taps];
  const floats = dx.C * outs * th * tw;
  const weights = cpu.alloc(floats);
  cpu.parallel(
    flipWeights,
    { items: dx.C, work: floats },
    {
      w: at,
      y: weights,
      ins,
      outs,
      kh,
      kw,
      th,
      tw,
      firstY: down.lastTap,
      firstX: right.lastTap,
      stepY: stride[0],
      stepX: stride[1],
    },
  );
  const flipped: Filters = { at: weights, bias: 0, kh: th, kw: tw, stride: [1, 1], groups };
  correlate(cpu, g, [down.zeros, right.zeros], [down.count + th - 1, right.count + tw - 1], flipped, dx);
  cpu.free(weights, floats);
}
