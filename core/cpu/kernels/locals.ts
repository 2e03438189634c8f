/** Local variables by a list of names, and loops over rows whose length is not a multiple of four. */
import { type Fn, f32, type I32, i32, type Local, type V128, v } from '../emitter.ts';
import type { Locals } from '../kernel-builder.ts';

type Names<S extends string> = S extends `${infer A} ${infer B}` ? A | Names<B> : S;
type Named<S extends string, T extends 'i32' | 'f32' | 'v128'> = { readonly [N in Names<S>]: Local<T> };
const all = <S extends string, T extends 'i32' | 'f32' | 'v128'>(L: Locals, names: S, type: T) =>
  Object.fromEntries(names.split(' ').map((n) => [n, L<T>(n, type)])) as unknown as Named<S, T>;

/** const { i, j } = ints(L, 'i j') */
export const ints = <S extends string>(L: Locals, names: S) => all(L, names, 'i32');
export const floats = <S extends string>(L: Locals, names: S) => all(L, names, 'f32');
export const vectors = <S extends string>(L: Locals, names: S) => all(L, names, 'v128');

/** What a step over four values of a row needs to know about its end. */
export interface Step {
  /** x, with `neutral` in the lanes past the end of the row. */
  live(x: V128, neutral: V128): V128;
  /** Writes x, but nothing past the end of the row. x should be a local. */
  store(at: I32, x: V128): void;
}
/** A function of any parameters, for code that only adds to its body. */
export type Code = Pick<Fn, 'do' | 'if' | 'loop' | 'for'>;
const WHOLE = (f: Code): Step => ({ live: (x) => x, store: (at, x) => f.do(v.store(at, x)) });

/**
 * Emits `body` for each four of `count` values, j = 0, 16, 32, … bytes, and once more for one to three left over.
 * Loads may read past the end of the row; `live` and `store` keep it out of the result.
 */
export function eachFour(f: Code, L: Locals, j: Local<'i32'>, count: I32, body: (step: Step) => void): void {
  const left = L('left', 'i32');
  f.loop(j, i32.shl(i32.and(count, i32.const(-4)), i32.const(2)), 16, () => body(WHOLE(f)));
  left.set(i32.and(count, i32.const(3)));
  f.if(left, () =>
    body({
      live: (x, neutral) => v.select(x, neutral, v.lt(v.lanes([0, 1, 2, 3]), v.splat(f32.fromInt(left)))),
      store: (at, x) => {
        f.do(v.storeLane(at, x, 0));
        f.if(i32.gt(left, i32.const(1)), () => f.do(v.storeLane(at, x, 1, 4)));
        f.if(i32.gt(left, i32.const(2)), () => f.do(v.storeLane(at, x, 2, 8)));
      },
    }),
  );
}
