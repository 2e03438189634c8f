/** Turns a pass into the source of a gpu.js kernel. */
import type { Pass } from '../device.ts';
import { literal } from '../formula.ts';
import { quotient, remainder } from '../kernel-source.ts';

/**
 * Functions that bodies may call. erf and tanh are rational approximations (Eigen's) with a relative error of 3e-7: on
 * GPUs the built-in tanh is NaN above 45 and off by 1e-4 near 0, and there is no erf. The built-in log and pow may give
 * anything for negative x there; ours give √x, which is NaN, and whole powers of x with their sign.
 */
const HELPERS: Readonly<Record<string, string>> = {
  erf: rational(
    'erf',
    4,
    [-1.60960333262415e-2, -2.95459980854025e-3, -7.34990630326855e-4, -5.69250639462346e-5, -2.10102402082508e-6, 2.77068142495902e-8, -2.72614225801306e-10],
    [-1.42647390514189e-2, -7.37332916720468e-3, -1.68282697438203e-3, -2.13374055278905e-4, -1.45660718464996e-5],
  ),
  tanh: rational(
    'tanh',
    7.905311107635498,
    [4.89352455891786e-3, 6.37261928875436e-4, 1.48572235717979e-5, 5.12229709037114e-8, -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16],
    [4.89352518554385e-3, 2.268434632439e-3, 1.18534705686654e-4, 1.19825839466702e-6],
  ),
  log: `function logOf(x) {
    let r = Math.log(x);
    if (x < 0.0) { r = Math.sqrt(x); }
    return r;
  }`,
  pow: `function powOf(x, e) {
    const size = Math.abs(x);
    let r = 1.0;
    if (size != 1.0) { r = Math.pow(size, e); }
    if (Math.floor(e) == e) {
      if (e - 2.0 * Math.floor(0.5 * e) == 1.0) {
        if (x < 0.0) { r = -1.0 * r; }
        if (x == 0.0) { if (1.0 / x < 0.0) { r = -1.0 * r; } }
      }
    } else {
      if (x < 0.0) { if (size < 3e38) { r = Math.sqrt(x); } }
    }
    return r;
  }`,
}; // biome-ignore format: coefficients from low to high powers

/** x P(x²) / Q(x²) with x clamped to ±limit. */
function rational(name: string, limit: number, p: readonly number[], q: readonly number[]): string {
  const horner = (c: readonly number[]) =>
    c.reduceRight((s, k) => (s === '' ? literal(k) : `(${s} * z + ${literal(k)})`), '');
  return (
    `function ${name}Of(v) { const x = Math.min(Math.max(v, ${literal(-limit)}), ${literal(limit)}); const z = x * x; ` +
    `return x * ${horner(p)} / ${horner(q)}; }`
  );
}

/** The source of a pass: one self-contained function, as a string, so that no compiler or minifier changes it. */
export function kernelSource(pass: Pass): string {
  const used = pass.helpers ?? [];
  // shading languages have their own tanh, so ours get other names
  const body = used.reduce(
    (text, name) => text.replace(new RegExp(`(?<![.\\w])${name}\\(`, 'g'), `${name}Of(`),
    pass.body,
  );
  return `function (${Object.keys(pass.inputs).join(', ')}) { ${used.map((name) => HELPERS[name]).join(' ')} ${body} }`;
}

/** The same pass, with arrays that begin at a run-time offset in a larger one: x[i] becomes x[xAt + i]. */
export function withOffsets(pass: Pass, names: readonly string[]): Pass {
  let { body } = pass;
  for (const name of names) body = body.replace(new RegExp(`\\b${name}\\[`, 'g'), `${name}[${name}At + `);
  const inputs = Object.entries(pass.inputs).flatMap(([name, from]) =>
    names.includes(name)
      ? [
          [name, from],
          [`${name}At`, from],
        ]
      : [[name, from]],
  );
  return { ...pass, body, inputs: Object.fromEntries(inputs) };
}

/** The same pass over a single axis of threads, for results with more rows than a mode can launch along y or z. */
export function linearThreads(pass: Pass): Pass {
  const [X, Y = 1, Z = 1] = pass.out as [number, number?, number?];
  const row = quotient('this.thread.x', X);
  const index: Record<string, string> = {
    x: remainder('this.thread.x', X),
    y: `(${row} - ${quotient('this.thread.x', X * Y)} * ${Y})`,
    z: quotient('this.thread.x', X * Y),
  };
  if (X * Y * Z > 1 << 23)
    throw new Error(`expected at most 65535 layers of threads, or 8388608 values, got [${pass.out}]`);
  return {
    ...pass,
    out: [X * Y * Z],
    body: pass.body.replace(/this\.thread\.([xyz])/g, (_, axis: string) => index[axis]),
  };
}

/** Beyond it, float32 skips numbers. */
const EXACT = 2 ** 24;
/** `quotient` in kernel-source.ts divides exactly up to here. */
const EXACT_QUOTIENT = 2 ** 23;

/**
 * How a mode treats indices beyond 2²⁴. Loop counters are float32 inside of an index in the webasm mode. GLSL takes no id,
 * which is float32, as an integer.
 */
export type FarIndices = 'as they are' | 'with integer counters' | 'without ids';

/** The same pass, exact for arrays whose longest has `longest` values. @throws Error when the mode has no exact form */
export function exactIndices(pass: Pass, longest: number, far: FarIndices): Pass {
  if (longest <= EXACT || far === 'as they are') return pass;
  if (far === 'without ids') {
    if (/[\w\]] \| 0\)/.test(pass.body))
      throw new Error(
        `expected at most ${EXACT} values where ids pick some, got ${longest}. Use webgpu, or the cpu device`,
      );
    return pass;
  }
  const counters = new Set(Array.from(pass.body.matchAll(/for \(let (\w+) = 0;/g), ([, name]) => name));
  const body = pass.body.replace(/for \(let [^)]*\)|\w+/g, (text) => (counters.has(text) ? `(${text} | 0)` : text));
  return { ...pass, body };
}

/** @throws Error when a pass divides counts that are too large to be divided exactly */
export function checkQuotients({ out, body }: Pass): void {
  if (!/\+ 0\.5\) \/ \d+\.0\) \| 0\)/.test(body)) return;
  const counts = [...out, ...Array.from(body.matchAll(/ < (\d+); \w+\+\+/g), ([, count]) => Number(count))];
  const largest = Math.max(...counts);
  if (largest <= EXACT_QUOTIENT) return;
  throw new Error(
    `expected at most ${EXACT_QUOTIENT} values along the axes that a kernel takes together (float32 indices), got ${largest}. Use the cpu device, or split the tensor`,
  );
}
