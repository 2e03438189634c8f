/**
 * The loops of convolution, over pictures that already have their border of zeros:
 *
 *   conv          y[n] = W · columns(x[n]):   [O, K] · [K, P]     K = channels · kh · kw, P = places of the result
 *   conv_weights  dW   = Σ_n g[n] · columns(x[n])ᵀ:   [O, P] · [P, K]
 *
 * `columns` is never stored. A value of it stands in the picture at the sum of two offsets, one that depends on the tap
 * (channel, ky, kx) and one that depends on the place (oy, ox), so `pack_gather` copies straight from the picture into
 * the panels that the product of gemm.ts reads; which of the two is the column of the panel differs.
 */
import { i32, type Local, type V128, v } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { everySecond } from './copy.ts';
import { ADD, EDGE_BYTES, KC } from './gemm.ts';
import { eachFour, ints, vectors } from './locals.ts';

const at = i32.add;
const c = i32.const;

/** Channels whose weights are turned together. */
const TURNED = 16;

export function define(k: KernelBuilder): void {
  definePlace(k);
  definePackGather(k);
  defineConv(k);
  defineDepthwise(k);
  // weights [O, C/g, kh, kw] → [C, O/g, th, tw], taps y = firstY, firstY − stepY, … turned around; items: channels of [C]
  k.def('turn_weights', 'begin end scratch w y ins outs kh kw th tw firstY firstX stepY stepX', (f, a, L) => {
    const { from, to, i, o, ty, tx, p, q, line, right, down } = ints(L, 'from to i o ty tx p q line right down');
    const taps = i32.mul(a.th, a.tw);
    right.set(i32.shl(a.stepX, c(2)));
    down.set(i32.mul(i32.shl(a.stepY, c(2)), a.kw));
    // weights of neighboring channels share cache lines
    f.for(from, a.begin, a.end, c(TURNED), () => {
      to.set(i32.min(a.end, at(from, c(TURNED))));
      f.loop(o, a.outs, 1, () =>
        f.for(i, from, to, c(1), () => {
          p.set(at(a.y, i32.shl(i32.mul(at(i32.mul(i, a.outs), o), taps), c(2))));
          const out = at(i32.mul(i32.divu(i, a.ins), a.outs), o); // channel i is of group i / ins
          const kernel = i32.mul(at(i32.mul(out, a.ins), i32.remu(i, a.ins)), i32.mul(a.kh, a.kw));
          line.set(at(a.w, i32.shl(at(kernel, at(i32.mul(a.firstY, a.kw), a.firstX)), c(2))));
          f.loop(ty, a.th, 1, () => {
            q.set(line);
            f.loop(tx, a.tw, 1, () => {
              f.do(i32.store(p, i32.load(q)));
              q.set(i32.sub(q, right));
              p.set(at(p, c(4)));
            });
            line.set(i32.sub(line, down));
          });
        }),
      );
    });
  });
}

/** Copies a rectangle of each plane; with `zero`, fills the target's plane of that many bytes with zeros first. */
function definePlace(k: KernelBuilder): void {
  const params = 'src dst srcPlane dstPlane srcAt dstAt rows columns srcRow dstRow srcStep dstStep zero';
  k.def('place', `begin end scratch ${params}`, (f, a, L) => {
    const { i, j, y, p, q, from, to } = ints(L, 'i j y p q from to');
    const { t } = vectors(L, 't');
    f.for(i, a.begin, a.end, c(1), () => {
      p.set(at(at(a.src, i32.mul(i, a.srcPlane)), a.srcAt));
      q.set(at(a.dst, i32.mul(i, a.dstPlane)));
      t.set(v.const(0));
      eachFour(f, L, j, i32.shru(a.zero, c(2)), ({ store }) => store(q, t));
      q.set(at(q, a.dstAt));
      f.loop(y, a.rows, 1, () => {
        f.if(
          i32.and(i32.eq(a.srcStep, c(4)), i32.eq(a.dstStep, c(4))),
          () =>
            eachFour(f, L, j, a.columns, ({ load, store }) => {
              t.set(load(p));
              store(q, t);
            }),
          () => {
            from.set(p);
            to.set(q);
            f.loop(j, a.columns, 1, () => {
              f.do(i32.store(to, i32.load(from)));
              from.set(at(from, a.srcStep));
              to.set(at(to, a.dstStep));
            });
          },
        );
        p.set(at(p, a.srcRow));
        q.set(at(q, a.dstRow));
      });
    });
  });
}

