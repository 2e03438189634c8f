/** Values as text, nested by rows, as NumPy and PyTorch print them. */
import { numel, type Shape } from './shape.ts';

/** Tensors with more values are abbreviated. */
const PRINTED = 1000;
/** Entries printed at both ends of an abbreviated axis. */
const EDGE = 3;
/** Columns; longer rows continue on the next line. */
const WIDTH = 100;

/** '3', '[1, 2, 3]', or rows below each other with their numbers aligned. */
export function printValues(values: ArrayLike<number>, shape: Shape): string {
  const abbreviates = numel(shape) > PRINTED;
  const last = shape.length - 1;
  /** The indices to print along each axis; null stands for those left out. */
  const entries = shape.map((n): (number | null)[] =>
    abbreviates && n > 2 * EDGE ? [...range(0, EDGE), null, ...range(n - EDGE, n)] : range(0, n),
  );
  const printed: number[] = [];
  const collect = (axis: number, at: number): void => {
    if (axis > last) printed.push(values[at]);
    else for (const i of entries[axis]) if (i !== null) collect(axis + 1, at * shape[axis] + i);
  };
  collect(0, 0);
  const format = formatFor(printed);
  const width = printed.reduce((most, v) => Math.max(most, format(v).length), 0);

  const block = (axis: number, at: number): string => {
    if (axis > last) return format(values[at]).padStart(width);
    const parts = entries[axis].map((i) => (i === null ? '...' : block(axis + 1, at * shape[axis] + i)));
    const indent = ' '.repeat(axis + 1);
    return `[${axis === last ? row(parts, indent) : parts.join(`,${'\n'.repeat(last - axis)}${indent}`)}]`;
  };
  return block(0, 0);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Joins the numbers of a row, breaking the line before the last column. */
function row(parts: readonly string[], indent: string): string {
  let text = '';
  let column = indent.length;
  for (const [i, part] of parts.entries()) {
    const fits = column + part.length + 2 <= WIDTH;
    if (i > 0) text += fits ? ', ' : `,\n${indent}`;
    text += part;
    column = (fits ? column : indent.length) + part.length + 2;
  }
  return text;
}

/** One notation for all values: whole numbers, four decimals, or powers of ten where those would lose too much. */
function formatFor(values: readonly number[]): (v: number) => string {
  const sizes = values.filter((v) => Number.isFinite(v) && v !== 0).map(Math.abs);
  const smallest = sizes.reduce((a, b) => Math.min(a, b), Infinity);
  const largest = sizes.reduce((a, b) => Math.max(a, b), 0);
  if (sizes.every(Number.isInteger) && largest < 1e8) return String;
  const powers = largest >= 1e5 || smallest < 1e-4;
  return (v) => (Number.isFinite(v) ? (powers ? v.toExponential(4) : v.toFixed(4)) : String(v));
}
