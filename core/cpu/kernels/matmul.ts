/** The matrix products of tensors: what `matmul`, `linear` and `linears` ask of gemm.ts and strassen.ts, and how threads share it. */
import { numel } from '../../shape.ts';
import { type I32, i32 } from '../emitter.ts';
import { type Cpu, type CpuRef, type KernelBuilder, options, type Routine, ref } from '../routine.ts';
import { ADD, PACKED, packedFloats } from './gemm.ts';
import { multiplyRounded } from './int16.ts';
import { ints } from './locals.ts';
import { copyValues } from './parts.ts';
import { UNIT } from './strassen.ts';

const k = i32.const;
const at = i32.add;

export function define(b: KernelBuilder): void {
  for (const mode of ['row', 'col'] as const) defineProduct(b, mode);
  b.def('pack_all', 'begin end scratch src n depth rs cs dst', (f, a) => {
    f.do(b.call('pack', a.src, a.depth, a.n, a.rs, a.cs, a.dst));
  });
  // products without a sum (depth 0): rows of c become the bias or 0
  b.def('fill_rows', 'begin end scratch c n ldc bias', (f, a, L) => {
    const { i, j, p } = ints(L, 'i j p');
    f.for(i, a.begin, a.end, k(1), () => {
      p.set(at(a.c, i32.mul(i, a.ldc)));
      f.loop(j, a.n, 1, () => {
        f.do(i32.store(p, k(0)));
        f.if(a.bias, () => f.do(i32.store(p, i32.load(at(a.bias, i32.shl(j, k(2)))))));
        p.set(at(p, k(4)));
      });
    });
  });
}

const BATCHES = 0;
const ROWS = 1;
const COLUMNS = 2;
/** The threads' share of a product: some of its batches, rows or columns. sA, sB, sC: bytes between batches. */
function defineProduct(b: KernelBuilder, mode: 'row' | 'col'): void {
  const params = 'begin end scratch split m n depth A as sA B rs cs sB C ldc sC add bias';
  b.def(`product_${mode}`, params, (f, a, L) => {
    const { i } = ints(L, 'i');
    const gemm = (m: I32, n: I32, A: I32, B: I32, C: I32, bias: I32) =>
      f.do(b.call(`large_${mode}`, m, n, a.depth, A, a.as, B, a.rs, a.cs, C, a.ldc, a.add, bias, a.scratch));
    const share = i32.sub(a.end, a.begin);
    const floats = i32.shl(a.begin, k(2));
    f.if(i32.eq(a.split, k(ROWS)), () =>
      gemm(share, a.n, at(a.A, mode === 'row' ? i32.mul(a.begin, a.as) : floats), a.B, at(a.C, i32.mul(a.begin, a.ldc)), a.bias));
    f.if(i32.eq(a.split, k(COLUMNS)), () =>
      gemm(a.m, share, a.A, at(a.B, i32.mul(a.begin, i32.select(a.cs, i32.shl(a.depth, k(2)), a.cs))), at(a.C, floats), at(a.bias, floats)));
    f.if(i32.eq(a.split, k(BATCHES)), () =>
      f.for(i, a.begin, a.end, k(1), () =>
        gemm(a.m, a.n, at(a.A, i32.mul(i, a.sA)), at(a.B, i32.mul(i, a.sB)), at(a.C, i32.mul(i, a.sC)), a.bias)));
  }); // biome-ignore format: one line per way of splitting
}

interface Product {
  readonly batches: number;
  readonly m: number;
  readonly n: number;
  readonly depth: number;
  /** Byte address; bytes between batches, 0 to use the one for all; the tensors where it is a copy of some. */
  readonly a: { at: number; transposed: boolean; batch: number };
  readonly b: { at: number; transposed: boolean; batch: number; copyOf?: readonly number[] };
  readonly c: number;
  /** Columns of C from row to row; n unless the product is a part of something wider. */
  readonly ldc?: number;
  readonly bias: number | null;
}

/** With fewer rows of A than this, packing B takes a tenth of the product or more. */
const FEW_ROWS = 64;

/** The panels of B where they were packed before: of frozen weights that few rows at a time are multiplied with. */
function packed(cpu: Cpu, { batches, m, n, depth, b }: Product, rs: number, cs: number): number | undefined {
  if (batches > 1 || m >= FEW_ROWS) return undefined;
  const pack = (at: number) => cpu.parallel('pack_all', 1, n * depth, [b.at, n, depth, rs, cs, at]);
  return cpu.derived(b.copyOf ?? [b.at], `packed ${n} ${depth} ${rs}`, packedFloats(n, depth), pack, 2);
}

