/** Tensors: immutable values on a device, with a shape and the op that made them. Scopes that free a step's tensors. */
import type { Attributes, Device, Handle, KernelCall } from './device.ts';
import { DeviceError, expectNoPromise, ShapeError } from './errors.ts';
import { formula } from './formula.ts';
import { printValues } from './print.ts';
import { numel, type Shape, sameShape, show } from './shape.ts';
import { expectIdValues, expectNumbers, type TensorData } from './values.ts';

/** int32 tensors hold ids: whole numbers within ±2²⁴, which every device stores exactly as float32. */
export type DType = 'float32' | 'int32';
/** Values on a device, shared by a tensor and its reshaped views. */
export interface Storage {
  readonly device: Device;
  handle: Handle;
  readonly length: number;
  views: number;
  /** The id of the tensor that was made next when the values were last overwritten. */
  overwritten?: number;
}

/** An argument of an op: a tensor, a run-time number, options, or null for an optional tensor that is left out. */
export type Arg = Tensor | number | Attributes | null;
/** The gradient of one argument: a tensor, null for none, or a function that is called only if it is needed. */
export type Gradient = Tensor | null | (() => Tensor | null);

/** What a vjp knows besides the arguments of its op. */
export interface VjpContext {
  /** Gradient of the loss with respect to y. */
  g: Tensor;
  /** The op's result. */
  y: Tensor;
  /** Gradients of ⟨g, f(…xs)⟩: for an op whose derivative is easiest to state as that of other ops. */
  through(f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): Gradient[];
}

/** The op that made a tensor, and its arguments: what the gradient engine walks. */
export interface Node {
  readonly op: {
    readonly name: string;
    vjp(context: VjpContext, ...args: Arg[]): readonly Gradient[] | null;
  };
  readonly args: readonly Arg[];
  /** Of `recompute`: computes the result once more and records its ops, which the walk then goes through. */
  readonly again?: () => Tensor;
}

const live = { tensors: 0, bytes: 0 };
/** Tensors not yet freed, and the bytes of their values. A view adds none, nor does a tensor on `meta`. */
export const memory = (): Readonly<{ tensors: number; bytes: number }> => ({ ...live });
const bytesOf = ({ device, length }: Storage): number => (device.shapesOnly ? 0 : 4 * length);

/** `console.log` and `util.inspect` of Node call a method of this name. */
const inspect = Symbol.for('nodejs.util.inspect.custom');

let created = 0;
/** The id of the tensor that is made next. */
export const nextId = (): number => created;

/**
 * An n-dimensional array of numbers on a device. Make one with `tensor`, `zeros`, `randn` …; compute with ops, as
 * functions (`add(a, b)`) or methods (`a.add(b)`), which return new tensors; read values with `await t.data()`.
 */
export class Tensor {
  /** Axis lengths, outermost first; `[]` for a scalar. */
  readonly shape: Shape;
  readonly dtype: DType;
  /** The op that made the tensor and its arguments, where gradients are recorded. */
  readonly node: Node | undefined;
  /** Order of creation: arguments always come before results. */
  readonly id: number = created++;
  /** Not for users: the values on the device. */
  readonly storage: Storage;
  #disposed = false;

  /** Not for users: see `tensor`, `zeros`, `randn`. */
  constructor(storage: Storage, shape: Shape, dtype: DType, node?: Node) {
    this.storage = storage;
    this.shape = shape;
    this.dtype = dtype;
    this.node = node;
    if (storage.views++ === 0) live.bytes += bytesOf(storage);
    live.tensors++;
    currentScope?.add(this);
  }

