/**
 * The reference device: each op's gpu.js source, run as plain JavaScript in float64. Slow and obvious; every other
 * device is measured against it.
 */
import { type Device, DeviceError, isRef, type KernelCall, type Pass } from './device.ts';
import { erf } from './special.ts';

/** A pass compiled to a JavaScript function of arrays and scalars. */
type Thread = { x: number; y: number; z: number };
type Compiled = (this: { thread: Thread }, ...inputs: (Float64Array | Float32Array | number)[]) => number;

const helpers: Record<string, (x: number) => number> = { erf, tanh: Math.tanh };
const compiled = new Map<string, Compiled>();

/** Turns a pass into a callable; the same source is compiled once. */
function compile(pass: Pass): Compiled {
  const names = Object.keys(pass.inputs);
  const key = `${names}|${pass.body}`;
  let f = compiled.get(key);
  if (!f) {
    const used = pass.helpers ?? [];
    f = new Function(...used, `return function (${names.join(', ')}) { ${pass.body} };`)(
      ...used.map((name) => helpers[name]),
    ) as Compiled;
    compiled.set(key, f);
  }
  return f;
}

/** Runs an op's passes over arrays; `make` gives the array that a pass fills. */
export function runPasses<A extends Float64Array | Float32Array>(
  call: KernelCall,
  read: (handle: unknown) => A,
  make: (length: number) => A,
): A {
  const earlier = new Map<string, A>();
  let out = make(0);
  for (const pass of call.passes()) {
    const inputs = Object.values(pass.inputs).map((from) => {
      if (typeof from === 'string') return earlier.get(from)!;
      const arg = call.args[from]!;
      if (isRef(arg)) return read(arg.handle);
      if (typeof arg === 'number') return arg;
      throw new TypeError(`${call.op}: expected a tensor or number as argument ${from}, got ${JSON.stringify(arg)}.`);
    });
    const [X, Y = 1, Z = 1] = pass.out as [number, number?, number?];
    out = make(X * Y * Z);
    const f = compile(pass);
    const thread: Thread = { x: 0, y: 0, z: 0 };
    const self = { thread };
    let i = 0;
    for (thread.z = 0; thread.z < Z; thread.z++) {
      for (thread.y = 0; thread.y < Y; thread.y++) {
        for (thread.x = 0; thread.x < X; thread.x++) out[i++] = f.apply(self, inputs);
      }
    }
    if (pass.name) earlier.set(pass.name, out);
  }
  return out;
}

export class ReferenceDevice implements Device {
  readonly name = 'reference';
  readonly synchronous = true;
  readonly threads = 1;

  upload(values: ArrayLike<number>): Float64Array {
    return Float64Array.from(values);
  }
  run(call: KernelCall): Float64Array {
    return runPasses(
      call,
      (h) => h as Float64Array,
      (n) => new Float64Array(n),
    );
  }
  read(handle: unknown, length: number): Float64Array {
    const values = handle as Float64Array;
    if (values.length !== length) throw new DeviceError(`reference: expected ${length} values, got ${values.length}.`);
    return values.slice();
  }
  free(): void {}
  async sync(): Promise<void> {}
  async close(): Promise<void> {}
}
