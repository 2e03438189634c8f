/** Gradients that are known to be finite before an optimizer uses them. */
import { noGrad, observeOps, type Rng, Tensor, tidy, valueAndGrad } from '../core/index.ts';
import type { StateDict } from './module.ts';
import { globalNorm } from './optim.ts';

/** A loss or gradient that is NaN or infinite. Training stops before the model is touched. */
export class NonFiniteError extends Error {
  override name = 'NonFiniteError';
}

/**
 * Forward and backward pass whose loss terms and gradients are known to be finite, so that no update spoils a model.
 *
 *   const { value, grads, norm, report } = await finiteGradients(params, forward, ({ loss }) => ({ loss }));
 *   optimizer.step(grads, { lr, norm });
 *
 * @param terms  what to report of the forward pass, each one element
 * @param rng    what forward draws from (dropout), so that a failed pass can be repeated as it was
 * @returns      report holds the terms and `gradientNorm`, √(Σ g²) before clipping
 * @throws NonFiniteError naming the first op whose result is NaN or infinite
 */
export async function finiteGradients<K extends string, V extends { readonly loss: Tensor }, T extends string>(
  params: Readonly<Record<K, Tensor>>,
  forward: () => V,
  terms: (value: V) => Readonly<Record<T, Tensor>>,
  rng?: Rng,
): Promise<{ value: V; grads: Record<K, Tensor>; norm: Tensor; report: Record<T | 'gradientNorm', number> }> {
  const start = rng?.state;
  const { value, grads } = valueAndGrad(params, forward);
  const norm = noGrad(() => tidy(() => globalNorm(Object.values<Tensor>(grads))));
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
  for (const [name, p] of Object.entries(params)) if (!(await p.data()).every(Number.isFinite)) found.push(name);
  return found;
}

/** A sentence naming the first op in f whose result is not finite although its arguments are. */
export async function firstNonFinite(f: () => unknown): Promise<string> {
  const suspects: {
    op: string;
    shape: string;
    values: Promise<ArrayLike<number>>;
    args: Promise<ArrayLike<number>>[];
  }[] = [];
  let found = false;
  observeOps(
    ({ op, y, args }) => {
      if (found) return;
      const values = y.device.synchronous ? y.dataSync() : undefined;
      if (values?.every(Number.isFinite)) return;
      if (values) found = true;
      const tensors = args.filter((a): a is Tensor => a instanceof Tensor);
      suspects.push({ op, shape: `[${y.shape}]`, values: y.data(), args: tensors.map((t) => t.data()) });
    },
    () => noGrad(f),
  );
  for (const s of suspects) {
    const ok = async (values: Promise<ArrayLike<number>>) => Array.from(await values).every(Number.isFinite);
    if (await ok(s.values)) continue;
    const fine = (await Promise.all(s.args.map(ok))).every(Boolean);
    return fine
      ? `The first op to make it is ${s.op}, result ${s.shape}, from finite arguments.`
      : `The first op to meet it is ${s.op}, result ${s.shape}, whose arguments already hold it (weights or data).`;
  }
  return 'Running the step again gave finite values only.';
}
