/** permute, slice, expand, pad and concat: all copy values between two strided blocks. */
import { numel, type Shape, strides } from '../../shape.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { copyColumns, copyFill, copyRows, copySteps, TILE } from './copy-kernels.ts';

/** One axis of a copy: its length, and the steps in floats through source and destination. */
interface Axis {
  readonly n: number;
  readonly from: number;
  readonly to: number;
}

/** Axes that a kernel walks around its innermost loop. */
const OUTER = 6;
/** A few rows longer than this are cut into pieces, so that all threads have some. */
const LONG_ROW = 8192;
const PIECE = 4096;

/**
 * Copies a block: y[Σ iₖ toₖ] = x[Σ iₖ fromₖ]. A step of 0 repeats a value.
 *
 * @param y  byte address, as is x
 */
function stridedCopy(cpu: Cpu, y: number, x: number, axes: readonly Axis[]): void {
  if (axes.some((a) => a.n === 0)) return;
  const outer = merge(axes);
  if (outer.length >= OUTER) {
    const [{ n, from, to }, ...rest] = outer as [Axis, ...Axis[]];
    for (let i = 0; i < n; i++) stridedCopy(cpu, y + 4 * i * to, x + 4 * i * from, rest);
    return;
  }
  const row = outer.pop() ?? { n: 1, from: 1, to: 1 };
  if (row.n <= LONG_ROW || length(outer) >= 2 * cpu.threads) {
    copyBlock(cpu, y, x, outer, row);
    return;
  }
  const { n, from, to } = row;
  const pieces = Math.floor(n / PIECE);
  const done = pieces * PIECE;
  copyBlock(cpu, y, x, [...outer, { n: pieces, from: PIECE * from, to: PIECE * to }], { n: PIECE, from, to });
  if (done < n) copyBlock(cpu, y + 4 * done * to, x + 4 * done * from, outer, { n: n - done, from, to });
}

/** Chooses the kernel; `row` is the innermost axis. */
function copyBlock(cpu: Cpu, y: number, x: number, outer: readonly Axis[], row: Axis): void {
  const n = row.n;
  const contiguous = row.to === 1 && row.from <= 1;
  const column = outer.find((a) => a.from === 1 && a.n >= 4);
  if (!contiguous && column && row.to === 1 && n >= 4) {
    const tiles = { n: Math.ceil(column.n / TILE), from: TILE, to: TILE * column.to };
    const items = [...outer.filter((a) => a !== column), tiles];
    const o = outerAxes(items);
    cpu.parallel(
      copyColumns,
      { items: length(items), work: 2 * length(outer) * n },
      // biome-ignore format: a row, lengths, steps in x, steps in y
      {
        x, y, n, from: 4 * row.from, columns: column.n, to: 4 * column.to,
        n1: o[1].n, n2: o[2].n, n3: o[3].n, n4: o[4].n, n5: o[5].n,
        from0: 4 * o[0].from, from1: 4 * o[1].from, from2: 4 * o[2].from,
        from3: 4 * o[3].from, from4: 4 * o[4].from, from5: 4 * o[5].from,
        to0: 4 * o[0].to, to1: 4 * o[1].to, to2: 4 * o[2].to, to3: 4 * o[3].to, to4: 4 * o[4].to, to5: 4 * o[5].to,
      },
    );
    return;
  }
  const kernel = !contiguous ? copySteps : row.from === 0 ? copyFill : copyRows;
  const o = outerAxes(outer);
  cpu.parallel(
    kernel,
    { items: length(outer), work: length(outer) * (8 + n * (contiguous ? 1 : 4)) },
    // biome-ignore format: a row, lengths, steps in x, steps in y
    {
      x, y, n, from: 4 * row.from, to: 4 * row.to,
      n1: o[1].n, n2: o[2].n, n3: o[3].n, n4: o[4].n, n5: o[5].n,
      from0: 4 * o[0].from, from1: 4 * o[1].from, from2: 4 * o[2].from,
      from3: 4 * o[3].from, from4: 4 * o[4].from, from5: 4 * o[5].from,
      to0: 4 * o[0].to, to1: 4 * o[1].to, to2: 4 * o[2].to, to3: 4 * o[3].to, to4: 4 * o[4].to, to5: 4 * o[5].to,
    },
  );
}

const length = (axes: readonly Axis[]): number => axes.reduce((n, a) => n * a.n, 1);

/** Drops axes of length 1, and makes one axis of neighbors that are walked in one step. */
function merge(axes: readonly Axis[]): Axis[] {
  const merged: Axis[] = [];
  for (const axis of axes) {
    if (axis.n === 1) continue;
    const last = merged.at(-1);
    const joins = last && last.from === axis.from * axis.n && last.to === axis.to * axis.n;
    if (joins) merged[merged.length - 1] = { ...axis, n: last.n * axis.n };
    else merged.push(axis);
  }
  return merged;
}

const ONES: readonly Axis[] = Array.from({ length: OUTER }, () => ({ n: 1, from: 0, to: 0 }));
/** The outer axes that a kernel needs: axes of length 1, then those that there are. */
const outerAxes = (axes: readonly Axis[]): readonly Axis[] => [...ONES.slice(axes.length), ...axes];

/** The block of y with the lengths of `shape` that begins at `starts`, filled from x with the given steps. */
const block = (shape: Shape, from: readonly number[], to: readonly number[]): Axis[] =>
  shape.map((n, i) => ({ n, from: from[i], to: to[i] }));
/** Bytes to the value at `starts`. */
const offset = (starts: readonly number[], step: readonly number[]): number =>
  4 * starts.reduce((sum, s, i) => sum + s * step[i], 0);

/** Address of a float that is always 0: nothing else uses the bottom of memory. */
const ZERO = 0;
/** y = 0 */
const fillZero = (cpu: Cpu, y: CpuRef): void => stridedCopy(cpu, y.at, ZERO, [{ n: numel(y.shape), from: 0, to: 1 }]);

export const routines: Readonly<Record<string, Routine>> = {
  permute(cpu, y, x, opts) {
    const step = strides(ref(x).shape);
    const { axes } = options<{ axes: readonly number[] }>(opts);
    const from = axes.map((a) => step[a]);
    stridedCopy(cpu, y.at, ref(x).at, block(y.shape, from, strides(y.shape)));
  },
  slice(cpu, y, x, opts) {
    const step = strides(ref(x).shape);
    const { starts } = options<{ starts: readonly number[] }>(opts);
    stridedCopy(cpu, y.at, ref(x).at + offset(starts, step), block(y.shape, step, strides(y.shape)));
  },
  expand(cpu, y, x) {
    const { at, shape } = ref(x);
    const step = strides(shape).map((s, i) => (shape[i] === 1 ? 0 : s));
    stridedCopy(cpu, y.at, at, block(y.shape, step, strides(y.shape)));
  },
  pad(cpu, y, x, opts) {
    const { at, shape } = ref(x);
    const { before } = options<{ before: readonly number[] }>(opts);
    const step = strides(y.shape);
    fillZero(cpu, y);
    stridedCopy(cpu, y.at + offset(before, step), at, block(shape, strides(shape), step));
  },
  concat(cpu, y, ...args) {
    const { axis } = options<{ axis: number }>(args.at(-1));
    const step = strides(y.shape);
    let start = 0;
    for (const x of args.slice(0, -1).map(ref)) {
      stridedCopy(cpu, y.at + 4 * start * step[axis], x.at, block(x.shape, strides(x.shape), step));
      start += x.shape[axis];
    }
  },
};
