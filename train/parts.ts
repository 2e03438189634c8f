/** Updates in less memory: a batch in parts, and activations that are computed twice instead of kept. */
import { concat, noGrad, type Rng, Tensor, tensorScope, tidy } from '../core/index.ts';
import { finiteGradients, globalNorm, recomputeBlocks } from '../nn/index.ts';
import { count, flag } from './settings.ts';

/** Settings of every stage. */
export const partsSettings = {
  accumulate: count(1, 'parts that a batch is computed in, one after another; gradients are averaged'),
  recomputeActivations: flag(
    false,
    'the backward pass computes again what blocks held: less memory, a third more time, the same gradients',
  ),
};

/** How a stage spends less memory. */
export interface PartsSettings {
  readonly accumulate: number;
  readonly recomputeActivations: boolean;
}

/** Values by row of a batch: a tensor [batch, …], or batch · n numbers. */
type Rows = Tensor | Int32Array | Float32Array | Uint8Array;

/** Some rows of a batch. */
type Part<B> = B & {
  /** Of the batch's rows, those in this part. */
  readonly share: number;
};

/**
 * Cuts a batch into parts of consecutive rows, as even as possible.
 *
 * @param batch  the first tensor tells how many rows there are; what is undefined stays so
 * @param count  parts; there are as many as rows at most
 */
export function partsOf<B extends Readonly<Record<string, Rows | undefined>>>(batch: B, count: number): Part<B>[] {
  const rows = Object.values(batch).find((x) => x instanceof Tensor)!.shape[0];
  const parts = Math.min(count, rows);
  if (parts <= 1) return [{ ...batch, share: 1 }];
  return Array.from({ length: parts }, (_, i) => {
    const [from, to] = [Math.round((i * rows) / parts), Math.round(((i + 1) * rows) / parts)];
    const cut = (x: Rows | undefined) => {
      if (x instanceof Tensor) return noGrad(() => x.narrow(0, from, to - from));
      const width = (x?.length ?? 0) / rows;
      return x?.subarray(from * width, to * width);
    };
    const part = Object.fromEntries(Object.entries(batch).map(([name, x]) => [name, cut(x)])) as B;
    return { ...part, share: (to - from) / rows };
  });
}

/** What f makes of a batch [batch, …], computed in parts without gradients. */
export const encodeInParts = (x: Tensor, count: number, f: (x: Tensor) => Tensor): Tensor =>
  noGrad(() => tidy(() => concat(partsOf({ x }, count).map(({ x }) => tidy(() => f(x))))));

/**
 * `finiteGradients` of a batch in parts. Gradients, reports and the scalars in `value` are means over the parts, weighted by
 * their shares; the other tensors in `value` are those of the parts, joined along their first axis. So all of it is that of the
 * whole batch, up to rounding, where the loss is a mean over rows.
 *
 * @param parts    one after another; their shares add up to 1
 * @param forward  as of `finiteGradients`, for one part
 */
export async function gradientsInParts<
  P extends { readonly share: number },
  K extends string,
  V extends { readonly loss: Tensor },
  T extends string,
>(
  { recomputeActivations }: Pick<PartsSettings, 'recomputeActivations'>,
  params: Readonly<Record<K, Tensor>>,
  parts: readonly P[],
  forward: (part: P) => V,
  terms: (value: V) => Readonly<Record<T, Tensor>>,
  rng?: Rng,
): Promise<Awaited<ReturnType<typeof finiteGradients<K, V, T>>>> {
  const passOf = (part: P) =>
    finiteGradients(params, () => recomputeBlocks(recomputeActivations, () => forward(part)), terms, rng);
  if (parts.length === 1) return passOf(parts[0]);

  const values: V[] = [];
  const grads = {} as Record<K, Tensor>;
  const report = {} as Record<T | 'gradientNorm', number>;
  for (const part of parts) {
    using scope = tensorScope();
    const pass = await passOf(part);
    values.push(pass.value);
    for (const t of Object.values(pass.value)) if (t instanceof Tensor) scope.keep(t);
    for (const [name, g] of Object.entries<Tensor>(pass.grads) as [K, Tensor][]) {
      const before = grads[name];
      const own = noGrad(() => g.mul(part.share));
      grads[name] = scope.keep(before ? noGrad(() => before.add(own)) : own);
      before?.dispose();
    }
    for (const [name, x] of Object.entries<number>(pass.report) as [T, number][])
      report[name] = (report[name] ?? 0) + part.share * x;
  }
  const norm = globalNorm(Object.values<Tensor>(grads));
  report.gradientNorm = await norm.item();
  return { value: joined(values, parts), grads, norm, report };
}

/** The tensors of several values as one: scalars averaged, others joined. Frees the several. */
function joined<V extends object>(values: readonly V[], parts: readonly { readonly share: number }[]): V {
  const names = Object.keys(values[0]) as (keyof V)[];
  const whole = names.map((name) => {
    const own = values.map((value) => value[name]).filter((t): t is V[keyof V] & Tensor => t instanceof Tensor);
    if (own.length < values.length) return [name, values[0][name]];
    const mean = () => own.map((t, i): Tensor => t.mul(parts[i].share)).reduce((a, b) => a.add(b));
    return [name, noGrad(() => tidy(own[0].rank === 0 ? mean : () => concat(own)))];
  });
  for (const t of values.flatMap((value) => Object.values(value))) if (t instanceof Tensor) t.dispose();
  return Object.fromEntries(whole) as V;
}
