/** `defineOp` declares an op once: a name, a shape rule, a vector-Jacobian product and a kernel. */
import type { Device, KernelArg, Pass } from './device.ts';
import { DeviceError, expectNoPromise, kindOf } from './errors.ts';
import type { Formula } from './formula.ts';
import { checkShape, numel, type Shape, show } from './shape.ts';
import { type Arg, type DType, disposedError, type Gradient, Tensor, type VjpContext } from './tensor.ts';

/** The argument list of an op with every tensor replaced by its shape. */
export type ShapesOf<Args extends readonly unknown[]> = {
  [K in keyof Args]: Args[K] extends Tensor
    ? Shape
    : Args[K] extends Tensor | null
      ? Shape | null
      : Args[K] extends Tensor | number
        ? Shape | number
        : Args[K];
};

/** The declaration of an op. See docs/adding-an-op.md. */
export interface OpSpec<Args extends readonly unknown[]> {
  readonly name: string;
  /** The result's shape, from the shapes of the arguments. @throws ShapeError when they do not fit */
  shape(...args: ShapesOf<Args>): Shape;
  /** The result's type: float32 by default. 'kept' is int32 where all tensors are: for ops that only move values. */
  readonly dtype?: DType | 'kept';
  /** Gradients in the order of the arguments, of which trailing ones may be left out; null if there are none at all. */
  vjp(context: VjpContext, ...args: Args): readonly Gradient[] | null;
  /** gpu.js passes for result shape y and these arguments. Left out for a view, which shares the first argument's values. */
  kernel?(y: Shape, ...args: ShapesOf<Args>): readonly Pass[];
  /** The scalar formula of an elementwise op, whose parameters are the arguments in order. */
  readonly formula?: Formula;
}

/** An op: calling it runs it, and records it for gradients. */
export type Op<Args extends readonly unknown[]> = (...args: Args) => Tensor;

/** Every declared op by name; tests and docs/operations.md walk it. */
export const opTable = new Map<string, OpSpec<Arg[]>>();

/**
 * Declares an op and returns the function that runs it.
 *
 * @throws Error when the name is taken
 */
export function defineOp<Args extends readonly unknown[]>(spec: OpSpec<Args>): Op<Args> {
  if (opTable.has(spec.name)) throw new Error(`defineOp: expected a new name, got '${spec.name}', which is taken.`);
  opTable.set(spec.name, spec as unknown as OpSpec<Arg[]>);
  return makeOp(spec);
}

/** An op without an entry in `opTable`: the gradient of an elementwise formula, which is derived and not declared. */
export function makeOp<Args extends readonly unknown[]>(declared: OpSpec<Args>): Op<Args> {
  const spec = declared as unknown as OpSpec<Arg[]>;
  return (...args) => run(spec, args as unknown as Arg[]);
}

/** @throws TypeError unless all of these arguments of an op are tensors */
export function expectTensors(op: string, ...xs: readonly unknown[]): void {
  const wrong = xs.findIndex((x) => !(x instanceof Tensor));
  if (wrong < 0) return;
  const repair = typeof xs[wrong] === 'number' || Array.isArray(xs[wrong]) ? ' Make one with tensor(values).' : '';
  throw new TypeError(`${op}: expected a tensor as argument ${wrong + 1}, got ${kindOf(xs[wrong])}.${repair}`);
}

const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

function run(spec: OpSpec<Arg[]>, args: Arg[]): Tensor {
  const device = deviceOf(spec.name, args);
  const shapes = args.map((a) => (isTensor(a) ? a.shape : a)) as ShapesOf<Arg[]>;
  const shape = spec.shape(...shapes);
  checkShape(spec.name, shape, device);
  const node = recording ? { op: spec, args } : undefined;
  if (!spec.kernel) return (args[0] as Tensor).alias(shape, node);
  const started = observer && performance.now();
  const handle = device.run({
    op: spec.name,
    shape,
    args: args.map((a): KernelArg => (isTensor(a) ? { handle: a.storage.handle, shape: a.shape } : a)),
    passes: () => spec.kernel!(shape, ...shapes),
    ...(spec.formula && { formula: spec.formula }),
  });
  const y = new Tensor({ device, handle, length: numel(shape), views: 0 }, shape, dtypeOf(spec, args), node);
  observer?.({ op: spec.name, y, args, ms: performance.now() - started! });
  return y;
}

function dtypeOf({ dtype = 'float32' }: OpSpec<Arg[]>, args: readonly Arg[]): DType {
  if (dtype !== 'kept') return dtype;
  return args.every((a) => !isTensor(a) || a.dtype === 'int32') ? 'int32' : 'float32';
}

function deviceOf(op: string, args: readonly Arg[]): Device {
  let device: Device | undefined;
  for (let i = 0; i < args.length; i++) {
    const a = args[i];
    if (!isTensor(a)) {
      if (typeof a !== 'number' && (typeof a !== 'object' || Array.isArray(a)))
        throw new TypeError(`${op}: expected a tensor as argument ${i + 1}, got ${kindOf(a)}.`);
      continue;
    }
    if (a.disposed) throw disposedError(op, a);
    device ??= a.device;
    if (a.device !== device) {
      throw new DeviceError(
        `${op}: expected tensors on one device, got ${device.name} and ${a.device.name} (${show(a.shape)}). Move one with to(t, device).`,
      );
    }
  }
  if (!device)
    throw new TypeError(
      `${op}: expected at least one tensor, got ${args.map((a) => typeof a).join(', ') || 'nothing'}.`,
    );
  return device;
}

/** Computes a value on first use: for work that several lazy gradients share. */
export function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

// ---- recording and observing --------------------------------------------------------------------------------------

let recording = true;
/** True where ops are recorded for gradients, false inside of `noGrad`. */
export const isRecording = (): boolean => recording;

/**
 * Runs f without recording ops, as for evaluation: its results have no gradient.
 *
 * @throws TypeError when f is asynchronous
 */
export function noGrad<T>(f: () => T): T {
  return expectNoPromise('noGrad', withRecording(false, f));
}
/** Runs f with recording switched on or off. */
export function withRecording<T>(on: boolean, f: () => T): T {
  const before = recording;
  recording = on;
  try {
    return f();
  } finally {
    recording = before;
  }
}

/** An op that ran, as `observeOps` reports it. */
export interface Observation {
  readonly op: string;
  /** Its result. */
  readonly y: Tensor;
  readonly args: readonly Arg[];
  /** Time of the call in milliseconds; on asynchronous devices, that of queueing it. */
  readonly ms: number;
}
let observer: ((seen: Observation) => void) | undefined;

/**
 * Runs f and calls `see` after each op: for profiles, traces, and to find the first NaN. If f returns a promise, ops are
 * observed until it settles.
 */
export function observeOps<T>(see: (seen: Observation) => void, f: () => T): T {
  const before = observer;
  const restore = () => {
    observer = before;
  };
  observer = see;
  try {
    const result = f();
    if (result instanceof Promise) return result.finally(restore) as T;
    restore();
    return result;
  } catch (error) {
    restore();
    throw error;
  }
}
