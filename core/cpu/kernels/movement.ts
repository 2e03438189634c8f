/** permute, slice, expand, pad and concat: all are copies between two strided blocks. */
import { numel, type Shape, strides } from '../../shape.ts';
import { type Fn, f32, type I32, i32, v } from '../emitter.ts';
import type { KernelBuilder, Locals } from '../kernel-builder.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { copyFloats, fillFloats, transpose4 } from './copy.ts';
import { ints } from './locals.ts';

/** One axis of a copy: its length, and the steps in floats through source and destination. */
interface Axis {
  readonly n: number;
  readonly from: number;
  readonly to: number;
}

/** Axes that a kernel walks around its innermost loop. */
const OUTER = 6;
/** Columns of a transpose that are read together: a cache line. */
const TILE = 16;
/** A few rows longer than this are cut into pieces, one thread or another doing each. */
const LONG_ROW = 8192;
const PIECE = 4096;

/**
 * Copies a block: y[Σ iₖ toₖ] = x[Σ iₖ fromₖ]. A step of 0 repeats a value.
 *
 * @param y  byte address, as is x
 */
export function stridedCopy(cpu: Cpu, y: number, x: number, axes: readonly Axis[]): void {
  if (axes.some((a) => a.n === 0)) return;
  const outer = merge(axes);
  if (outer.length >= OUTER) {
    const [{ n, from, to }, ...rest] = outer as [Axis, ...Axis[]];
    for (let i = 0; i < n; i++) stridedCopy(cpu, y + 4 * i * to, x + 4 * i * from, rest);
    return;
  }
  const row = outer.pop() ?? { n: 1, from: 1, to: 1 };
  if (row.n <= LONG_ROW || length(outer) >= 2 * cpu.threads) {
    copyRows(cpu, y, x, outer, row);
    return;
  }
  const { n, from, to } = row;
  const pieces = Math.floor(n / PIECE);
  const done = pieces * PIECE;
  copyRows(cpu, y, x, [...outer, { n: pieces, from: PIECE * from, to: PIECE * to }], { n: PIECE, from, to });
  if (done < n) copyRows(cpu, y + 4 * done * to, x + 4 * done * from, outer, { n: n - done, from, to });
}

/** Chooses the kernel; `row` is the innermost axis. */
function copyRows(cpu: Cpu, y: number, x: number, outer: readonly Axis[], row: Axis): void {
  const contiguous = row.to === 1 && row.from <= 1;
  const column = outer.find((a) => a.from === 1 && a.n >= 4);
  if (!contiguous && column && row.to === 1 && row.n >= 4) {
    const tiles = { n: Math.ceil(column.n / TILE), from: TILE, to: TILE * column.to };
    const items = [...outer.filter((a) => a !== column), tiles];
    const args = [x, y, row.n, 4 * row.from, column.n, 4 * column.to, ...outerArgs(items)];
    cpu.parallel('copyTransposed', length(items), 2 * length(outer) * row.n, args);
    return;
  }
  const kernel = !contiguous ? 'copySteps' : row.from === 0 ? 'copyFill' : 'copyRows';
  const work = length(outer) * (8 + row.n * (contiguous ? 1 : 4));
  cpu.parallel(kernel, length(outer), work, [x, y, row.n, 4 * row.from, 4 * row.to, ...outerArgs(outer)]);
}

const length = (axes: readonly Axis[]): number => axes.reduce((n, a) => n * a.n, 1);

/** Axes without those of length 1; neighbors that are walked in one step become one. */
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

/** Lengths (but the first), source and destination steps of OUTER axes. */
function outerArgs(axes: readonly Axis[]): number[] {
  const padded = [...new Array<Axis>(OUTER - axes.length).fill({ n: 1, from: 0, to: 0 }), ...axes];
  return [...padded.slice(1).map((a) => a.n), ...padded.map((a) => 4 * a.from), ...padded.map((a) => 4 * a.to)];
}
const OUTER_PARAMS = 'n1 n2 n3 n4 n5 f0 f1 f2 f3 f4 f5 t0 t1 t2 t3 t4 t5';

type CopyArgs = Record<
  'begin' | 'end' | 'x' | 'y' | `n${1 | 2 | 3 | 4 | 5}` | `f${0 | 1 | 2 | 3 | 4 | 5}` | `t${0 | 1 | 2 | 3 | 4 | 5}`,
  I32
>;