/**
 * Panels [n/8][depth][8] of the values at src + walk(k) + column(j) for k = k0 …, j = j0 …. An index of either stands for
 * three digits, the last two below w1, w2 (c1, c2), and its offset is the sum of digit · stride (s0 s1 s2 and t0 t1 t2).
 */
function definePackGather(k: KernelBuilder): void {
  const params = 'src k0 depth w1 w2 s0 s1 s2 j0 n c1 c2 t0 t1 t2 dst';
  k.def('pack_gather', params, (f, a, L) => {
    const { j, count, p, d, x1, x2, i1, i2, w, start, start1, start2 } =
      ints(L, 'j count p d x1 x2 i1 i2 w start start1 start2'); // biome-ignore format: one line
    const q = Object.values(ints(L, 'q0 q1 q2 q3 q4 q5 q6 q7'));
    const digits = (index: Local<'i32'>, n1: Local<'i32'>, n2: Local<'i32'>) =>
      ({ d0: i32.divu(i32.divu(index, n2), n1), d1: i32.remu(i32.divu(index, n2), n1), d2: i32.remu(index, n2) }); // biome-ignore format: one line
    type Int = Local<'i32'>;
    /** Adds one to the last digit of (high, low) and moves the offset along. */
    const advance = (offset: Int, high: Int, low: Int, n1: Int, n2: Int, r0: Int, r1: Int, r2: Int) => {
      offset.set(at(offset, r2));
      low.set(at(low, c(1)));
      f.if(i32.eq(low, n2), () => {
        low.set(c(0));
        offset.set(at(offset, i32.sub(r1, i32.mul(n2, r2))));
        high.set(at(high, c(1)));
        f.if(i32.eq(high, n1), () => {
          high.set(c(0));
          offset.set(at(offset, i32.sub(r0, i32.mul(n1, r1))));
        });
      });
    };
    const walk = (copy: () => void) => {
      w.set(start);
      i1.set(start1);
      i2.set(start2);
      count.set(a.depth);
      f.doWhile(() => {
        copy();
        d.set(at(d, c(32)));
        advance(w, i1, i2, a.w1, a.w2, a.s0, a.s1, a.s2);
        count.set(i32.sub(count, c(1)));
        return count;
      });
    };

    const first = digits(a.k0, a.w1, a.w2);
    start.set(at(at(i32.mul(first.d0, a.s0), i32.mul(first.d1, a.s1)), i32.mul(first.d2, a.s2)));
    start1.set(first.d1);
    start2.set(first.d2);
    const column = digits(a.j0, a.c1, a.c2);
    p.set(at(at(at(a.src, i32.mul(column.d0, a.t0)), i32.mul(column.d1, a.t1)), i32.mul(column.d2, a.t2)));
    x1.set(column.d1);
    x2.set(column.d2);
    d.set(a.dst);
    f.loop(j, a.n, 8, () => {
      q.forEach((address, x) => {
        address.set(p);
        // columns past the end repeat the last one
        f.if(i32.lt(at(j, c(x + 1)), a.n), () => advance(p, x1, x2, a.c1, a.c2, a.t0, a.t1, a.t2));
      });
      f.if(
        i32.and(i32.eq(i32.sub(q[7], q[0]), c(28)), i32.ge(i32.sub(a.n, j), c(8))), // eight neighbors
        () => walk(() => f.do(v.store(d, v.load(at(q[0], w))), v.store(d, v.load(at(q[0], w), 16), 16))),
        () => walk(() => f.do(...q.map((address, x) => i32.store(d, i32.load(at(address, w)), 4 * x)))),
      );
    });
  });
}

