/**
 * Scalar formulas as SIMD loops: each subexpression is computed once, four floats at a time, and stays in registers.
 */
import { type Expr, type FormulaFunction, topological } from '../formula.ts';
import type { Params } from './function.ts';
import type { Kernel } from './kernel.ts';
import { add, bytes, type Fn, f32, i32, kernel, type Local, sub, type V128, v } from './kernels/dsl.ts';
import { vectorMath } from './kernels/vector-math.ts';

/** The values of a variable: one per element in memory, one in memory for all elements, or a number. */
export type VariableKind = 'full' | 'one' | 'scalar';
export interface Variable {
  readonly name: string;
  readonly kind: VariableKind;
}

/** Rough scalar operations per element. Default: 1. Infinity: there is no SIMD form. */
// biome-ignore format: a table
const COST: Partial<Record<FormulaFunction, number>> = {
  div: 3, sqrt: 3, exp: 20, log: 30, tanh: 40, erf: 20, sigmoid: 25, gelu: 20, geluSlope: 20,
  sin: Infinity, cos: Infinity, acos: Infinity, pow: Infinity,
};

/** Operations per element of formulas computed together; Infinity when a function has no SIMD form. */
export function formulaCost(bodies: readonly Expr[]): number {
  const nodes = new Set(bodies.flatMap(topological));
  let cost = bodies.length;
  for (const e of nodes) cost += e.kind === 'call' ? (COST[e.fn] ?? 1) : 1;
  return cost;
}

/**
 * The kernel of formulas that are computed together. Its parameters are addresses of the outputs, one for each formula,
 * then the variables: addresses of tensors, or floats. Items are elements; ranges begin at multiples of 4. Whole
 * vectors are written, so the last one may reach into the padding behind the outputs. An output may also be a variable:
 * reads come before writes.
 */
export function elementwiseKernel(name: string, bodies: readonly Expr[], variables: readonly Variable[]): Kernel {
  const outputs = bodies.map((_, i) => [`y${i}`, i32] as const);
  const inputs = variables.map(({ kind }, i) => [`x${i}`, kind === 'scalar' ? f32 : i32] as const);
  return kernel<Params>(name, Object.fromEntries([...outputs, ...inputs]), (f, a) => {
    const address = (name: string) => a[name] as Local<'i32'>;
    const values = new Map<string, V128>();
    variables.forEach(({ name, kind }, i) => {
      const value = f.vector(`$${name}`);
      values.set(name, value);
      if (kind === 'one') value.set(v.loadSplat(address(`x${i}`)));
      if (kind === 'scalar') value.set(v.splat(a[`x${i}`] as Local<'f32'>));
    });
    const { at, end } = f.ints('at end'); // bytes
    at.set(bytes(a.begin));
    end.set(bytes(a.end));
    /** Emits the next vectors; each has locals of its own, so that they can be computed at the same time. */
    const nextVectors = (count: number) => {
      for (let i = 0; i < count; i++) {
        const own = (name: string) => f.vector(`${name} of ${i}`);
        for (const [x, { name, kind }] of variables.entries()) {
          if (kind !== 'full') continue;
          values.set(name, own(`$${name}`));
          own(`$${name}`).set(v.load(add(address(`x${x}`), at), 16 * i));
        }
        for (const [y, result] of compute(f, own, bodies, values).entries()) own(`y${y}`).set(result);
      }
      for (let i = 0; i < count; i++) {
        for (const [y] of outputs) f.do(v.store(add(address(y), at), f.vector(`${y} of ${i}`), 16 * i));
      }
    };
    f.hoistConstants(() => {
      f.for(at, at, sub(end, 16), 32, () => nextVectors(2));
      f.for(at, at, end, 16, () => nextVectors(1));
    });
  });
}

/** Emits every subexpression once into a local of its own; returns the values of the bodies. */
function compute(
  f: Fn,
  local: (name: string) => Local<'v128'>,
  bodies: readonly Expr[],
  values: ReadonlyMap<string, V128>,
): V128[] {
  const math = vectorMath(f, local);
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
        return math[fn](a);
      case 'where':
        return v.select(b, c, masks.get(args[0]) ?? v.ne(a, f.constant(0)));
      default:
        throw new TypeError(`elementwise: expected a function with a SIMD form, got '${fn}'.`);
    }
  };
  for (const e of new Set(bodies.flatMap(topological))) {
    if (e.kind === 'const') done.set(e, f.constant(e.value));
    else if (e.kind === 'var') done.set(e, values.get(e.name)!);
    else {
      const result = local(`e${e.id}`);
      if (e.fn === 'lt' || e.fn === 'le' || e.fn === 'eq') {
        const mask = local(`mask${e.id}`);
        mask.set(v[e.fn](get(e.args[0]), get(e.args[1])));
        masks.set(e, mask);
        result.set(v.and(mask, f.constant(1)));
      } else result.set(write(e.fn, e.args));
      done.set(e, result);
    }
  }
  return bodies.map(get);
}
