/** A forward and backward pass that stops a training at NaN or infinity, before an optimizer spreads it. */
import { noGrad, type Observation, observeOps, type Rng, Tensor, valueAndGrad } from '../core/index.ts';
import { globalNorm } from './clip.ts';
import type { StateDict } from './module.ts';

/** Thrown for a loss or gradient that is NaN or infinite; the model has not been changed. */
export class NonFiniteError extends Error {
  override name = 'NonFiniteError';
}

/**
 * Runs forward and backward, and checks that the reported terms and all gradients are finite.
 *
 *   const { value, grads, norm, report } = await finiteGradients(params, forward, ({ loss }) => ({ loss }));
 *   optimizer.step(grads, { lr, scale: clipCoefficient(norm, maxNorm) });
 *
 * @param params   tensors to differentiate by, under any names
 * @param forward  returns an object with the `loss`, and anything else to keep
 * @param terms    picks the tensors to report, each with one element
 * @param rng      generator that forward draws from (dropout), so that a failed pass can be repeated
 * @returns value, what forward returned; grads, under the keys of `params`; norm, √(Σ g²) of all gradients, one element;
 *   report, the terms as numbers, and `gradientNorm`
 * @throws NonFiniteError with the first op whose result is NaN or infinite
 */
export async function finiteGradients<K extends string, V extends { readonly loss: Tensor }, T extends string>(
  params: Readonly<Record<K, Tensor>>,
  forward: () => V,
  terms: (value: V) => Readonly<Record<T, Tensor>>,
  rng?: Rng,
): Promise<{ value: V; grads: Record<K, Tensor>; norm: Tensor; report: Record<T | 'gradientNorm', number> }> {
  const start = rng?.state;
  const { value, grads } = valueAndGrad(params, forward);
  const norm = globalNorm(Object.values<Tensor>(grads));
  const read: [string, number][] = [];
  for (const [name, t] of Object.entries<Tensor>({ ...terms(value), gradientNorm: norm })) {
    read.push([name, await t.item()]);
  }
  const bad = read.find(([, x]) => !Number.isFinite(x));
  if (!bad) return { value, grads, norm, report: Object.fromEntries(read) as Record<T | 'gradientNorm', number> };

  if (rng && start) rng.state = start;
  const first = await firstNonFinite(() => valueAndGrad(params, forward));
  const poisoned = await nonFiniteNames(params);
  const where = poisoned.length > 0 ? ` Weights that hold it: ${poisoned.slice(0, 3).join(', ')}.` : '';
  throw new NonFiniteError(`${bad[0]} is ${bad[1]}. ${first}${where}`);
}

async function nonFiniteNames(params: StateDict): Promise<string[]> {
  const found: string[] = [];
  for (const [name, p] of Object.entries(params)) if (!(await allFinite(p.data()))) found.push(name);
  return found;
}

/** Runs f, and returns a sentence with the first op whose result is not finite. */
export async function firstNonFinite(f: () => unknown): Promise<string> {
  const suspects: Suspect[] = [];
  let found = false; // known at once on synchronous devices only; others check all results after f
  observeOps(
    (seen) => {
      if (found) return;
      if (seen.y.device.synchronous) {
        found = !seen.y.dataSync().every(Number.isFinite);
        if (!found) return;
      }
      suspects.push(suspectOf(seen));
    },
    () => noGrad(f),
  );
  for (const { op, shape, result, args } of suspects) {
    if (await allFinite(result)) continue;
    const fine = (await Promise.all(args.map(allFinite))).every(Boolean);
    return fine
      ? `The first op to make it is ${op}, result ${shape}, from finite arguments.`
      : `The first op to meet it is ${op}, result ${shape}, whose arguments already hold it (weights or data).`;
  }
  return 'Running the step again gave finite values only.';
}

type Values = Promise<ArrayLike<number>>;

/** An op whose result may be the first that is not finite. Reading starts at once, before f frees the tensors. */
interface Suspect {
  readonly op: string;
  readonly shape: string;
  readonly result: Values;
  readonly args: readonly Values[];
}

function suspectOf({ op, y, args }: Observation): Suspect {
  const tensors = args.filter((a): a is Tensor => a instanceof Tensor);
  return { op, shape: `[${y.shape}]`, result: y.data(), args: tensors.map((t) => t.data()) };
}

const allFinite = async (values: Values): Promise<boolean> => Array.from(await values).every(Number.isFinite);
