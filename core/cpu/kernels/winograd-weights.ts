/** The transforms of weights for winograd.ts: U = G w Gᵀ, and dw = Gᵀ dU G for the gradient. */
import { add, floatAt, i32, kernel, mul, sub, v } from './dsl.ts';
import { FOUR, type Four, planeBytes, square } from './winograd-tiles.ts';

const params = {
  w: i32,
  u: i32,
  outs: i32,
  ins: i32,
  /** Bytes between the filters of neighboring outs, and of neighboring ins. */
  outStride: i32,
  inStride: i32,
  /** 1: reads each filter backwards, as the gradient of the input needs it. */
  flipped: i32,
};

/** U [16][outs][ins] = G w Gᵀ. Items: outs. */
export const transformWeights = kernel('transformWeights', params, (f, a) => {
  const { o, i, p, u, plane } = f.ints('o i p u plane');
  const { half, t, s0, s1 } = f.vectors('half t s0 s1');
  const { r0, r1, r2, r3 } = f.vectors('r0 r1 r2 r3');
  const loadFilter = () => {
    // the fourth lanes belong to the next row or filter; they are not used
    r0.set(v.load(p));
    r1.set(v.load(p, 12));
    r2.set(v.load(p, 24));
    f.if(a.flipped, () => {
      t.set(r0);
      r0.set(v.shuffle(r2, r2, [2, 1, 0, 3]));
      r1.set(v.shuffle(r1, r1, [2, 1, 0, 3]));
      r2.set(v.shuffle(t, t, [2, 1, 0, 3]));
    });
  };
  /** Three rows become four: r0, (r0 + r1 + r2) / 2, (r0 − r1 + r2) / 2, r2. */
  const timesG = () => {
    t.set(v.mul(v.add(r0, r2), half));
    r3.set(r2);
    s0.set(v.mul(r1, half));
    r1.set(v.add(t, s0));
    r2.set(v.sub(t, s0));
  };
  const transpose = () => {
    s0.set(v.shuffle(r0, r1, [0, 4, 1, 5]));
    s1.set(v.shuffle(r2, r3, [0, 4, 1, 5]));
    t.set(v.shuffle(v.shuffle(r0, r1, [2, 6, 3, 7]), v.shuffle(r2, r3, [2, 6, 3, 7]), [0, 1, 4, 5]));
    r0.set(v.shuffle(s0, s1, [0, 1, 4, 5]));
    r1.set(v.shuffle(s0, s1, [2, 3, 6, 7]));
    r2.set(t);
  };
  /** Lane i of r_j is row i, column j. */
  const storePlanes = () => {
    const { to } = f.ints('to');
    to.set(u);
    for (const row of FOUR) {
      for (const column of [r0, r1, r2, r3]) {
        f.do(v.storeLane(to, column, row));
        to.set(add(to, plane));
      }
    }
  };
  half.set(f.constant(0.5));
  plane.set(planeBytes(a.outs, a.ins));
  u.set(floatAt(a.u, mul(a.begin, a.ins)));
  f.for(o, a.begin, a.end, 1, () => {
    p.set(add(a.w, mul(o, a.outStride)));
    f.for(i, 0, a.ins, 1, () => {
      loadFilter();
      timesG();
      transpose();
      timesG();
      storePlanes();
      p.set(add(p, a.inStride));
      u.set(add(u, 4));
    });
  });
});

/** dw [outs, ins, 3, 3] = Gᵀ dU G, four ins at a time. Items: outs. */
export const transformWeightGradient = kernel(
  'transformWeightGradient',
  { u: i32, w: i32, outs: i32, ins: i32 },
  (f, a) => {
    const { o, i, d, plane, u, to, left } = f.ints('o i d plane u to left');
    const { half, t } = f.vectors('half t');
    const x = square(f, 'x');
    /** Four become three: r0 + (r1 + r2) / 2, (r1 − r2) / 2, (r1 + r2) / 2 + r3. */
    const timesG = ([r0, r1, r2, r3]: Four) => {
      t.set(v.mul(v.add(r1, r2), half));
      r0.set(v.add(r0, t));
      r1.set(v.mul(v.sub(r1, r2), half));
      r2.set(v.add(t, r3));
    };
    /** One lane's filter, whose nine values are neighbors. */
    const storeLane = (lane: number) => {
      for (const [r, row] of x.rows.slice(0, 3).entries()) {
        for (const [j, cell] of row.slice(0, 3).entries()) {
          f.do(v.storeLane(to, cell, lane, 36 * lane + 4 * (3 * r + j)));
        }
      }
    };
    half.set(f.constant(0.5));
    plane.set(planeBytes(a.outs, a.ins));
    f.for(o, a.begin, a.end, 1, () => {
      f.for(i, 0, a.ins, 4, () => {
        u.set(floatAt(a.u, add(mul(o, a.ins), i)));
        d.set(u);
        for (const cell of x.rows.flat()) {
          cell.set(v.load(d));
          d.set(add(d, plane));
        }
        for (const column of x.columns) timesG(column);
        for (const row of x.rows.slice(0, 3)) timesG(row);
        to.set(add(a.w, mul(add(mul(o, a.ins), i), 36)));
        left.set(sub(a.ins, i));
        for (const lane of FOUR) f.if(i32.gt(left, lane), () => storeLane(lane));
      });
    });
  },
);

export const kernels = [transformWeights, transformWeightGradient];