/** Walks the items begin..end of the outer axes; `src` and `dst` point at each, `left` counts down the last axis. */
function eachItem(f: Fn, a: CopyArgs, L: Locals, body: () => void): void {
  const { item, left, rest, src, dst, index } = ints(L, 'item left rest src dst index');
  const axes = [0, 1, 2, 3, 4, 5] as const;
  f.for(item, a.begin, a.end, i32.const(1), () => {
    f.if(i32.eqz(left), () => {
      src.set(a.x);
      dst.set(a.y);
      rest.set(item);
      for (const k of [...axes].reverse()) {
        const n = k === 0 ? undefined : a[`n${k}`];
        index.set(n ? i32.remu(rest, n) : rest);
        if (n) rest.set(i32.divu(rest, n));
        if (k === 5) left.set(i32.sub(a.n5, index));
        src.set(i32.add(src, i32.mul(index, a[`f${k}`])));
        dst.set(i32.add(dst, i32.mul(index, a[`t${k}`])));
      }
    });
    body();
    src.set(i32.add(src, a.f5));
    dst.set(i32.add(dst, a.t5));
    left.set(i32.sub(left, i32.const(1)));
  });
}

export function define(k: KernelBuilder): void {
  const rowParams = `begin end scratch x y n from to ${OUTER_PARAMS}` as const;
  k.def('copyRows', rowParams, (f, a, L) => {
    eachItem(f, a, L, () => copyFloats(f, L, L('dst', 'i32'), L('src', 'i32'), a.n));
  });
  k.def('copyFill', rowParams, (f, a, L) => {
    eachItem(f, a, L, () => fillFloats(f, L, L('dst', 'i32'), v.loadSplat(L('src', 'i32')), a.n));
  });
  k.def('copySteps', rowParams, (f, a, L) => {
    const { src, dst, s, d, i } = ints(L, 'src dst s d i');
    eachItem(f, a, L, () => {
      s.set(src);
      d.set(dst);
      f.loop(i, a.n, 1, () => {
        f.do(f32.store(d, f32.load(s)));
        s.set(i32.add(s, a.from));
        d.set(i32.add(d, a.to));
      });
    });
  });

  // x [n rows, step `from`; columns contiguous] → y [columns, step `to`; n rows contiguous]: TILE columns per item
  k.def('copyTransposed', `begin end scratch x y n from columns to ${OUTER_PARAMS}`, (f, a, L) => {
    const { src, dst, left, columns, row, column, s, d, i } = ints(L, 'src dst left columns row column s d i');
    const x = [L('x0'), L('x1'), L('x2'), L('x3')] as const;
    const t = [L('t0'), L('t1'), L('t2'), L('t3')] as const;
    const single = () => f.do(f32.store(i32.add(d, i32.mul(i, a.to)), f32.load(i32.add(s, i32.shl(i, i32.const(2))))));
    eachItem(f, a, L, () => {
      columns.set(i32.min(i32.const(TILE), i32.sub(a.columns, i32.mul(i32.sub(a.n5, left), i32.const(TILE)))));
      f.for(row, i32.const(0), i32.sub(a.n, i32.const(3)), i32.const(4), () => {
        f.for(column, i32.const(0), i32.sub(columns, i32.const(3)), i32.const(4), () => {
          s.set(i32.add(i32.add(src, i32.mul(row, a.from)), i32.shl(column, i32.const(2))));
          for (const lane of x) {
            lane.set(v.load(s));
            s.set(i32.add(s, a.from));
          }
          transpose4(x, t);
          d.set(i32.add(i32.add(dst, i32.mul(column, a.to)), i32.shl(row, i32.const(2))));
          for (const lane of x) {
            f.do(v.store(d, lane));
            d.set(i32.add(d, a.to));
          }
        });
      });
      // what is left: columns past a multiple of 4 in all rows, and rows past a multiple of 4
      f.loop(row, a.n, 1, () => {
        s.set(i32.add(src, i32.mul(row, a.from)));
        d.set(i32.add(dst, i32.shl(row, i32.const(2))));
        const whole = i32.lt(row, i32.and(a.n, i32.const(-4)));
        f.for(i, i32.select(i32.and(columns, i32.const(-4)), i32.const(0), whole), columns, i32.const(1), single);
      });
    });
  });
}

/** The block of y with the lengths of `shape` that begins at `starts`, filled from x with the given steps. */
const block = (shape: Shape, from: readonly number[], to: readonly number[]): Axis[] =>
  shape.map((n, i) => ({ n, from: from[i], to: to[i] }));
const offset = (starts: readonly number[], step: readonly number[]): number =>
  4 * starts.reduce((sum, s, i) => sum + s * step[i], 0);

/** Zeros in memory: copies with a step of 0 read them at the bottom, which nothing else uses. */
const ZERO = 0;
/** y = 0 */
export const fillZero = (cpu: Cpu, y: CpuRef): void =>
  stridedCopy(cpu, y.at, ZERO, [{ n: numel(y.shape), from: 0, to: 1 }]);

export const routines: Readonly<Record<string, Routine>> = {
  permute(cpu, y, x, opts) {
    const step = strides(ref(x).shape);
    const { axes } = options<{ axes: readonly number[] }>(opts);
    stridedCopy(
      cpu,
      y.at,
      ref(x).at,
      block(
        y.shape,
        axes.map((a) => step[a]),
        strides(y.shape),
      ),
    );
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
