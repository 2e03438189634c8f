/** Tensors: immutable values on a device, with a shape and the op that made them. Scopes that free a step's tensors. */
import type { Device, Handle, KernelCall } from './device.ts';
import { DeviceError, ShapeError } from './errors.ts';
import { formula } from './formula.ts';
import type { Node } from './op.ts';
import { numel, type Shape, show } from './shape.ts';

/** int32 tensors hold ids: whole numbers within ±2²⁴, which every device stores exactly as float32. */
export type DType = 'float32' | 'int32';
/** float64 comes from the `reference` device only. */
export type TensorData = Float32Array | Float64Array | Int32Array;

/** Values on a device, shared by a tensor and its reshaped views. */
export interface Storage {
  readonly device: Device;
  handle: Handle;
  readonly length: number;
  views: number;
}

const live = { tensors: 0, bytes: 0 };
/** Tensors not yet freed, and the bytes of their values (a view adds none). */
export const memory = (): Readonly<{ tensors: number; bytes: number }> => ({ ...live });

let created = 0;

export class Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Op and arguments, where gradients are recorded. */
  readonly node: Node | undefined;
  /** Order of creation: arguments always come before results. */
  readonly id: number = created++;
  readonly storage: Storage;
  #disposed = false;

  /** Not for users: see `tensor`, `zeros`, `randn`. */
  constructor(storage: Storage, shape: Shape, dtype: DType, node?: Node) {
    this.storage = storage;
    this.shape = shape;
    this.dtype = dtype;
    this.node = node;
    if (storage.views++ === 0) live.bytes += 4 * storage.length;
    live.tensors++;
    currentScope?.add(this);
  }

  get device(): Device {
    return this.storage.device;
  }
  get size(): number {
    return this.storage.length;
  }
  get rank(): number {
    return this.shape.length;
  }
  get disposed(): boolean {
    return this.#disposed;
  }

  /** Row-major values. Ops return at once; reading is what waits. */
  async data(): Promise<TensorData> {
    return this.#typed(await this.device.read(this.#handle('data'), this.size));
  }
  /** Values now; on the synchronous devices (`cpu`, `reference`) only. */
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
  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError(`item: expected a tensor with one element, got ${show(this.shape)}.`);
    return (await this.data())[0];
  }
  /** Nested rows, as for `JSON.stringify`. */
  async tolist(): Promise<unknown> {
    const values = await this.data();
    const build = (axis: number, from: number): unknown => {
      if (axis === this.rank) return values[from];
      const step = numel(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, i) => build(axis + 1, from + i * step));
    };
    return build(0, 0);
  }

  /** Gives the values back to the device. Safe to call twice; views of the same values stay usable. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    live.tensors--;
    if (--this.storage.views > 0) return;
    live.bytes -= 4 * this.storage.length;
    this.device.free(this.storage.handle, this.storage.length);
  }

  /** Another tensor over the same values; used by reshape, stopGradient and the gradient engine. */
  view(shape: Shape = this.shape, node?: Node, dtype: DType = this.dtype): Tensor {
    this.#handle('view');
    return new Tensor(this.storage, shape, dtype, node);
  }

  /**
   * Overwrites the values of a parameter with those of a tensor or array of the same size. The tensor keeps its
   * identity, so a model and its optimizer go on seeing it.
   */
  assign(values: Tensor | ArrayLike<number>): this {
    const length = values instanceof Tensor ? values.size : values.length;
    if (length !== this.size) {
      throw new ShapeError(`assign: expected ${this.size} values for ${show(this.shape)}, got ${length}.`);
    }
    this.#handle('assign');
    if (values instanceof Tensor) values.#handle('assign');
    const copied = values instanceof Tensor && values.device === this.device; // never leaves the device
    const fresh = copied
      ? this.device.run(copyCall(values))
      : this.device.upload(values instanceof Tensor ? values.dataSync() : values);
    this.replaceHandle(fresh);
    return this;
  }
  /** Not for users: swaps the values for those behind another handle of the same device and size. */
  replaceHandle(handle: Handle): void {
    this.device.free(this.storage.handle, this.size);
    this.storage.handle = handle;
  }

  toString(): string {
    return `Tensor(${show(this.shape)}, ${this.dtype}, ${this.device.name}${this.node ? `, ${this.node.op.name}` : ''})`;
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

export function disposedError(what: string, t: Tensor): Error {
  return new DeviceError(
    `${what}: expected a live tensor, got ${t} that was freed with its scope. keep() what leaves a scope, or return it from the function.`,
  );
}

/** Tensors made while the scope is open are freed when it closes, except those kept. */
export class Scope implements Disposable {
  readonly #parent: Scope | undefined = currentScope;
  readonly #tensors = new Set<Tensor>();
  #open = true;

  add(t: Tensor): void {
    this.#tensors.add(t);
  }
  owns(t: Tensor): boolean {
    return this.#tensors.has(t);
  }
  /** Hands a tensor to the enclosing scope (or to the caller, at the top). */
  keep<T extends Tensor>(t: T): T {
    if (this.#tensors.delete(t)) this.#parent?.add(t);
    return t;
  }
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    if (currentScope === this) currentScope = this.#parent;
    for (const t of this.#tensors) t.dispose();
    this.#tensors.clear();
  }
}

let currentScope: Scope | undefined;

/** `using scope = tensorScope();` frees every tensor made until the block ends, except `scope.keep(t)`. */
export function tensorScope(): Scope {
  const scope = new Scope();
  currentScope = scope;
  return scope;
}

/** Keeps a tensor beyond the innermost open scope. */
export const keep = <T extends Tensor>(t: T): T => currentScope?.keep(t) ?? t;

/** Runs f outside every scope: what it makes (parameters, optimizer state) lives until it is disposed. */
export function outsideScopes<T>(f: () => T): T {
  const scope = currentScope;
  currentScope = undefined;
  try {
    return f();
  } finally {
    currentScope = scope;
  }
}

/** Runs f and frees what it made, except the tensors it returns (alone, in an array or in an object). */
export function tidy<T>(f: () => T): T {
  const scope = tensorScope();
  try {
    const result = f();
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
