/**
 * Checks gradients against finite differences, all by one number: for a random u and random directions vᵢ,
 *
 *   ⟨u, f(x + εv) − f(x − εv)⟩ / 2ε  =  Σᵢ ⟨∂⟨u, f⟩/∂xᵢ, vᵢ⟩
 *
 * This takes a few runs of f however many values x has, and a wrong gradient escapes only if it is orthogonal to v.
 */
import { tensor } from './create.ts';
import { expectKnown, expectOption } from './errors.ts';
import { grad } from './grad.ts';
import { add, mul } from './ops/elementwise.ts';
import { sum } from './ops/reduce.ts';
import { Rng } from './random.ts';
import { show } from './shape.ts';
import { type Tensor, tidy } from './tensor.ts';

/** Options of `checkGradients`. */
export interface CheckGradientsOptions {
  /** Draws u and v. Default: a fixed seed. */
  rng?: Rng;
  /** 2 also checks the gradient of the gradient, which needs the precision of `reference`. Default: 1. */
  order?: 1 | 2;
  /** ε. Default: 1e-5 on devices that compute in float64 (`reference`), 1e-2 on others. */
  eps?: number;
  /** Largest difference of the two sides, relative to 1 + their size. Default: 1e-5 in float64, 1e-2 in float32. */
  tolerance?: number;
}

type Differentiable = (...inputs: Tensor[]) => Tensor;

/**
 * Checks the gradient of f with respect to each of `inputs`; int32 inputs are held fixed. Prefer the `reference` device,
 * and inputs that keep away from corners such as the 0 of relu.
 *
 *   const device = await openDevice('reference');
 *   await checkGradients(softplus, [randn([2, 3], rng, { device })], { order: 2 });
 *
 * @param f  computes with ops, and the same each time; its result may have any shape
 * @throws OptionError for an unknown option; Error that names the arguments whose gradient is wrong, with both sides
 */
export async function checkGradients(
  f: Differentiable,
  inputs: readonly Tensor[],
  options: CheckGradientsOptions = {},
): Promise<void> {
  expectKnown('checkGradients', options, ['rng', 'order', 'eps', 'tolerance']);
  const { rng = new Rng(0), order = 1 } = options;
  expectOption(order === 1 || order === 2, 'checkGradients, order', '1 or 2', order);
  const directions = (tensors: readonly Tensor[]) => tensors.map((t) => rng.uniforms(t.size, -1, 1));
  const [u] = tidy(() => directions([f(...inputs)]));
  await compare('gradient', f, inputs, u, directions(inputs), options);
  if (order === 1) return;
  const w = directions(inputs);
  const slope: Differentiable = (...xs) =>
    gradients(f, xs, u, true)
      .map((g, i) => sum(mul(g, tensor(w[i], g.shape, { device: g.device }))))
      .reduce((a, b) => add(a, b));
  await compare('second derivative', slope, inputs, Float32Array.of(1), directions(inputs), options);
}

/** ∂⟨u, f⟩/∂xᵢ */
function gradients(f: Differentiable, xs: readonly Tensor[], u: Float32Array, createGraph = false): Tensor[] {
  const y = f(...xs);
  return grad(y, xs, { seed: tensor(u, y.shape, { device: y.device }), createGraph });
}

/** Compares both sides for all arguments together and, where they differ, for each alone. */
async function compare(
  what: string,
  f: Differentiable,
  inputs: readonly Tensor[],
  u: Float32Array,
  v: readonly Float32Array[],
  options: CheckGradientsOptions,
): Promise<void> {
  const x = await Promise.all(inputs.map((t) => t.data()));
  const float64 = x.some((values) => values instanceof Float64Array);
  const { eps = float64 ? 1e-5 : 1e-2, tolerance = float64 ? 1e-5 : 1e-2 } = options;
  const args = inputs.flatMap(({ dtype }, i) => (dtype === 'int32' ? [] : [i]));

  /** The inputs, moved by step · v in some arguments. */
  const moved = (step: number, along: readonly number[]): Tensor[] =>
    inputs.map(({ shape, dtype, device }, i) => {
      const values = along.includes(i) ? Float64Array.from(x[i], (value, j) => value + step * v[i][j]) : x[i];
      return tensor(values, shape, { dtype, device });
    });
  const valueAt = async (step: number, along: readonly number[]): Promise<number> => {
    const [y] = await read([tidy(() => f(...moved(step, along)))]);
    return dot(u, y);
  };
  const slopes = (await read(tidy(() => gradients(f, moved(0, []), u)))).map((g, i) => dot(g, v[i]));
  const rounding = ((float64 ? 1e-15 : 1e-6) * Math.abs(await valueAt(0, []))) / eps;

  const difference = async (along: readonly number[]): Promise<string | undefined> => {
    const numeric = ((await valueAt(eps, along)) - (await valueAt(-eps, along))) / (2 * eps);
    const exact = along.reduce((total, i) => total + slopes[i], 0);
    if (Math.abs(numeric - exact) <= tolerance * (1 + Math.abs(exact) + rounding)) return undefined;
    return `${numeric} along a random direction (finite differences), got ${exact}`;
  };
  const together = await difference(args);
  if (!together) return;
  const wrong: string[] = [];
  for (const i of args) {
    const alone = await difference([i]);
    if (alone) wrong.push(`the ${what} of argument ${i}, ${show(inputs[i].shape)}, to be ${alone}`);
  }
  if (wrong.length === 0) wrong.push(`the ${what} of all arguments to be ${together}`);
  throw new Error(`checkGradients: expected ${wrong.join('; ')}. Check the vjp.`);
}

/** The values of tensors, which are then freed. */
async function read(tensors: readonly Tensor[]): Promise<ArrayLike<number>[]> {
  const values = await Promise.all(tensors.map((t) => t.data()));
  for (const t of tensors) t.dispose();
  return values;
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((total, value, i) => total + value * b[i], 0);
