/** Runs an op's gpu.js passes as plain JavaScript: on `reference` always, on `cpu` where it has no kernel. */
import { isRef, type KernelCall, type Pass, type Ref } from './device.ts';
import { numel } from './shape.ts';
import { erf, pow } from './special.ts';

type Values = Float32Array<ArrayBufferLike> | Float64Array;
type Compiled = (out: Values, sizes: readonly number[], ...inputs: (Values | number)[]) => void;

const helpers: Readonly<Record<string, (...xs: number[]) => number>> = {
  erf,
  tanh: Math.tanh,
  log: Math.log,
  pow,
};
const compiled = new Map<string, Compiled>();

/** A loop around the pass's body, which V8 inlines. Equal sources are compiled once. */
function compile(pass: Pass): Compiled {
  const names = Object.keys(pass.inputs);
  const key = `${names}|${pass.body}`;
  let f = compiled.get(key);
  if (!f) {
    const used = pass.helpers ?? [];
    const body = pass.body.replaceAll(/this\.thread\.([xyz])/g, 'thread_$1');
    f = new Function(
      ...used,
      `return (out, [X, Y = 1, Z = 1], ${names.join(', ')}) => {
        const cell = (thread_x, thread_y, thread_z) => { ${body} };
        let i = 0;
        for (let z = 0; z < Z; z++) for (let y = 0; y < Y; y++) for (let x = 0; x < X; x++) out[i++] = cell(x, y, z);
      };`,
    )(...used.map((name) => helpers[name])) as Compiled;
    compiled.set(key, f);
  }
  return f;
}

/**
 * Runs the passes of a call in float64. The last pass writes the result.
 *
 * @param result  receives the values of the call's result
 * @param read    returns the values behind a tensor
 */
export function runPasses(call: KernelCall, result: Values, read: (tensor: Ref) => Values): void {
  if (result.length === 0) return;
  const passes = call.passes();
  const earlier = new Map<string, Values>();
  passes.forEach((pass, i) => {
    const inputs = Object.values(pass.inputs).map((from) => {
      if (typeof from === 'string') return earlier.get(from)!;
      const arg = call.args[from]!;
      if (isRef(arg)) return read(arg);
      if (typeof arg === 'number') return arg;
      throw new TypeError(`${call.op}: expected a tensor or number as argument ${from}, got ${JSON.stringify(arg)}.`);
    });
    const out = i === passes.length - 1 ? result : new Float64Array(numel(pass.out));
    compile(pass)(out, pass.out, ...inputs);
    if (pass.name) earlier.set(pass.name, out);
  });
}
