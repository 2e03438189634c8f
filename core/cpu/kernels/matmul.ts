/** `matmul`, `linear` and `linears`: how threads share a product, and which method computes it. */
import { numel } from '../../shape.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { add, bytes, floatAt, type Int, i32, kernel, mul, sub } from './dsl.ts';
import { ADDEND, PACKED, pack, packedFloats } from './gemm.ts';
import { multiplyRounded } from './int16.ts';
import { multiply } from './multiply.ts';
import { copyValues } from './parts.ts';
import { UNIT } from './strassen.ts';
import type { Mode } from './tile.ts';

/** The items of a product: its batches, or rows or columns of C. */
const SPLIT = { batches: 0, rows: 1, columns: 2 } as const;

/** A share of a product. Parameters as in `productParams`; batchA, …: bytes between batches. */
const productOf = (mode: Mode) =>
  kernel(
    `product.${mode}`,
    // biome-ignore format: one line per operand
    {
      split: i32, m: i32, n: i32, depth: i32,
      A: i32, lda: i32, batchA: i32,
      B: i32, rs: i32, cs: i32, batchB: i32,
      C: i32, ldc: i32, batchC: i32,
      addend: i32, bias: i32,
    },
    (f, a) => {
      const { i } = f.ints('i');
      const part = (m: Int, n: Int, A: Int, B: Int, C: Int, bias: Int) => {
        const { depth, lda, rs, cs, ldc, addend, scratch } = a;
        f.call(multiply[mode], { m, n, depth, A, lda, B, rs, cs, C, ldc, addend, bias, buffer: scratch });
      };
      const share = sub(a.end, a.begin);
      const offset = bytes(a.begin);
      f.if(i32.eq(a.split, SPLIT.rows), () => {
        const A = add(a.A, mode === 'row' ? mul(a.begin, a.lda) : offset);
        part(share, a.n, A, a.B, add(a.C, mul(a.begin, a.ldc)), a.bias);
      });
      f.if(i32.eq(a.split, SPLIT.columns), () => {
        const B = add(a.B, mul(a.begin, i32.select(a.cs, bytes(a.depth), a.cs))); // a packed column is depth floats
        part(a.m, share, a.A, B, add(a.C, offset), add(a.bias, offset));
      });
      f.if(i32.eq(a.split, SPLIT.batches), () => {
        f.for(i, a.begin, a.end, 1, () => {
          const [A, B, C] = [add(a.A, mul(i, a.batchA)), add(a.B, mul(i, a.batchB)), add(a.C, mul(i, a.batchC))];
          part(a.m, a.n, A, B, C, a.bias);
        });
      });
    },
  );
const product = { row: productOf('row'), col: productOf('col') };

/** Packs all of B; one item. */
const packAll = kernel(
  'packAll',
  { src: i32, n: i32, depth: i32, rs: i32, cs: i32, dst: i32 },
  (f, { src, n, depth, rs, cs, dst }) => f.call(pack, { src, kb: depth, nb: n, rs, cs, dst }),
);

/** The product of depth 0: each row of C becomes the bias, or 0 where `bias` is 0. Items: rows. */
const fillRows = kernel('fillRows', { C: i32, n: i32, ldc: i32, bias: i32 }, (f, a) => {
  const { i, j, p } = f.ints('i j p');
  f.for(i, a.begin, a.end, 1, () => {
    p.set(add(a.C, mul(i, a.ldc)));
    f.for(j, 0, a.n, 1, () => {
      f.do(i32.store(p, 0));
      f.if(a.bias, () => f.do(i32.store(p, i32.load(floatAt(a.bias, j)))));
      p.set(add(p, 4));
    });
  });
});

export const kernels = [product.row, product.col, packAll, fillRows];

interface Matrices {
  /** Byte address. */
  readonly at: number;
  readonly transposed: boolean;
  /** Bytes between batches; 0 to use one matrix for all. */
  readonly batch: number;
}
interface Product {
  readonly batches: number;
  readonly m: number;
  readonly n: number;
  readonly depth: number;
  readonly a: Matrices;
  /** `copyOf`: the tensors that B is a copy of, if it is one. */
  readonly b: Matrices & { readonly copyOf?: readonly number[] };
  readonly c: number;
  /** Columns of C from row to row. Default: n. Larger if the product is a part of a wider matrix. */
  readonly ldc?: number;
  readonly bias: number | null;
}

/** With fewer rows of A than this, packing B takes a tenth of the product or more. */
const FEW_ROWS = 64;

/** Panels of B from the cache, for products of few rows with frozen weights. */
function cachedPanels(cpu: Cpu, { batches, m, n, depth, b }: Product, rs: number, cs: number): number | undefined {
  if (batches > 1 || m >= FEW_ROWS) return undefined;
  const key = {
    tensors: b.copyOf ?? [b.at],
    name: `packed ${n} ${depth} ${rs}`,
    floats: packedFloats(n, depth),
    keepFrom: 2,
  } as const;
  return cpu.cached(key, (dst) =>
    cpu.parallel(packAll, { items: 1, work: n * depth }, { src: b.at, n, depth, rs, cs, dst }),
  );
}