function defineConv(k: KernelBuilder): void {
  // of the picture: bytes of a picture, a group's channels, a channel, a row; bytes from place to place down and right
  const picture = 'image group plane row down right';
  // per group: outs rows, depth = ins · kh · kw; places = oh · ow; block columns per item, `blocks` of them
  const sizes = 'groups outs depth kh kw places oh ow block blocks';

  // items: picture, group, block of places, share of the group's channels: `height` of them in each of `shares`
  k.def('conv', `begin end scratch x w bias y ${picture} ${sizes} height shares`, (f, a, L) => {
    const { i, from, n, kc, kb, add, source, weights, result, bias } = ints(
      L,
      'i from n kc kb add source weights result bias',
    );
    const { set, g, out, outs } = ints(L, 'set g out outs');
    const panels = at(a.scratch, c(EDGE_BYTES));
    f.for(i, a.begin, a.end, c(1), () => {
      out.set(i32.mul(i32.remu(i, a.shares), a.height));
      outs.set(i32.min(a.height, i32.sub(a.outs, out)));
      set.set(i32.divu(i32.divu(i, a.shares), a.blocks)); // picture · groups + group
      g.set(i32.remu(set, a.groups));
      out.set(at(out, i32.mul(g, a.outs)));
      from.set(i32.mul(i32.remu(i32.divu(i, a.shares), a.blocks), a.block));
      n.set(i32.min(a.block, i32.sub(a.places, from)));
      source.set(at(at(a.x, i32.mul(i32.divu(set, a.groups), a.image)), i32.mul(g, a.group)));
      weights.set(at(a.w, i32.shl(i32.mul(out, a.depth), c(2))));
      const plane = at(i32.mul(i32.divu(set, a.groups), i32.mul(a.groups, a.outs)), out);
      result.set(at(a.y, i32.shl(at(i32.mul(plane, a.places), from), c(2))));
      bias.set(at(a.bias, i32.shl(out, c(2))));
      add.set(i32.select(c(ADD.rowBias), c(ADD.nothing), a.bias));
      f.loop(kc, a.depth, KC, () => {
        kb.set(i32.min(i32.sub(a.depth, kc), c(KC)));
        const A = at(weights, i32.shl(kc, c(2)));
        const lda = i32.shl(a.depth, c(2));
        const ldc = i32.shl(a.places, c(2));
        f.do(
          k.call('pack_gather', source, kc, kb, a.kh, a.kw, a.plane, a.row, c(4), from, n, a.oh, a.ow, c(0), a.down, a.right, panels),
          k.call('block_row', outs, n, kb, A, lda, panels, i32.shl(kb, c(5)), result, ldc, add, bias, a.scratch),
        ); // biome-ignore format: two calls
        add.set(c(ADD.c));
      });
    });
  });

  // items: part, group, block of taps; a part sums `images` pictures of `count` into its own [groups · outs, depth]
  k.def('conv_weights', `begin end scratch x g parts ${picture} ${sizes} images count`, (f, a, L) => {
    const { i, from, n, pc, kb, add, source, grad, result, image, last } = ints(
      L,
      'i from n pc kb add source grad result image last',
    );
    const { set, g, part } = ints(L, 'set g part');
    const panels = at(a.scratch, c(EDGE_BYTES));
    f.for(i, a.begin, a.end, c(1), () => {
      set.set(i32.divu(i, a.blocks)); // part · groups + group
      g.set(i32.remu(set, a.groups));
      part.set(i32.divu(set, a.groups));
      from.set(i32.mul(i32.remu(i, a.blocks), a.block));
      n.set(i32.min(a.block, i32.sub(a.depth, from)));
      result.set(at(a.parts, i32.shl(at(i32.mul(i32.mul(set, a.outs), a.depth), from), c(2))));
      add.set(c(ADD.nothing));
      last.set(i32.min(a.count, i32.mul(at(part, c(1)), a.images)));
      f.for(image, i32.mul(part, a.images), last, c(1), () => {
        source.set(at(at(a.x, i32.mul(image, a.image)), i32.mul(g, a.group)));
        grad.set(at(a.g, i32.shl(i32.mul(i32.mul(at(i32.mul(image, a.groups), g), a.outs), a.places), c(2))));
        f.loop(pc, a.places, KC, () => {
          kb.set(i32.min(i32.sub(a.places, pc), c(KC)));
          const A = at(grad, i32.shl(pc, c(2)));
          const lda = i32.shl(a.places, c(2));
          const ldc = i32.shl(a.depth, c(2));
          f.do(
            k.call('pack_gather', source, pc, kb, a.oh, a.ow, c(0), a.down, a.right, from, n, a.kh, a.kw, a.plane, a.row, c(4), panels),
            k.call('block_row', a.outs, n, kb, A, lda, panels, i32.shl(kb, c(5)), result, ldc, add, c(0), a.scratch),
          ); // biome-ignore format: two calls
          add.set(c(ADD.c));
        });
      });
    });
  });
}

