/** upsampleNearest and avgPool2d of x [N, C, H, W]; factor 2 in vectors. */
import { f32, i32, v } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { options, type Routine, ref } from '../routine.ts';
import { copyFloats } from './copy.ts';
import { ints } from './locals.ts';

export const routines: Readonly<Record<string, Routine>> = {
  upsampleNearest(cpu, y, x, opts) {
    const { scale } = options<{ scale: number }>(opts);
    const [N, C, H, W] = ref(x).shape as [number, number, number, number];
    cpu.parallel('upsampleNearest', N * C * H, N * C * H * W * scale * scale, [ref(x).at, y.at, W, scale]);
  },
  avgPool2d(cpu, y, x, opts) {
    const { size } = options<{ size: number }>(opts);
    const [N, C, H, W] = y.shape as [number, number, number, number];
    cpu.parallel('avgPool2d', N * C * H, N * C * H * W * size * size, [ref(x).at, y.at, W, size, 1 / (size * size)]);
  },
};

export function define(k: KernelBuilder): void {
  // item = row of x: it is stretched into one row of y, which is then repeated
  k.def('upsampleNearest', 'begin end scratch x y width scale', (f, a, L) => {
    const { item, from, to, i, j, first, row } = ints(L, 'item from to i j first row');
    const [four, value] = [L('four'), L('value', 'f32')];
    row.set(i32.shl(i32.mul(a.width, a.scale), i32.const(2)));
    f.for(item, a.begin, a.end, i32.const(1), () => {
      from.set(i32.add(a.x, i32.shl(i32.mul(item, a.width), i32.const(2))));
      first.set(i32.add(a.y, i32.mul(i32.mul(item, a.scale), row)));
      to.set(first);
      i.set(a.width);
      f.if(i32.eq(a.scale, i32.const(2)), () =>
        f.while(i32.ge(i, i32.const(4)), () => {
          four.set(v.load(from));
          f.do(v.store(to, v.shuffle(four, four, [0, 0, 1, 1])), v.store(to, v.shuffle(four, four, [2, 2, 3, 3]), 16));
          from.set(i32.add(from, i32.const(16)));
          to.set(i32.add(to, i32.const(32)));
          i.set(i32.sub(i, i32.const(4)));
        }),
      );
      f.while(i, () => {
        value.set(f32.load(from));
        f.loop(j, a.scale, 1, () => {
          f.do(f32.store(to, value));
          to.set(i32.add(to, i32.const(4)));
        });
        from.set(i32.add(from, i32.const(4)));
        i.set(i32.sub(i, i32.const(1)));
      });
      f.for(j, i32.const(1), a.scale, i32.const(1), () => {
        copyFloats(f, L, i32.add(first, i32.mul(j, row)), first, i32.mul(a.width, a.scale));
      });
    });
  });

  // item = row of y
  k.def('avgPool2d', 'begin end scratch x y width size share:f32', (f, a, L) => {
    const { item, from, to, i, j, n, at, row } = ints(L, 'item from to i j n at row');
    const [low, high, sum] = [L('low'), L('high'), L('sum', 'f32')];
    row.set(i32.shl(i32.mul(a.width, a.size), i32.const(2)));
    f.for(item, a.begin, a.end, i32.const(1), () => {
      from.set(i32.add(a.x, i32.mul(i32.mul(item, a.size), row)));
      to.set(i32.add(a.y, i32.shl(i32.mul(item, a.width), i32.const(2))));
      n.set(a.width);
      f.if(i32.eq(a.size, i32.const(2)), () =>
        f.while(i32.ge(n, i32.const(4)), () => {
          at.set(i32.add(from, row));
          low.set(v.add(v.load(from), v.load(at)));
          high.set(v.add(v.load(from, 16), v.load(at, 16)));
          low.set(v.add(v.shuffle(low, high, [0, 2, 4, 6]), v.shuffle(low, high, [1, 3, 5, 7])));
          f.do(v.store(to, v.mul(low, k.c(0.25))));
          from.set(i32.add(from, i32.const(32)));
          to.set(i32.add(to, i32.const(16)));
          n.set(i32.sub(n, i32.const(4)));
        }),
      );
      f.while(n, () => {
        sum.set(f32.const(0));
        f.loop(i, a.size, 1, () => {
          at.set(i32.add(from, i32.mul(i, row)));
          f.loop(j, a.size, 1, () => {
            sum.set(f32.add(sum, f32.load(at)));
            at.set(i32.add(at, i32.const(4)));
          });
        });
        f.do(f32.store(to, f32.mul(sum, a.share)));
        from.set(i32.add(from, i32.shl(a.size, i32.const(2))));
        to.set(i32.add(to, i32.const(4)));
        n.set(i32.sub(n, i32.const(1)));
      });
    });
  });
}
