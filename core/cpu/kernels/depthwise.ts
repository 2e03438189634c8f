/** Convolution with one input channel per output channel: each tap times a vector of neighbors. */
import { everySecond } from './copy.ts';
import { add, bytes, floatAt, i32, kernel, type Local, mul, sub, type V128, v } from './dsl.ts';

const params = {
  x: i32,
  w: i32,
  /** 0: none. */
  bias: i32,
  y: i32,
  /** Bytes between images, channels, rows. */
  image: i32,
  plane: i32,
  row: i32,
  /** Bytes in x from one pixel of the result to the next, down and right. */
  down: i32,
  right: i32,
  /** Channels of the result, in all and for each channel of x. */
  channels: i32,
  outs: i32,
  kh: i32,
  kw: i32,
  oh: i32,
  ow: i32,
};

/** Items: planes of the result. */
export const convDepthwise = kernel('convDepthwise', params, (f, a) => {
  const names = 'i o oy j ky kx line p tap taps weights source out';
  const { i, o, oy, j, ky, kx, line, p, tap, taps, weights, source, out } = f.ints(names);
  const { bias, w } = f.vectors('bias w');
  const sums = f.vectorArray('sum', 4);

  /** `count` times four pixels of the result from column j on; `load` reads the x-th four of x. */
  const sumTaps = (count: number, load: (p: Local<'i32'>, x: number) => V128) => {
    const used = sums.slice(0, count);
    for (const sum of used) sum.set(bias);
    tap.set(weights);
    line.set(add(source, mul(j, a.right)));
    f.for(ky, 0, a.kh, 1, () => {
      p.set(line);
      f.for(kx, 0, a.kw, 1, () => {
        w.set(v.loadSplat(tap));
        for (const [x, sum] of used.entries()) sum.set(f.madd(w, load(p, x), sum));
        tap.set(add(tap, 4));
        p.set(add(p, 4));
      });
      line.set(add(line, a.row));
    });
  };
  // strides 1, 2 and others
  const neighbors = (p: Local<'i32'>, x: number) => v.load(p, 16 * x);
  const spaced = (p: Local<'i32'>, x: number) => everySecond(p, 32 * x);
  const scattered = (p: Local<'i32'>) => {
    const pixel = (lane: number) => add(p, mul(a.right, lane));
    let t: V128 = v.loadSplat(p);
    for (const lane of [1, 2, 3]) t = v.setLane(t, lane, v.lane(v.loadZero(pixel(lane)), 0));
    return t;
  };
  const sumFours = (count: number) =>
    f.if(
      i32.eq(a.right, 4),
      () => sumTaps(count, neighbors),
      () =>
        f.if(
          i32.eq(a.right, 8),
          () => sumTaps(count, spaced),
          () => sumTaps(1, scattered),
        ),
    );
  /** Sixteen pixels at a time, then four, then the last one to three. */
  const row = () => {
    f.for(j, 0, i32.select(sub(a.ow, 15), 0, i32.le(a.right, 8)), 16, () => {
      sumFours(4);
      for (const [x, sum] of sums.entries()) f.do(v.store(out, sum, 16 * x));
      out.set(add(out, 64));
    });
    f.for(j, j, a.ow, 4, () => {
      const left = sub(a.ow, j);
      const storeLast = () => {
        f.do(v.storeLane(out, sums[0], 0));
        for (const lane of [1, 2]) f.if(i32.gt(left, lane), () => f.do(v.storeLane(out, sums[0], lane, 4 * lane)));
      };
      sumFours(1);
      f.if(i32.ge(left, 4), () => f.do(v.store(out, sums[0])), storeLast);
      out.set(floatAt(out, i32.min(left, 4)));
    });
  };

  taps.set(bytes(mul(a.kh, a.kw)));
  f.for(i, a.begin, a.end, 1, () => {
    o.set(i32.remu(i, a.channels));
    weights.set(add(a.w, mul(o, taps)));
    bias.set(v.const(0));
    f.if(a.bias, () => bias.set(v.loadSplat(floatAt(a.bias, o))));
    source.set(add(a.x, mul(i32.divu(i, a.channels), a.image), mul(i32.divu(o, a.outs), a.plane)));
    out.set(floatAt(a.y, mul(i, mul(a.oh, a.ow))));
    f.for(oy, 0, a.oh, 1, () => {
      row();
      source.set(add(source, a.down));
    });
  });
});

export const kernels = [convDepthwise];
