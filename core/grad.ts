/** Gradients: reverse-mode differentiation over the recorded ops. */
import { full } from './create.ts';
import { expectKnown, expectNoPromise, kindOf, ShapeError } from './errors.ts';
import { isRecording, withRecording } from './op.ts';
import { add } from './ops/elementwise.ts';
import { reshape } from './ops/movement.ts';
import { sameShape, show } from './shape.ts';
import { type Gradient, type Scope, Tensor, tensorScope, tensorsIn } from './tensor.ts';

/** Options of `grad`. */
export interface GradOptions {
  /** Records the gradient's own ops, so that it can be differentiated again. Nothing is freed early then. Default: false. */
  createGraph?: boolean;
  /** Gradient of some final loss with respect to `loss`, when `loss` is not a scalar: a tensor of the same shape. */
  seed?: Tensor;
}

/**
 * Gradients of `loss` with respect to tensors, given as a list or by name; zeros where the loss does not depend on one.
 *
 *   const [dx, dw] = grad(loss, [x, w]);
 *
 * @throws ShapeError when the loss has more than one element and no seed is given
 * @throws TypeError when the loss or one of the others is no tensor; OptionError for an unknown option
 */
export function grad(loss: Tensor, wrt: readonly Tensor[], options?: GradOptions): Tensor[];
export function grad<K extends string>(
  loss: Tensor,
  wrt: Readonly<Record<K, Tensor>>,
  options?: GradOptions,
): Record<K, Tensor>;
export function grad(
  loss: Tensor,
  wrt: readonly Tensor[] | Readonly<Record<string, Tensor>>,
  options: GradOptions = {},
): Tensor[] | Record<string, Tensor> {
  expectLoss('grad', loss);
  expectWrt('grad', wrt);
  expectKnown('grad', options, ['createGraph', 'seed']);
  if (Array.isArray(wrt)) return backward(loss, wrt, options);
  const names = Object.keys(wrt);
  const grads = backward(loss, Object.values(wrt), options);
  return Object.fromEntries(names.map((name, i) => [name, grads[i]]));
}

/**
 * Runs f, a forward pass, and differentiates its loss. Tensors that f made are freed as soon as the backward pass no
 * longer needs them, except those that f returns.
 *
 *   const { value, grads } = valueAndGrad(stateDict(model), () => crossEntropy(model.forward(x), y));
 *
 * @param params  the tensors to differentiate by, under any names (usually a state dict)
 * @param f       returns the loss, or an object with a `loss` and whatever else should be kept
 * @returns value: what f returned; grads: gradients under the same keys as `params`
 * @throws ShapeError when the loss has more than one element
 * @throws TypeError when f is asynchronous or returns no loss, or when a parameter is no tensor
 */
export function valueAndGrad<K extends string, V extends Tensor | { readonly loss: Tensor }>(
  params: Readonly<Record<K, Tensor>>,
  f: () => V,
): { value: V; grads: Record<K, Tensor> } {
  expectWrt('valueAndGrad', params);
  const scope = tensorScope();
  try {
    const value = expectNoPromise('valueAndGrad', withRecording(true, f));
    const kept = new Set(tensorsIn(value));
    const loss = value instanceof Tensor ? value : value?.loss;
    expectLoss('valueAndGrad', loss, value);
    const grads = backward(loss, Object.values<Tensor>(params), {}, (t) => {
      if (!kept.has(t) && scope.owns(t)) t.dispose();
    });
    for (const t of [...kept, ...grads]) scope.keep(t);
    return {
      value,
      grads: Object.fromEntries(Object.keys(params).map((name, i) => [name, grads[i]])) as Record<K, Tensor>,
    };
  } finally {
    scope[Symbol.dispose]();
  }
}

function expectLoss(where: string, loss: unknown, got: unknown = loss): asserts loss is Tensor {
  if (loss instanceof Tensor) return;
  throw new TypeError(
    `${where}: expected a loss that is a tensor${where === 'grad' ? '' : ", or an object with such a 'loss'"}, got ${kindOf(got)}. Compute it with ops: numbers that were read have no gradient.`,
  );
}
function expectWrt(where: string, wrt: object): void {
  if (wrt instanceof Tensor)
    throw new TypeError(`${where}: expected a list or record of tensors, got a tensor. Pass [x].`);
  if (typeof wrt !== 'object' || wrt === null)
    throw new TypeError(`${where}: expected a list or record of tensors, got ${kindOf(wrt)}.`);
  for (const [name, t] of Object.entries(wrt)) {
    if (t instanceof Tensor) continue;
    throw new TypeError(
      `${where}: expected tensors to differentiate by, got ${kindOf(t)} as '${name}'. For a model pass stateDict(model).`,
    );
  }
}

function backward(loss: Tensor, wrt: readonly Tensor[], options: GradOptions, release?: (t: Tensor) => void): Tensor[] {
  const { createGraph = false, seed } = options;
  if (!seed && loss.size !== 1) {
    throw new ShapeError(
      `grad: expected a loss with one element, got ${show(loss.shape)}. Take its mean or sum, or pass a seed.`,
    );
  }
  if (seed && !sameShape(seed.shape, loss.shape)) {
    throw new ShapeError(`grad: expected a seed shaped like the loss, ${show(loss.shape)}, got ${show(seed.shape)}.`);
  }
  const own = (g: Tensor) => (createGraph ? reshape(g, g.shape) : g.alias()); // a higher derivative goes on through the seed
  const walk = () => {
    const order = dependents(loss, wrt);
    const grads = new Map<Tensor, Tensor>();
    if (order.size > 0) grads.set(loss, seed ? own(seed) : full(loss.shape, 1, { device: loss.device }));
    walkBack({ order, grads, wanted: new Set(wrt), createGraph, release });
    return wrt.map((t) => grads.get(t) ?? full(t.shape, 0, { device: t.device }));
  };
  return withRecording(createGraph, walk);
}

