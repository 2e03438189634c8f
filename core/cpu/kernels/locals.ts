/** Local variables by a list of names, and loops over rows whose length is not a multiple of four. */
import { type F32, type Fn, f32, type I32, i32, type Local, type V128, v } from '../emitter.ts';
import { type KernelBuilder, type Locals, sum4 } from '../kernel-builder.ts';

type Names<S extends string> = S extends `${infer A} ${infer B}` ? A | Names<B> : S;
type Named<S extends string, T extends 'i32' | 'f32' | 'v128'> = { readonly [N in Names<S>]: Local<T> };
const all = <S extends string, T extends 'i32' | 'f32' | 'v128'>(L: Locals, names: S, type: T) =>
  Object.fromEntries(names.split(' ').map((n) => [n, L<T>(n, type)])) as unknown as Named<S, T>;

/** const { i, j } = ints(L, 'i j') */
export const ints = <S extends string>(L: Locals, names: S) => all(L, names, 'i32');
export const floats = <S extends string>(L: Locals, names: S) => all(L, names, 'f32');
export const vectors = <S extends string>(L: Locals, names: S) => all(L, names, 'v128');

/** What a step over four values of a row needs to know about its place. */
export interface Step {
  /** Which of the unrolled steps this is: sums kept apart by turn do not wait for each other. */
  readonly turn: number;
  /** The four values of the row at p. */
  load(p: I32): V128;
  /** x, with `neutral` in the lanes past the end of the row. */
  live(x: V128, neutral: V128): V128;
  /** Writes x to the row at p, but nothing past the end. x should be a local. */
  store(p: I32, x: V128): void;
}
/** A function of any parameters, for code that only adds to its body. */
export type Code = Pick<Fn, 'do' | 'if' | 'loop' | 'for' | 'doWhile'>;

/**
 * Emits `body` for each four of `count` values, j = 0, 16, 32, … bytes, and once more for one to three left over; with
 * `turns`, so many steps stand in one turn of the loop. Loads may read past the end of the row; `live` and `store` keep it
 * out of the result.
 */
export function eachFour(f: Code, L: Locals, j: Local<'i32'>, count: I32, body: (step: Step) => void, turns = 1): void {
  const left = L('left', 'i32');
  const end = L('end of fours', 'i32');
  const here = (p: I32) => i32.add(p, j);
  const whole = (turn: number): Step => ({
    turn,
    load: (p) => v.load(here(p), 16 * turn),
    live: (x) => x,
    store: (p, x) => f.do(v.store(here(p), x, 16 * turn)),
  });
  end.set(i32.shl(i32.and(count, i32.const(-4)), i32.const(2)));
  if (turns > 1) {
    f.for(j, i32.const(0), i32.sub(end, i32.const(16 * (turns - 1))), i32.const(16 * turns), () => {
      for (let turn = 0; turn < turns; turn++) body(whole(turn));
    });
  }
  f.for(j, turns > 1 ? j : i32.const(0), end, i32.const(16), () => body(whole(0)));
  left.set(i32.and(count, i32.const(3)));
  f.if(left, () =>
    body({
      turn: 0,
      load: (p) => v.load(here(p)),
      live: (x, neutral) => v.select(x, neutral, v.lt(v.lanes([0, 1, 2, 3]), v.splat(f32.fromInt(left)))),
      store: (p, x) => {
        f.do(v.storeLane(here(p), x, 0));
        f.if(i32.gt(left, i32.const(1)), () => f.do(v.storeLane(here(p), x, 1, 4)));
        f.if(i32.gt(left, i32.const(2)), () => f.do(v.storeLane(here(p), x, 2, 8)));
      },
    }),
  );
}

/** Steps in one turn of a loop that sums: an addition takes four cycles, and one sum could only start one in that time. */
export const TURNS = 4;

export type RowSum = ReturnType<typeof rowSum>;
/** A sum over a row, in a local for each turn of `eachFour`; turns are a power of two. */
export function rowSum(k: KernelBuilder, L: Locals, name: string, turns = TURNS) {
  const parts = Array.from({ length: turns }, (_, turn) => L(`${name} of turn ${turn}`));
  return {
    clear(): void {
      for (const part of parts) part.set(v.const(0));
    },
    add: (turn: number, x: V128): void => parts[turn].set(v.add(parts[turn], x)),
    addProduct: (turn: number, x: V128, y: V128): void => parts[turn].set(k.madd(x, y, parts[turn])),
    total(): F32 {
      for (let width = turns / 2; width >= 1; width /= 2)
        for (let i = 0; i < width; i++) parts[i].set(v.add(parts[i], parts[i + width]));
      return sum4(parts[0]);
    },
  };
}