function multiply(cpu: Cpu, product: Product): void {
  const { batches, m, n, depth, a, b, c, ldc = n, bias } = product;
  if (batches * m * n === 0) return;
  if (depth === 0) {
    cpu.parallel('fill_rows', batches * m, batches * m * n, [c, n, 4 * ldc, bias ?? 0]);
    return;
  }
  const [rs, cs] = b.transposed ? [4, 4 * depth] : [4 * n, 4];
  if (cpu.matmulPrecision === 'high' && batches === 1) {
    const [lineStep, depthStep] = a.transposed ? [4, 4 * m] : [4 * depth, 4];
    const rows = { at: a.at, lines: m, lineStep, depthStep };
    const columns = { at: b.at, lines: n, lineStep: cs, depthStep: rs };
    if (multiplyRounded(cpu, rows, columns, depth, { at: c, rowStep: 4 * ldc }, bias, b.copyOf ?? [b.at])) return;
  }
  const byRows = m >= n; // the longer side is cut, so that each thread packs little and multiplies much
  const panels = packed(cpu, product, rs, cs);
  const B = panels === undefined ? { at: b.at, cs } : { at: panels, cs: PACKED };
  const launch = (split: number, items: number, batch: number, count: number, unit: number) =>
    cpu.parallel(
      `product_${a.transposed ? 'col' : 'row'}`,
      items,
      count * m * n * depth,
      [
        split, m, n, depth,
        a.at + batch * a.batch, (a.transposed ? m : depth) * 4, a.batch,
        B.at + batch * b.batch, rs, B.cs, b.batch,
        c + batch * m * n * 4, ldc * 4, m * n * 4,
        bias === null ? ADD.nothing : ADD.columnBias, bias ?? 0,
      ],
      unit,
    ); // biome-ignore format: one line per operand
  if (batches >= 4 * cpu.threads) launch(BATCHES, batches, 0, batches, 1);
  else {
    for (let i = 0; i < batches; i++) {
      if (byRows) launch(ROWS, m, i, 1, UNIT.rows);
      else launch(COLUMNS, n, i, 1, UNIT.columns);
    }
  }
}

const matrixBytes = ([batches, rows, columns]: CpuRef['shape']): number => (batches === 1 ? 0 : rows * columns * 4);

export const routines: Readonly<Record<string, Routine>> = {
  /** y[i] = a[i] b[i]; a [B, m, k] or transposed [B, k, m], b [B, k, n] or [B, n, k]; a batch of one serves all. */
  matmul(cpu, y, ...args) {
    const [a, b] = [ref(args[0]), ref(args[1])];
    const { transposeA, transposeB } = options<{ transposeA: boolean; transposeB: boolean }>(args[2]);
    const [batches, m, n] = y.shape as [number, number, number];
    multiply(cpu, {
      batches, m, n, depth: a.shape[transposeA ? 1 : 2],
      a: { at: a.at, transposed: transposeA, batch: matrixBytes(a.shape) },
      b: { at: b.at, transposed: transposeB, batch: matrixBytes(b.shape) },
      c: y.at, bias: null,
    }); // biome-ignore format: sizes, operands, result
  },

  /** y = x Wᵀ + bias; x [..., in], W [out, in] */
  linear(cpu, y, ...args) {
    const [x, w] = [ref(args[0]), ref(args[1])];
    const [n, depth] = w.shape as [number, number];
    const m = numel(y.shape.slice(0, -1));
    multiply(cpu, {
      batches: 1, m, n, depth,
      a: { at: x.at, transposed: false, batch: 0 },
      b: { at: w.at, transposed: true, batch: 0 },
      c: y.at, bias: args[2] == null ? null : ref(args[2]).at,
    }); // biome-ignore format: sizes, operands, result
  },

  /** y = [x W₁ᵀ + b₁ | x W₂ᵀ + b₂ | …]; x [..., in], then all W [out, in], then all b [out] */
  linears(cpu, y, ...args) {
    const [x, ...rest] = args.map(ref) as [CpuRef, ...CpuRef[]];
    const parts = rest.length / 2;
    const [n, depth] = rest[0].shape as [number, number];
    const m = numel(y.shape.slice(0, -1));
    const a = { at: x.at, transposed: false, batch: 0 };
    const copyOf = rest.map((part) => part.at);
    // frozen parts: one product with a copy of them side by side is 1.1 × as fast
    const joined = cpu.derived(copyOf, 'joined', parts * n * (depth + 1), (to) => join(cpu, rest, to), 2);
    if (joined !== undefined) {
      const b = { at: joined, transposed: true, batch: 0, copyOf };
      multiply(cpu, { batches: 1, m, n: parts * n, depth, a, b, c: y.at, bias: joined + 4 * parts * n * depth });
      return;
    }
    for (let i = 0; i < parts; i++) {
      const b = { at: rest[i].at, transposed: true, batch: 0 };
      multiply(cpu, { batches: 1, m, n, depth, a, b, c: y.at + 4 * i * n, ldc: parts * n, bias: rest[parts + i].at });
    }
  },
};

/** Copies the values of tensors one after another. */
function join(cpu: Cpu, tensors: readonly CpuRef[], to: number): void {
  let end = to;
  for (const { at, shape } of tensors) {
    copyValues(cpu, at, end, numel(shape));
    end += 4 * numel(shape);
  }
}