  /** The device that holds the values. */
  get device(): Device {
    return this.storage.device;
  }
  /** Number of values: the product of the axis lengths. */
  get size(): number {
    return this.storage.length;
  }
  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }
  /** True once the values were given back to the device. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Values in row-major order. Ops return at once; reading waits for them. @throws DeviceError when it was disposed */
  async data(): Promise<TensorData> {
    return this.#typed(await this.device.read(this.#handle('data'), this.size));
  }
  /** Values at once, on synchronous devices (`cpu`, `reference`). @throws DeviceError on others */
  dataSync(): TensorData {
    const values = this.device.read(this.#handle('dataSync'), this.size);
    if (values instanceof Promise) {
      values.catch(() => {});
      throw new DeviceError(
        `dataSync: expected a synchronous device (cpu, reference), got ${this.device.name}. Use 'await t.data()'.`,
      );
    }
    return this.#typed(values);
  }
  /** The value of a tensor with one element. @throws ShapeError when it has more or none */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item: expected a tensor with one element, got ${show(this.shape)}.`);
    return (await this.data())[0];
  }
  /** Values as nested arrays, for `JSON.stringify`. */
  async tolist(): Promise<unknown> {
    const values = await this.data();
    const build = (axis: number, from: number): unknown => {
      if (axis === this.rank) return values[from];
      const step = numel(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, i) => build(axis + 1, from + i * step));
    };
    return build(0, 0);
  }

  /**
   * Gives the values back to the device. Safe to call twice. Views of the same values stay usable. An op that has nothing to
   * change, such as `x.expand(x.shape)`, may have returned x itself: scopes never free what they did not make.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    live.tensors--;
    if (--this.storage.views > 0) return;
    live.bytes -= bytesOf(this.storage);
    this.device.free(this.storage.handle, this.storage.length);
  }

  /**
   * Not for users: another tensor over the same values, for ops and the gradient engine. No gradient flows through it; PyTorch's
   * `view` is `reshape`.
   */
  alias(shape: Shape = this.shape, node?: Node, dtype: DType = this.dtype): Tensor {
    this.#handle('alias');
    if (numel(shape) !== this.size || shape.some((d) => d < 0))
      throw new ShapeError(`alias: expected a shape of ${this.size} values, got ${show(shape)}. Use reshape.`);
    return new Tensor(this.storage, shape, dtype, node);
  }

  /**
   * Overwrites a parameter with the values of a tensor of the same shape or an array of the same size. The tensor stays the same
   * object, so models and optimizers that hold it see the new values.
   *
   * @param values  a function is called for them, except on `meta`, which stores none
   * @throws ShapeError when shapes or sizes differ; DeviceError when a value is no int32 id, in an int32 tensor (a tensor's values are
   *   checked where they can be read at once)
   */
  assign(values: Tensor | ArrayLike<number> | (() => ArrayLike<number>)): this {
    if (typeof values === 'function') return this.device.shapesOnly ? this : this.assign(values());
    const length = values instanceof Tensor ? values.size : values.length;
    if (!(values instanceof Tensor)) expectNumbers('assign', values);
    if (length !== this.size) {
      throw new ShapeError(`assign: expected ${this.size} values for ${show(this.shape)}, got ${length}.`);
    }
    if (values instanceof Tensor && !sameShape(values.shape, this.shape))
      throw new ShapeError(
        `assign: expected a tensor of shape ${show(this.shape)}, got ${show(values.shape)}. Transpose or reshape it.`,
      );
    this.#handle('assign');
    if (values instanceof Tensor) values.#handle('assign');
    if (this.dtype === 'int32') {
      if (!(values instanceof Tensor)) expectIdValues('assign', values);
      else if (values.dtype !== 'int32' && values.device.synchronous) expectIdValues('assign', values.dataSync());
    }
    const copied = values instanceof Tensor && values.device === this.device; // never leaves the device
    const fresh = copied
      ? this.device.run(copyCall(values))
      : this.device.upload(values instanceof Tensor ? values.dataSync() : values);
    this.replaceHandle(fresh);
    return this;
  }
  /** Not for users: swaps the values for those behind another handle of the same device and size. */
  replaceHandle(handle: Handle): void {
    this.moveTo(handle);
    this.markOverwritten();
  }
  /** Not for users: another handle on the same values, at another place. */
  moveTo(handle: Handle): void {
    this.device.free(this.storage.handle, this.size);
    this.storage.handle = handle;
  }
  /** Not for users: what was computed from the earlier values has no gradient any more. */
  markOverwritten(): void {
    this.storage.overwritten = created;
  }

  /**
   * Shape, dtype, device, op and values; long axes are abbreviated. `console.log(t)` prints the same.
   *
   *   Tensor([2, 3], float32, cpu, matmul)
   *   [[ 1, -2,  3],
   *    [ 4,  5,  6]]
   */
  toString(): string {
    const { synchronous, shapesOnly } = this.device;
    if (this.disposed) return summary(this, 'disposed');
    if (shapesOnly) return summary(this);
    if (!synchronous) return `${summary(this)} with values to await: 'await t.data()'`;
    return `${summary(this)}${this.rank > 1 ? '\n' : ' '}${printValues(this.dataSync(), this.shape)}`;
  }
  /** JSON holds the text of `toString` without values; `await t.tolist()` gives them. */
  toJSON(): string {
    return summary(this, ...(this.disposed ? ['disposed'] : []));
  }
  /** Text for `${t}`. Operators would make a number of a tensor: `t + 1`, `t > 1`. @throws TypeError for them */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    throw new TypeError(
      `${summary(this)}: JavaScript's operators do not work on tensors. Use x.add(1) for x + 1, less(1, x) for x > 1, and await x.item() for the number.`,
    );
  }
  /** Inside of arrays and objects, values that do not fit on the line are left out. */
  [inspect](depth: number, options: { readonly depth: number | null }): string {
    const text = this.toString();
    return depth !== options.depth && text.includes('\n') ? summary(this) : text;
  }

  #handle(what: string): Handle {
    if (this.#disposed) throw disposedError(what, this);
    return this.storage.handle;
  }
  #typed(values: Float32Array | Float64Array): TensorData {
    return this.dtype === 'int32' ? Int32Array.from(values) : values;
  }
}

