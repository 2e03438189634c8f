/**
 * Elementwise ops. Each is one scalar formula, from which its gradients are derived: a fused backward kernel costs nothing
 * to write. Operands broadcast as in NumPy and may be plain numbers.
 */

import { derivative } from '../derivative.ts';
import type { Pass } from '../device.ts';
import { kindOf } from '../errors.ts';
import { call, type Expr, type Formula, formula, formulaSource, topological, variable } from '../formula.ts';
import { defineOp, lazily, makeOp, type Op, type OpSpec } from '../op.ts';
import { broadcastShapes, numel, type Shape, sameShape } from '../shape.ts';
import { type Gradient, Tensor, type VjpContext } from '../tensor.ts';
import { reshape } from './movement.ts';
import { expand, sum } from './reduce.ts';

/** What an elementwise op takes: a tensor, which broadcasts, or a number. */
export type Operand = Tensor | number;
type MapVjp<Args extends readonly Operand[]> = (context: VjpContext, ...args: Args) => readonly Gradient[] | null;

/**
 * Declares an elementwise op from its formula. Every device, both orders of gradients and broadcasting come with it.
 *
 *   const softplus = elementwise<[x: Operand]>('softplus', '(x) => log(1 + exp(x))');
 *
 * @param name    a new name; errors and profiles use it
 * @param source  `(x, y) => expression`, parameters in the order of the arguments: + − * /, comparisons (1 or 0),
 *   `where(c, a, b)`, `max min pow exp log sqrt abs tanh erf sin cos acos floor sigmoid gelu`, `PI`
 * @param vjp     a cheaper gradient than the derived one, as for exp, whose derivative is its own result
 * @throws SyntaxError when the formula does not parse
 */
export function elementwise<Args extends readonly Operand[]>(
  name: string,
  source: string,
  vjp?: MapVjp<Args>,
): Op<Args> {
  const f = formula(source);
  const op = defineOp<Args>(mapSpec(name, f, vjp));
  return (...args) => op(...broadcast(name, operandsOf(name, f.params, args)));
}

/** The op's own arguments, checked; `xs.map(relu)` passes more. @throws TypeError when one is no tensor or number */
function operandsOf<Args extends readonly Operand[]>(name: string, params: readonly string[], args: Args): Args {
  for (let i = 0; i < params.length; i++) {
    const a: unknown = args[i];
    if (a instanceof Tensor || typeof a === 'number') continue;
    const repair = Array.isArray(a) ? ` Make a tensor of it: tensor(${params[i]}).` : '';
    throw new TypeError(`${name}: expected a tensor or a number as '${params[i]}', got ${kindOf(a)}.${repair}`);
  }
  return args.length > params.length ? (args.slice(0, params.length) as unknown as Args) : args;
}

/** Expands tensors to the common shape. One with a single element stays as it is: kernels read it for every value. */
function broadcast<Args extends readonly Operand[]>(name: string, args: Args): Args {
  const shapes = args.flatMap((a) => (a instanceof Tensor ? [a.shape] : []));
  const first = shapes[0];
  if (!first || shapes.every((s) => sameShape(s, first))) return args;
  const common = shapes.reduce((a, b) => broadcastShapes(name, a, b));
  const fits = (a: Tensor) => sameShape(a.shape, common) || (a.size === 1 && a.rank <= common.length);
  return args.map((a) => (a instanceof Tensor && !fits(a) ? expand(a, common) : a)) as unknown as Args;
}

function mapSpec<Args extends readonly Operand[]>(name: string, f: Formula, vjp?: MapVjp<Args>): OpSpec<Args> {
  const gradients = f.params.map((p) => lazily(() => derivedGradient(name, f, p)));
  const spec = {
    name,
    formula: f,
    shape: (...args: (Shape | number)[]) => {
      const shapes = args.filter((a): a is Shape => typeof a !== 'number');
      return shapes.reduce((a, b) => (sameShape(a, b) ? a : broadcastShapes(name, a, b)));
    },
    vjp: (context: VjpContext, ...args: Args) =>
      (
        vjp?.(context, ...args) ??
        gradients.map(
          (make): Gradient =>
            () =>
              make()?.(context.g, args) ?? null,
        )
      ).map((lazy, i) => toSizeOf(args[i], lazy)),
    kernel: (y: Shape, ...args: (Shape | number)[]): Pass[] => {
      const read = (param: string) => {
        const a = args[f.params.indexOf(param)];
        return typeof a === 'number' ? param : numel(a) === 1 ? `${param}[0]` : `${param}[this.thread.x]`;
      };
      const { body, helpers } = formulaSource(f, read);
      const inputs = Object.fromEntries(f.params.map((p, i) => [p, i]));
      return [{ out: [numel(y)], inputs, body, helpers }];
    },
  };
  return spec as unknown as OpSpec<Args>;
}

