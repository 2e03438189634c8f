/** Pieces of kernels that move floats in memory or between the lanes of vectors. */
import { add, type Fn, f32, type Int, i32, type Local, sub, type V128, v } from './dsl.ts';

/** dst[i] = src[i] for i < n. */
export function copyFloats(f: Fn, dst: Int, src: Int, n: Int): void {
  const [d, s, left] = [f.int('copy.d'), f.int('copy.s'), f.int('copy.left')];
  const forward = (floats: number) => {
    d.set(add(d, 4 * floats));
    s.set(add(s, 4 * floats));
    left.set(sub(left, floats));
  };
  d.set(dst);
  s.set(src);
  left.set(n);
  f.while(i32.ge(left, 16), () => {
    for (let o = 0; o < 64; o += 16) f.do(v.store(d, v.load(s, o), o));
    forward(16);
  });
  f.while(i32.ge(left, 4), () => {
    f.do(v.store(d, v.load(s)));
    forward(4);
  });
  f.while(left, () => {
    f.do(f32.store(d, f32.load(s)));
    forward(1);
  });
}

/** dst[i] = lane i mod 4 of x for i < n. */
export function fillFloats(f: Fn, dst: Int, x: V128, n: Int): void {
  const [d, left, value] = [f.int('fill.d'), f.int('fill.left'), f.vector('fill.value')];
  d.set(dst);
  left.set(n);
  value.set(x);
  f.while(i32.ge(left, 4), () => {
    f.do(v.store(d, value));
    d.set(add(d, 16));
    left.set(sub(left, 4));
  });
  storeFirst(f, d, value, left);
}

/** Stores the first n < 4 lanes of x. */
export function storeFirst(f: Fn, dst: Int, x: V128, n: Int): void {
  for (const lane of [0, 1, 2]) f.if(i32.gt(n, lane), () => f.do(v.storeLane(dst, x, lane, 4 * lane)));
}

/** Every second of the eight floats at p + offset, from the first or from the second one on. */
export const everySecond = (p: Int, offset: number, first: 0 | 1 = 0): V128 =>
  v.shuffle(v.load(p, offset), v.load(p, offset + 16), first === 0 ? [0, 2, 4, 6] : [1, 3, 5, 7]);

type Vector = Local<'v128'>;
type Four = readonly [Vector, Vector, Vector, Vector];
/** Transposes a 4×4 matrix whose rows are the vectors x; overwrites t. */
export function transposeInPlace(x: Four, t: Four): void {
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

/** Stores the transpose of a 4×4 matrix whose rows are the vectors x: four rows, `stride` bytes apart, at d. */
export function storeTransposed(f: Fn, x: readonly V128[], d: Int, stride: number): void {
  const { t0, t1, t2, t3, s0, s1 } = f.vectors('t0 t1 t2 t3 s0 s1');
  [t0, t1, t2, t3].forEach((t, i) => {
    t.set(x[i]);
  });
  for (const row of [0, 2]) {
    const lanes = row ? [2, 6, 3, 7] : [0, 4, 1, 5];
    s0.set(v.shuffle(t0, t1, lanes));
    s1.set(v.shuffle(t2, t3, lanes));
    f.do(v.store(d, v.shuffle(s0, s1, [0, 1, 4, 5]), stride * row));
    f.do(v.store(d, v.shuffle(s0, s1, [2, 3, 6, 7]), stride * (row + 1)));
  }
}