/** x ↦ x */
const identity = formula('(x) => x');
const copyCall = (x: Tensor): KernelCall => ({
  op: 'assign',
  shape: x.shape,
  args: [{ handle: x.storage.handle, shape: x.shape }],
  formula: identity,
  passes: () => [{ out: [x.size], inputs: { x: 0 }, body: 'return x[this.thread.x];' }],
});

const summary = ({ shape, dtype, device, node }: Tensor, ...notes: readonly string[]): string =>
  `Tensor(${[show(shape), dtype, device.name, ...(node ? [node.op.name] : []), ...notes].join(', ')})`;

export function disposedError(what: string, t: Tensor): Error {
  return new DeviceError(
    `${what}: expected a live tensor, got ${summary(t)} that was freed with its scope. keep() what leaves a scope, or return it from the function.`,
  );
}

/** Owns the tensors made while it is open, and frees them when it closes, except those kept. */
export class Scope implements Disposable {
  readonly #parent: Scope | undefined = currentScope;
  readonly #tensors = new Set<Tensor>();
  #open = true;

  /** Makes the scope free a tensor when it ends. */
  add(t: Tensor): void {
    this.#tensors.add(t);
  }
  /** Whether the scope will free this tensor. */
  owns(t: Tensor): boolean {
    return this.#tensors.has(t);
  }
  /** Hands a tensor to the enclosing scope (or to the caller, at the top). */
  keep<T extends Tensor>(t: T): T {
    if (this.#tensors.delete(t)) this.#enclosing()?.add(t);
    return t;
  }
  /** The innermost scope around this one that is still open: of two asynchronous functions the outer may end first. */
  #enclosing(): Scope | undefined {
    let scope = this.#parent;
    while (scope && !scope.#open) scope = scope.#parent;
    return scope;
  }
  /** Frees the scope's tensors; `using` calls it. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    if (currentScope === this) currentScope = this.#enclosing();
    for (const t of this.#tensors) t.dispose();
    this.#tensors.clear();
  }
}

let currentScope: Scope | undefined;

/**
 * Opens a scope: `using scope = tensorScope();` frees every tensor made until the block ends, except `scope.keep(t)`. There is one
 * stack of scopes: where two asynchronous functions take turns, the tensors of both are made in the scope that was opened last.
 */
export function tensorScope(): Scope {
  const scope = new Scope();
  currentScope = scope;
  return scope;
}

let outermost: Scope | undefined; // where `outsideScopes` leads to

/**
 * Opens a scope for a whole piece of work, such as a training and what is measured of it: `using _ = outermostScope();` frees also
 * what `outsideScopes` makes in it, parameters and optimizer state.
 */
export function outermostScope(): Disposable {
  const before = outermost;
  const scope = tensorScope();
  outermost = scope;
  return {
    [Symbol.dispose]() {
      outermost = before;
      scope[Symbol.dispose]();
    },
  };
}

/** Keeps a tensor beyond the innermost open scope. */
export const keep = <T extends Tensor>(t: T): T => currentScope?.keep(t) ?? t;

/**
 * Runs f outside of every scope but an `outermostScope`: the tensors it makes (parameters, optimizer state) live until they are
 * disposed.
 *
 * @throws TypeError when f is asynchronous
 */
export function outsideScopes<T>(f: () => T): T {
  const scope = currentScope;
  currentScope = outermost;
  try {
    return expectNoPromise('outsideScopes', f());
  } finally {
    currentScope = scope;
  }
}

/**
 * Runs f and frees the tensors it made, except those it returns (alone, in an array or in a plain object).
 *
 * @throws TypeError when f is asynchronous: `using scope = tensorScope()` works there
 */
export function tidy<T>(f: () => T): T {
  const scope = tensorScope();
  try {
    const result = expectNoPromise('tidy', f());
    for (const t of tensorsIn(result)) scope.keep(t);
    return result;
  } finally {
    scope[Symbol.dispose]();
  }
}

/** Tensors in a value, its array elements and its plain object fields. */
export function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value];
  if (Array.isArray(value)) return value.flatMap(tensorsIn);
  if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.values(value).flatMap(tensorsIn);
  }
  return [];
}