/** The gradient of a one-element operand: kernels used it for every value, so the gradients add up. */
function toSizeOf(x: Operand | undefined, lazy: Gradient): Gradient {
  if (!(x instanceof Tensor)) return null;
  return () => {
    const g = typeof lazy === 'function' ? lazy() : lazy;
    if (!g || sameShape(g.shape, x.shape)) return g;
    return reshape(x.size === 1 ? sum(g) : g, x.shape);
  };
}

/** (g, args) → g · ∂f/∂param as one kernel; null where the derivative is zero. */
function derivedGradient(
  name: string,
  f: Formula,
  param: string,
): ((g: Tensor, args: readonly Operand[]) => Tensor) | null {
  const slope = derivative(f.body, param);
  if (slope.kind === 'const' && slope.value === 0) return null;
  let upstream = 'g';
  while (f.params.includes(upstream)) upstream += 'g'; // the gradient of a gradient has two of them
  const body = call('mul', variable(upstream), slope);
  if (body.kind === 'var') return (g) => g;
  const used = variablesOf(body).filter((v) => v !== upstream);
  const op = makeOp<Operand[]>(mapSpec(`${name}.d${param}`, { params: [upstream, ...used], body }));
  return (g, args) => op(g, ...used.map((v) => args[f.params.indexOf(v)]));
}

const variablesOf = (e: Expr): string[] => topological(e).flatMap((x) => (x.kind === 'var' ? [x.name] : []));

// ---- arithmetic ----------------------------------------------------------------------------------------------------

/** y = a + b, elementwise. @throws ShapeError when the shapes do not broadcast */
export const add: Op<[a: Operand, b: Operand]> = elementwise('add', '(a, b) => a + b');
/** y = a − b, elementwise. @throws ShapeError when the shapes do not broadcast */
export const sub: Op<[a: Operand, b: Operand]> = elementwise('sub', '(a, b) => a - b');
/** y = a · b, elementwise; `matmul` is the matrix product. @throws ShapeError when the shapes do not broadcast */
export const mul: Op<[a: Operand, b: Operand]> = elementwise('mul', '(a, b) => a * b');
/** y = a / b, elementwise. @throws ShapeError when the shapes do not broadcast */
export const div: Op<[a: Operand, b: Operand]> = elementwise('div', '(a, b) => a / b');
/** What goes to the upper of two operands: g where it is larger, half where both are equal. NaN counts as larger. */
export const upperShare: Op<[g: Tensor, upper: Operand, lower: Operand]> = elementwise<
  [g: Operand, upper: Operand, lower: Operand]
>('upperShare', '(g, upper, lower) => where(upper < lower, 0, where(upper == lower, 0.5 * g, g))');
/**
 * The larger of a and b, elementwise; `max` reduces over axes. NaN where one is NaN. Where both are equal, each gets half
 * of the gradient, as in PyTorch.
 *
 * @throws ShapeError when the shapes do not broadcast
 */
export const maximum: Op<[a: Operand, b: Operand]> = elementwise('maximum', '(a, b) => max(a, b)', ({ g }, a, b) => [
  () => upperShare(g, a, b),
  () => upperShare(g, b, a),
]);
/**
 * The smaller of a and b, elementwise; `min` reduces over axes. NaN where one is NaN. Where both are equal, each gets half
 * of the gradient, as in PyTorch.
 *
 * @throws ShapeError when the shapes do not broadcast
 */
export const minimum: Op<[a: Operand, b: Operand]> = elementwise('minimum', '(a, b) => min(a, b)', ({ g }, a, b) => [
  () => upperShare(g, b, a),
  () => upperShare(g, a, b),
]);
/**
 * y = xᵉ, elementwise, for x ≥ 0, or any x and a whole number e; NaN for others. x⁰ is 1. Where 0 · ∞ would come up, the
 * gradient is 0: by x for e = 0, and by e for x = 0 and e ≥ 0.
 *
 * @throws ShapeError when the shapes do not broadcast
 */
