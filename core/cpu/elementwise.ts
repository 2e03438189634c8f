/** Scalar formulas as SIMD loops: every subexpression is computed once, four floats at a time, and stays in registers. */
import { type Expr, type FormulaFunction, topological } from '../formula.ts';
import { type F32, type I32, i32, type V128, v } from './emitter.ts';
import type { KernelBuilder, Locals } from './kernel-builder.ts';
import { vectorMath } from './kernels/vector-math.ts';

/** How a variable arrives: as many values as the result, one value in memory for all places, or a number. */
export type VariableKind = 'full' | 'one' | 'scalar';
export interface Variable {
  readonly name: string;
  readonly kind: VariableKind;
}

/** Rough scalar operations per element; 1 where nothing is said, Infinity where there is no SIMD form. */
// biome-ignore format: a table
const COST: Partial<Record<FormulaFunction, number>> = {
  div: 3, sqrt: 3, exp: 20, log: 30, tanh: 40, erf: 20, sigmoid: 25, gelu: 20, geluSlope: 20, sin: Infinity, cos: Infinity, acos: Infinity, pow: Infinity,
};

/** Operations per element of formulas computed together; Infinity when a function has no SIMD form. */
export function formulaCost(bodies: readonly Expr[]): number {
  const nodes = new Set(bodies.flatMap(topological));
  let cost = bodies.length;
  for (const e of nodes) cost += e.kind === 'call' ? (COST[e.fn] ?? 1) : 1;
  return cost;
}

/**
 * Adds the kernel `name(begin, end, scratch, …outputs, …variables)`: output i is formula i of the variables. Outputs and
 * tensors are addresses, scalars are floats. begin is a multiple of 4 below end. Whole vectors are written, so the last
 * one may reach into the padding behind the outputs. An output may also be a variable: reads come before writes.
 */
export function defineElementwise(
  k: KernelBuilder,
  name: string,
  bodies: readonly Expr[],
  variables: readonly Variable[],
): void {
  const outputs = bodies.map((_, i) => `y${i}`);
  const inputs = variables.map(({ kind }, i) => (kind === 'scalar' ? `x${i}:f32` : `x${i}`));
  k.def<string>(name, ['begin end scratch', ...outputs, ...inputs].join(' '), (f, args, L) => {
    const address = (key: string) => args[key] as unknown as I32;
    const values = new Map<string, V128>();
    variables.forEach(({ name, kind }, i) => {
      const value = L(`$${name}`);
      values.set(name, value);
      if (kind === 'one') value.set(v.loadSplat(address(`x${i}`)));
      if (kind === 'scalar') value.set(v.splat(args[`x${i}`] as unknown as F32));
    });
    const [at, end] = [L('at', 'i32'), L('end', 'i32')];
    at.set(i32.shl(address('begin'), i32.const(2)));
    end.set(i32.shl(address('end'), i32.const(2)));
    const turn = (vectors: number) => {
      for (let i = 0; i < vectors; i++) {
        const own: Locals = (key, type) => L(`${key} of ${i}`, type);
        for (const [x, { name, kind }] of variables.entries()) {
          if (kind !== 'full') continue;
          values.set(name, own(`$${name}`));
          own(`$${name}`).set(v.load(i32.add(address(`x${x}`), at), 16 * i));
        }
        for (const [y, result] of compute(k, own, bodies, values).entries()) own(`y${y}`).set(result);
      }
      for (let i = 0; i < vectors; i++) {
        for (const y of outputs) f.do(v.store(i32.add(address(y), at), L(`${y} of ${i}`), 16 * i));
      }
    };
    k.hold(f, L, () => {
      f.for(at, at, i32.sub(end, i32.const(16)), i32.const(32), () => turn(2));
      f.for(at, at, end, i32.const(16), () => turn(1));
    });
  });
}

/** Emits every subexpression once into a local of its own; returns the values of the bodies. */
function compute(k: KernelBuilder, L: Locals, bodies: readonly Expr[], values: ReadonlyMap<string, V128>): V128[] {
  const maths = vectorMath(k, L);
  const done = new Map<Expr, V128>();
  const masks = new Map<Expr, V128>(); // of comparisons: all bits set where true
  const get = (e: Expr): V128 => done.get(e)!;
  const write = (fn: FormulaFunction, args: readonly Expr[]): V128 => {
    const [a, b, c] = args.map(get) as [V128, V128, V128];
    switch (fn) {
      case 'add':
      case 'sub':
      case 'mul':
      case 'div':
      case 'max':
      case 'min':
        return v[fn](a, b);
      case 'neg':
      case 'sqrt':
      case 'abs':
      case 'floor':
        return v[fn](a);
      case 'exp':
      case 'log':
      case 'tanh':
      case 'erf':
      case 'sigmoid':
      case 'gelu':
      case 'geluSlope':
        return maths[fn](a);
      case 'where':
        return v.select(b, c, masks.get(args[0]) ?? v.ne(a, k.c(0)));
      default:
        throw new TypeError(`elementwise: expected a function with a SIMD form, got '${fn}'.`);
    }
  };
  for (const e of new Set(bodies.flatMap(topological))) {
    if (e.kind === 'const') done.set(e, k.c(e.value));
    else if (e.kind === 'var') done.set(e, values.get(e.name)!);
    else {
      const local = L(`e${e.id}`);
      if (e.fn === 'lt' || e.fn === 'le' || e.fn === 'eq') {
        const mask = L(`mask${e.id}`);
        mask.set(v[e.fn](get(e.args[0]), get(e.args[1])));
        masks.set(e, mask);
        local.set(v.and(mask, k.c(1)));
      } else local.set(write(e.fn, e.args));
      done.set(e, local);
    }
  }
  return bodies.map(get);
}