/** A walk from a loss back to the tensors that it is differentiated by. */
interface Walk {
  /** From `dependents`. */
  readonly order: ReadonlySet<Tensor>;
  /** The gradients so far. */
  readonly grads: Map<Tensor, Tensor>;
  /** Tensors whose gradients stay. */
  readonly wanted: ReadonlySet<Tensor>;
  /** Where the walk ends before it reaches a tensor without a node. */
  readonly ends?: ReadonlySet<Tensor>;
  readonly createGraph: boolean;
  /** Called with each tensor that the walk no longer needs. */
  readonly release?: ((t: Tensor) => void) | undefined;
}

function walkBack(walk: Walk): void {
  const { order, grads, wanted, ends, createGraph, release } = walk;
  for (const y of [...order].reverse()) {
    if (ends?.has(y)) continue;
    const g = grads.get(y);
    if (g && y.node) {
      expectUnchanged(y);
      using scope = createGraph ? undefined : tensorScope();
      if (y.node.again) walkAgain(y, g, walk, scope);
      else propagate(y, g, order, grads, scope);
    }
    if (!createGraph && g && !wanted.has(y)) {
      grads.delete(y);
      g.dispose();
    }
    if (y.node && !wanted.has(y)) release?.(y);
  }
}

/** A gradient is worked out from the values that y came from. @throws Error when one has been overwritten since */
function expectUnchanged(y: Tensor): void {
  const { op, args } = y.node!;
  const at = args.findIndex((x) => x instanceof Tensor && (x.storage.overwritten ?? 0) > y.id);
  if (at < 0) return;
  throw new Error(
    `grad: expected the values that ${op.name} was computed from, got ${show((args[at] as Tensor).shape)} as argument ${at + 1} that was overwritten since, by assign or an optimizer. Take the gradients before the update, or compute the loss again after it.`,
  );
}

/**
 * Tensors on a path from `wrt` to `loss`, in order of creation: arguments before results.
 *
 * @param ends  does not look behind these
 */
function dependents(loss: Tensor, wrt: readonly Tensor[], ends?: ReadonlySet<Tensor>): Set<Tensor> {
  const oldest = wrt.reduce((id, t) => Math.min(id, t.id), Infinity);
  const seen = new Set<Tensor>();
  const stack = [loss];
  for (let t = stack.pop(); t; t = stack.pop()) {
    if (seen.has(t) || t.id < oldest) continue;
    seen.add(t);
    if (ends?.has(t)) continue;
    for (const a of t.node?.args ?? []) if (a instanceof Tensor) stack.push(a);
  }
  const found = new Set(wrt);
  const order = new Set<Tensor>();
  for (const t of [...seen].sort((a, b) => a.id - b.id)) {
    if (!found.has(t) && !t.node?.args.some((a) => a instanceof Tensor && order.has(a))) continue;
    order.add(t);
  }
  return order;
}

/**
 * Computes y again and walks through its ops. Gradients are added in the order of a walk through ops that were recorded at
 * first, so they are the same to the bit.
 */
function walkAgain(y: Tensor, g: Tensor, { order, grads, createGraph }: Walk, scope: Scope | undefined): void {
  const { args, again } = y.node!;
  const ends = new Set(args as Tensor[]);
  const wanted = new Set([...ends].filter((x) => order.has(x)));
  const computed = withRecording(true, again!);
  if (!sameShape(computed.shape, y.shape))
    throw new ShapeError(
      `recompute: expected a function that gives ${show(y.shape)} again, got ${show(computed.shape)}. It may depend on its arguments only.`,
    );
  grads.set(computed, createGraph ? g : g.alias());
  const release = (t: Tensor) => void (scope?.owns(t) && t.dispose());
  walkBack({ order: dependents(computed, [...wanted], ends), grads, wanted, ends, createGraph, release });
  for (const x of wanted) {
    const gx = grads.get(x);
    if (gx) scope?.keep(gx);
  }
}

/** Takes the gradient g of y back to the arguments of its op, and adds it to the gradients they have so far. */
function propagate(
  y: Tensor,
  g: Tensor,
  order: ReadonlySet<Tensor>,
  grads: Map<Tensor, Tensor>,
  scope: Scope | undefined,
): void {
  const { op, args } = y.node!;
  const gradients = op.vjp({ g, y, through: (f, ...xs) => through(g, f, xs) }, ...args);
  if (!gradients) return;
  args.forEach((x, i) => {
    if (!(x instanceof Tensor) || !order.has(x)) return;
    const lazy: Gradient = gradients[i] ?? null;
    const gx = typeof lazy === 'function' ? lazy() : lazy;
    if (!gx) return;
    if (!sameShape(gx.shape, x.shape)) {
      throw new ShapeError(
        `${op.name}: expected the gradient of argument ${i} to be shaped ${show(x.shape)}, got ${show(gx.shape)} from its vjp.`,
      );
    }
    const before = grads.get(x);
    const sum = before ? add(before, gx) : scope ? gx.alias() : gx;
    scope?.keep(sum);
    if (scope) before?.dispose();
    grads.set(x, sum);
  });
}

/** Gradients of ⟨g, f(…xs)⟩, differentiable again when recording is on. */
function through(g: Tensor, f: (...xs: Tensor[]) => Tensor, xs: Tensor[]): Gradient[] {
  const higher = isRecording();
  return withRecording(true, () => {
    const leaves = xs.map((x) => reshape(x, x.shape)); // this walk stops here, that of a higher derivative goes on
    return backward(f(...leaves), leaves, { createGraph: higher, seed: g });
  });
}