export const pow: Op<[x: Operand, e: Operand]> = elementwise('pow', '(x, e) => pow(x, e)');
/** y = −x */
export const neg: Op<[x: Tensor]> = elementwise('neg', '(x) => -x');
/** y = e^x */
export const exp: Op<[x: Tensor]> = elementwise('exp', '(x) => exp(x)', ({ g, y }) => [() => mul(g, y)]);
/** y = ln x */
export const log: Op<[x: Tensor]> = elementwise('log', '(x) => log(x)');
/** y = √x */
export const sqrt: Op<[x: Tensor]> = elementwise('sqrt', '(x) => sqrt(x)');
/** y = 1/√x */
export const rsqrt: Op<[x: Tensor]> = elementwise('rsqrt', '(x) => 1 / sqrt(x)');
/** y = |x|, with gradient 0 at 0 */
export const abs: Op<[x: Tensor]> = elementwise('abs', '(x) => abs(x)');
/** y = x² */
export const square: Op<[x: Tensor]> = elementwise('square', '(x) => x * x');
/** y = sin x, x in radians */
export const sin: Op<[x: Tensor]> = elementwise('sin', '(x) => sin(x)');
/** y = cos x, x in radians */
export const cos: Op<[x: Tensor]> = elementwise('cos', '(x) => cos(x)');
/** y = arccos x in 0..π, for x in −1..1 */
export const acos: Op<[x: Tensor]> = elementwise('acos', '(x) => acos(x)');
/** The largest whole number ≤ x, with gradient 0 */
export const floor: Op<[x: Tensor]> = elementwise('floor', '(x) => floor(x)');
/** The nearest whole number, of two equally near the even one, as in PyTorch: 0.5 → 0, 1.5 → 2. Its gradient is 0. */
export const round: Op<[x: Tensor]> = elementwise(
  'round',
  '(x) => where(x - floor(x) == 0.5, 2 * floor(0.5 * x + 0.5), floor(x) + (x - floor(x) > 0.5))',
);
/** −1 where x < 0, 1 where x > 0, 0 at 0, with gradient 0 */
export const sign: Op<[x: Tensor]> = elementwise('sign', '(x) => (x > 0) - (x < 0)');
/**
 * y = min(max(x, low), high). The gradient passes where low ≤ x ≤ high.
 *
 * @throws ShapeError when the shapes do not broadcast
 */
export const clamp: Op<[x: Tensor, low: Operand, high: Operand]> = elementwise(
  'clamp',
  '(x, low, high) => min(max(x, low), high)',
);

// ---- comparison ----------------------------------------------------------------------------------------------------

/** 1 where a < b, 0 elsewhere. PyTorch's `lt`. @throws ShapeError when the shapes do not broadcast */
export const less: Op<[a: Operand, b: Operand]> = elementwise('less', '(a, b) => a < b');
/** 1 where a ≤ b, 0 elsewhere. PyTorch's `le`. @throws ShapeError when the shapes do not broadcast */
export const lessEqual: Op<[a: Operand, b: Operand]> = elementwise('lessEqual', '(a, b) => a <= b');
/** 1 where a = b, 0 elsewhere. PyTorch's `eq`. @throws ShapeError when the shapes do not broadcast */
export const equal: Op<[a: Operand, b: Operand]> = elementwise('equal', '(a, b) => a == b');
/**
 * a where condition ≠ 0, b elsewhere. It selects: NaN and infinity in the other one do not get through, nor do gradients.
 *
 * @throws ShapeError when the shapes do not broadcast
 */
export const where: Op<[condition: Tensor, a: Operand, b: Operand]> = elementwise(
  'where',
  '(c, a, b) => where(c, a, b)',
);

// ---- activations ---------------------------------------------------------------------------------------------------

/** y = (e^x − e^−x) / (e^x + e^−x), in −1..1 */
export const tanh: Op<[x: Tensor]> = elementwise('tanh', '(x) => tanh(x)');
/** The error function, y = 2/√π ∫₀ˣ e^(−t²) dt, in −1..1 */
export const erf: Op<[x: Tensor]> = elementwise('erf', '(x) => erf(x)');
/** y = 1 / (1 + e^−x), in 0..1; neither it nor its gradient overflows */
export const sigmoid: Op<[x: Tensor]> = elementwise('sigmoid', '(x) => sigmoid(x)');
/** y = max(x, 0), with gradient 0 at 0 */
export const relu: Op<[x: Tensor]> = elementwise('relu', '(x) => max(0, x)');
/** y = x for x > 0, slope · x elsewhere */
export const leakyRelu: Op<[x: Tensor, slope: number]> = elementwise(
  'leakyRelu',
  '(x, slope) => where(x > 0, x, slope * x)',
);
/** y = x · sigmoid(x), also called swish (Hendrycks and Gimpel 2016, arXiv:1606.08415) */
export const silu: Op<[x: Tensor]> = elementwise('silu', '(x) => x * sigmoid(x)');
/**
 * Gaussian error linear unit, the exact form: y = x Φ(x) with Φ(x) = (1 + erf(x/√2)) / 2.
 *
 * @see Hendrycks and Gimpel 2016, arXiv:1606.08415
 */
export const gelu: Op<[x: Tensor]> = elementwise('gelu', '(x) => gelu(x)');
/** The tanh approximation of GELU: y = ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))). PyTorch's `gelu(approximate='tanh')`. */
export const geluTanh: Op<[x: Tensor]> = elementwise(
  'geluTanh',
  '(x) => 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))',
);
