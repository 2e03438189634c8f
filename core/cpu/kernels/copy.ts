/** Pieces of kernels that move contiguous floats. They move dst and src along: pass locals that may change. */
import { type Fn, f32, type I32, i32, type Local, type V128, v } from '../emitter.ts';
import type { Locals } from '../kernel-builder.ts';

/** dst[i] = src[i] for i < n. */
export function copyFloats(f: Fn, L: Locals, dst: I32, src: I32, n: I32): void {
  const [d, s, left] = [L('copy.d', 'i32'), L('copy.s', 'i32'), L('copy.left', 'i32')];
  const forward = (floats: number) => {
    d.set(i32.add(d, i32.const(4 * floats)));
    s.set(i32.add(s, i32.const(4 * floats)));
    left.set(i32.sub(left, i32.const(floats)));
  };
  d.set(dst);
  s.set(src);
  left.set(n);
  f.while(i32.ge(left, i32.const(16)), () => {
    for (let o = 0; o < 64; o += 16) f.do(v.store(d, v.load(s, o), o));
    forward(16);
  });
  f.while(i32.ge(left, i32.const(4)), () => {
    f.do(v.store(d, v.load(s)));
    forward(4);
  });
  f.while(left, () => {
    f.do(f32.store(d, f32.load(s)));
    forward(1);
  });
}

/** dst[i] = lane i mod 4 of x for i < n. */
export function fillFloats(f: Fn, L: Locals, dst: I32, x: V128, n: I32): void {
  const [d, left, value] = [L('fill.d', 'i32'), L('fill.left', 'i32'), L('fill.value')];
  d.set(dst);
  left.set(n);
  value.set(x);
  f.while(i32.ge(left, i32.const(4)), () => {
    f.do(v.store(d, value));
    d.set(i32.add(d, i32.const(16)));
    left.set(i32.sub(left, i32.const(4)));
  });
  storeFirst(f, d, value, left);
}

/** Stores the first n < 4 lanes of x. */
export function storeFirst(f: Fn, dst: I32, x: V128, n: I32): void {
  for (let lane = 0; lane < 3; lane++)
    f.if(i32.gt(n, i32.const(lane)), () => f.do(v.storeLane(dst, x, lane, 4 * lane)));
}

/** Every second of the eight floats from `offset` bytes behind p on, from the first or the one after it. */
export const everySecond = (p: I32, offset: number, first: 0 | 1 = 0): V128 =>
  v.shuffle(v.load(p, offset), v.load(p, offset + 16), first === 0 ? [0, 2, 4, 6] : [1, 3, 5, 7]);

type Vector = Local<'v128'>;
type Four = readonly [Vector, Vector, Vector, Vector];
/** Four vectors become their transpose: lane j of vector i ↔ lane i of vector j. */
export function transpose4(x: Four, t: Four): void {
  const [a, b, c, d] = x;
  t[0].set(v.shuffle(a, b, [0, 4, 1, 5]));
  t[1].set(v.shuffle(c, d, [0, 4, 1, 5]));
  t[2].set(v.shuffle(a, b, [2, 6, 3, 7]));
  t[3].set(v.shuffle(c, d, [2, 6, 3, 7]));
  x[0].set(v.shuffle(t[0], t[1], [0, 1, 4, 5]));
  x[1].set(v.shuffle(t[0], t[1], [2, 3, 6, 7]));
  x[2].set(v.shuffle(t[2], t[3], [0, 1, 4, 5]));
  x[3].set(v.shuffle(t[2], t[3], [2, 3, 6, 7]));
}
