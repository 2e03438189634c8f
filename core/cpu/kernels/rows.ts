/** Loops over rows of floats, four at a time, whose length need not be a multiple of four. */
import { add, bytes, type F32, type Fn, f32, type Int, i32, type Local, sub, sum4, type V128, v } from './dsl.ts';

/** One step of a loop over a row: four of its values. */
export interface Step {
  /** Index among the unrolled steps. Each has an accumulator of its own, so that none waits for another. */
  readonly index: number;
  /** The four values of the row at p. */
  load(p: Int): V128;
  /** x, with `neutral` in the lanes past the end of the row. */
  live(x: V128, neutral: V128): V128;
  /** Writes x to the row at p, but nothing past the end. x should be a local. */
  store(p: Int, x: V128): void;
}

/**
 * Emits `body` for each four of `count` values, and once more for the last one to three. j counts bytes: 0, 16, 32, …
 * Loads may read past the end of the row; `live` and `store` keep that out of the result.
 */
export const eachFour = (f: Fn, j: Local<'i32'>, count: Int, body: (step: Step) => void): void =>
  eachFourUnrolled(f, 1, j, count, body);

/** `eachFour` with `unroll` steps in one iteration of the loop. */
export function eachFourUnrolled(f: Fn, unroll: number, j: Local<'i32'>, count: Int, body: (step: Step) => void): void {
  const left = f.int('left');
  const end = f.int('end of fours');
  const here = (p: Int) => add(p, j);
  const whole = (index: number): Step => ({
    index,
    load: (p) => v.load(here(p), 16 * index),
    live: (x) => x,
    store: (p, x) => f.do(v.store(here(p), x, 16 * index)),
  });
  end.set(bytes(i32.and(count, -4)));
  if (unroll > 1) {
    f.for(j, 0, sub(end, 16 * (unroll - 1)), 16 * unroll, () => {
      for (let index = 0; index < unroll; index++) body(whole(index));
    });
  }
  f.for(j, unroll > 1 ? j : 0, end, 16, () => body(whole(0)));
  left.set(i32.and(count, 3));
  f.if(left, () =>
    body({
      index: 0,
      load: (p) => v.load(here(p)),
      live: (x, neutral) => v.select(x, neutral, v.lt(v.lanes([0, 1, 2, 3]), v.splat(f32.fromInt(left)))),
      store: (p, x) => {
        f.do(v.storeLane(here(p), x, 0));
        f.if(i32.gt(left, 1), () => f.do(v.storeLane(here(p), x, 1, 4)));
        f.if(i32.gt(left, 2), () => f.do(v.storeLane(here(p), x, 2, 8)));
      },
    }),
  );
}

/** Unrolling of loops that sum: an addition takes four cycles, so four independent sums start one each cycle. */
export const UNROLL = 4;

/** A sum over a row, with an accumulator for each step of `eachFourUnrolled`; `unroll` is a power of two. */
export function rowSum(f: Fn, name: string, unroll = UNROLL) {
  const parts = f.vectorArray(`${name} `, unroll);
  return {
    clear(): void {
      for (const part of parts) part.set(v.const(0));
    },
    add: (index: number, x: V128): void => parts[index].set(v.add(parts[index], x)),
    addProduct: (index: number, x: V128, y: V128): void => parts[index].set(f.madd(x, y, parts[index])),
    total(): F32 {
      for (let width = unroll / 2; width >= 1; width /= 2) {
        for (let i = 0; i < width; i++) parts[i].set(v.add(parts[i], parts[i + width]));
      }
      return sum4(parts[0]);
    },
  };
}