/** One input channel per output channel: each tap times a vector of neighbors. Items: planes of the result. */
function defineDepthwise(k: KernelBuilder): void {
  const params = 'x w bias y image plane row down right channels outs kh kw oh ow';
  k.def('conv_depthwise', `begin end scratch ${params}`, (f, a, L) => {
    const { i, o, oy, j, ky, kx, line, p, tap, taps, weights, source, out } =
      ints(L, 'i o oy j ky kx line p tap taps weights source out'); // biome-ignore format: one line
    const { bias, w } = vectors(L, 'bias w');
    const sums = Object.values(vectors(L, 'sum0 sum1 sum2 sum3'));

    /** Four places from p on, `right` bytes apart, for each of the strides that have a vector form. */
    const sumTaps = (count: number, load: (p: Local<'i32'>, x: number) => V128) => {
      for (const s of sums.slice(0, count)) s.set(bias);
      tap.set(weights);
      line.set(at(source, i32.mul(j, a.right)));
      f.loop(ky, a.kh, 1, () => {
        p.set(line);
        f.loop(kx, a.kw, 1, () => {
          w.set(v.loadSplat(tap));
          sums.slice(0, count).forEach((s, x) => {
            s.set(k.madd(w, load(p, x), s));
          });
          tap.set(at(tap, c(4)));
          p.set(at(p, c(4)));
        });
        line.set(at(line, a.row));
      });
    };
    const neighbors = (p: Local<'i32'>, x: number) => v.load(p, 16 * x);
    const spaced = (p: Local<'i32'>, x: number) => everySecond(p, 32 * x);
    const scattered = (p: Local<'i32'>) => {
      const step = (lane: number) => at(p, i32.mul(a.right, c(lane)));
      let t: V128 = v.loadSplat(p);
      for (const lane of [1, 2, 3]) t = v.setLane(t, lane, v.lane(v.loadZero(step(lane)), 0));
      return t;
    };
    const four = (count: number) =>
      f.if(i32.eq(a.right, c(4)), () => sumTaps(count, neighbors), () =>
        f.if(i32.eq(a.right, c(8)), () => sumTaps(count, spaced), () => sumTaps(1, scattered))); // biome-ignore format: three cases
    const row = () => {
      // sixteen places at a time where that many are left, then four, then the rest
      f.for(j, c(0), i32.select(i32.sub(a.ow, c(15)), c(0), i32.le(a.right, c(8))), c(16), () => {
        four(4);
        sums.forEach((s, x) => {
          f.do(v.store(out, s, 16 * x));
        });
        out.set(at(out, c(64)));
      });
      f.for(j, j, a.ow, c(4), () => {
        four(1);
        const left = i32.sub(a.ow, j);
        f.if(i32.ge(left, c(4)), () => f.do(v.store(out, sums[0])), () => {
          f.do(v.storeLane(out, sums[0], 0));
          for (const lane of [1, 2]) f.if(i32.gt(left, c(lane)), () => f.do(v.storeLane(out, sums[0], lane, 4 * lane)));
        }); // biome-ignore format: two cases
        out.set(at(out, i32.shl(i32.min(left, c(4)), c(2))));
      });
    };

    taps.set(i32.shl(i32.mul(a.kh, a.kw), c(2)));
    f.for(i, a.begin, a.end, c(1), () => {
      o.set(i32.remu(i, a.channels));
      weights.set(at(a.w, i32.mul(o, taps)));
      bias.set(v.const(0));
      f.if(a.bias, () => bias.set(v.loadSplat(at(a.bias, i32.shl(o, c(2))))));
      source.set(at(at(a.x, i32.mul(i32.divu(i, a.channels), a.image)), i32.mul(i32.divu(o, a.outs), a.plane)));
      out.set(at(a.y, i32.shl(i32.mul(i, i32.mul(a.oh, a.ow)), c(2))));
      f.loop(oy, a.oh, 1, () => {
        row();
        source.set(at(source, a.down));
      });
    });
  });
}