function runProduct(cpu: Cpu, { batches, m, n, depth, a, b, c, ldc = n, bias }: Product): void {
  if (batches * m * n === 0) return;
  if (depth === 0) {
    const launch = { items: batches * m, work: batches * m * n };
    cpu.parallel(fillRows, launch, { C: c, n, ldc: 4 * ldc, bias: bias ?? 0 });
    return;
  }
  const [rs, cs] = b.transposed ? [4, 4 * depth] : [4 * n, 4];
  if (cpu.matmulPrecision === 'high' && batches === 1) {
    const [lineStride, depthStride] = a.transposed ? [4, 4 * m] : [4 * depth, 4];
    const rows = { at: a.at, lines: m, lineStride, depthStride };
    const columns = { at: b.at, lines: n, lineStride: cs, depthStride: rs };
    if (multiplyRounded(cpu, rows, columns, depth, { at: c, rowStride: 4 * ldc }, bias, b.copyOf ?? [b.at])) return;
  }
  const panels = cachedPanels(cpu, { batches, m, n, depth, a, b, c, bias }, rs, cs);
  const B = panels === undefined ? { at: b.at, cs } : { at: panels, cs: PACKED };
  const launch = (split: keyof typeof SPLIT, items: number, batch: number, count: number, unit: number) =>
    cpu.parallel(
      product[a.transposed ? 'col' : 'row'],
      { items, work: count * m * n * depth, unit },
      {
        split: SPLIT[split],
        m,
        n,
        depth,
        A: a.at + batch * a.batch,
        lda: (a.transposed ? m : depth) * 4,
        batchA: a.batch,
        B: B.at + batch * b.batch,
        rs,
        cs: B.cs,
        batchB: b.batch,
        C: c + batch * m * n * 4,
        ldc: ldc * 4,
        batchC: m * n * 4,
        addend: bias === null ? ADDEND.nothing : ADDEND.columnBias,
        bias: bias ?? 0,
      },
    );
  if (batches >= 4 * cpu.threads) launch('batches', batches, 0, batches, 1);
  else {
    for (let i = 0; i < batches; i++) {
      // the longer side is cut, so that each thread packs little and multiplies much
      if (m >= n) launch('rows', m, i, 1, UNIT.rows);
      else launch('columns', n, i, 1, UNIT.columns);
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
    runProduct(cpu, {
      batches,
      m,
      n,
      depth: a.shape[transposeA ? 1 : 2],
      a: { at: a.at, transposed: transposeA, batch: matrixBytes(a.shape) },
      b: { at: b.at, transposed: transposeB, batch: matrixBytes(b.shape) },
      c: y.at,
      bias: null,
    });
  },

  /** y = x Wᵀ + bias; x [..., in], W [out, in] */
  linear(cpu, y, ...args) {
    const [x, w] = [ref(args[0]), ref(args[1])];
    const [n, depth] = w.shape as [number, number];
    const m = numel(y.shape.slice(0, -1));
    runProduct(cpu, {
      batches: 1,
      m,
      n,
      depth,
      a: { at: x.at, transposed: false, batch: 0 },
      b: { at: w.at, transposed: true, batch: 0 },
      c: y.at,
      bias: args[2] == null ? null : ref(args[2]).at,
    });
  },

  /** y = [x W₁ᵀ + b₁ | x W₂ᵀ + b₂ | …]; x [..., in], then all W [out, in], then all b [out] */
  linears(cpu, y, ...args) {
    const [x, ...rest] = args.map(ref) as [CpuRef, ...CpuRef[]];
    const parts = rest.length / 2;
    const [n, depth] = rest[0].shape as [number, number];
    const m = numel(y.shape.slice(0, -1));
    const a = { at: x.at, transposed: false, batch: 0 };
    // frozen weights: one product with a copy of all of them is 1.1 × as fast
    const tensors = rest.map((part) => part.at);
    const key = { tensors, name: 'concatenated', floats: parts * n * (depth + 1), keepFrom: 2 } as const;
    const all = cpu.cached(key, (to) => concatenate(cpu, rest, to));
    if (all !== undefined) {
      const b = { at: all, transposed: true, batch: 0, copyOf: tensors };
      runProduct(cpu, { batches: 1, m, n: parts * n, depth, a, b, c: y.at, bias: all + 4 * parts * n * depth });
      return;
    }
    for (let i = 0; i < parts; i++) {
      const b = { at: rest[i].at, transposed: true, batch: 0 };
      const bias = rest[parts + i].at;
      runProduct(cpu, { batches: 1, m, n, depth, a, b, c: y.at + 4 * i * n, ldc: parts * n, bias });
    }
  },
};

/** Copies the values of tensors to `to`, one after another. */
function concatenate(cpu: Cpu, tensors: readonly CpuRef[], to: number): void {
  let end = to;
  for (const { at, shape } of tensors) {
    copyValues(cpu, at, end, numel(shape));
    end += 4 * numel(shape);
  }
}
