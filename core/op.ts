/** `defineOp`: an op is declared once, as a name, a shape rule, a vector-Jacobian product and a kernel. */
import type { Device, KernelArg, Pass } from './device.ts';
import { DeviceError } from './errors.ts';
import type { Formula } from './formula.ts';
import { numel, type Shape, show } from './shape.ts';
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

export interface OpSpec<Args extends readonly unknown[]> {
  readonly name: string;
  /** Result shape; throws ShapeError when the arguments do not fit. */
  shape(...args: ShapesOf<Args>): Shape;
  readonly dtype?: DType;
  /** Gradients in the order of the arguments (trailing ones may be left out), or null where there are none. */
  vjp(context: VjpContext, ...args: Args): readonly Gradient[] | null;
  /** gpu.js passes for these shapes; also the reference. Absent for a view, which shares its first argument's values. */
  kernel?(y: Shape, ...args: ShapesOf<Args>): readonly Pass[];
  /** The scalar formula of an elementwise op; its parameters are the arguments in order. */
  readonly formula?: Formula;
}

/** A primitive: call it to run and record it. */
export type Op<Args extends readonly unknown[]> = (...args: Args) => Tensor;

/** Every declared op by name; tests and docs/operations.md walk it. */
export const opTable = new Map<string, OpSpec<Arg[]>>();

/** Declares a primitive and returns the function that runs it. */
export function defineOp<Args extends readonly unknown[]>(spec: OpSpec<Args>): Op<Args> {
  if (opTable.has(spec.name)) throw new Error(`defineOp: expected a new name, got '${spec.name}', which is taken.`);
  opTable.set(spec.name, spec as unknown as OpSpec<Arg[]>);
  return makeOp(spec);
}

/** An op outside the opTable: gradients of elementwise formulas, which are derived and not declared. */
export function makeOp<Args extends readonly unknown[]>(declared: OpSpec<Args>): Op<Args> {
  const spec = declared as unknown as OpSpec<Arg[]>;
  return (...args) => run(spec, args as unknown as Arg[]);
}

const isTensor = (x: unknown): x is Tensor => x instanceof Tensor;

function run(spec: OpSpec<Arg[]>, args: Arg[]): Tensor {
  const device = deviceOf(spec.name, args);
  const shapes = args.map((a) => (isTensor(a) ? a.shape : a)) as ShapesOf<Arg[]>;
  const shape = spec.shape(...shapes);
  const node = recording ? { op: spec, args } : undefined;
  if (!spec.kernel) return (args[0] as Tensor).view(shape, node);
  const started = observer && performance.now();
  const handle = device.run({
    op: spec.name,
    shape,
    args: args.map((a): KernelArg => (isTensor(a) ? { handle: a.storage.handle, shape: a.shape } : a)),
    passes: () => spec.kernel!(shape, ...shapes),
    ...(spec.formula && { formula: spec.formula }),
  });
  const y = new Tensor({ device, handle, length: numel(shape), views: 0 }, shape, spec.dtype ?? 'float32', node);
  observer?.({ op: spec.name, y, args, ms: performance.now() - started! });
  return y;
}

function deviceOf(op: string, args: readonly Arg[]): Device {
  let device: Device | undefined;
  for (const a of args) {
    if (!isTensor(a)) continue;
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

/** Works out a value when it is first asked for: what several lazy gradients share. */
export function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

// ---- recording and observing --------------------------------------------------------------------------------------

let recording = true;
export const isRecording = (): boolean => recording;

/** Runs f without recording gradients, as for evaluation. */
export function noGrad<T>(f: () => T): T {
  return withRecording(false, f);
}
export function withRecording<T>(on: boolean, f: () => T): T {
  const before = recording;
  recording = on;
  try {
    return f();
  } finally {
    recording = before;
  }
}

/** One op as it ran: host time includes the work only on synchronous devices. */
export interface Observation {
  readonly op: string;
  readonly y: Tensor;
  readonly args: readonly Arg[];
  readonly ms: number;
}
let observer: ((seen: Observation) => void) | undefined;

/** Calls `see` after every op that f runs, up to the end of its promise if it returns one: for profiles, traces and looking for the first NaN. */
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
