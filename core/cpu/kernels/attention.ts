/**
 * Multi-head attention, read from the packed projections qkv [B, T, 3D] through strides:
 *
 *       qkv row:  │ q: head 0 … H−1 │ k: head 0 … H−1 │ v: head 0 … H−1 │        each head d = D / H columns
 *
 * An item is one head of one batch entry. Its scores stay in the thread's scratch, a block of query rows at a time:
 *
 *       s = q kᵀ      p = softmax(s / √d)      y = p v
 *
 * and backward, where p is computed again:
 *
 *       dp = g vᵀ     ds = p ∘ (dp − Σ p ∘ dp) / √d     dq = ds k     dk = dsᵀ q     dv = pᵀ g
 */
import { SCRATCH_FLOATS } from '../kernel.ts';
import { options, type Routine, ref } from '../routine.ts';
import { add, bytes, f32, floatAt, type I32, type Int, i32, kernel, mul, sub } from './dsl.ts';
import { ADDEND, gemm, gemmScratch, type ProductFunction, type productParams } from './gemm.ts';
import { softmaxGradRows, softmaxRows } from './softmax.ts';

const sizeParams = {
  T: i32,
  D: i32,
  heads: i32,
  /** Query rows at a time. */
  block: i32,
  /** Bytes from one row of scores to the next. */
  ld: i32,
  /** Byte offset of the scores in scratch. */
  scores: i32,
  /** 1 / √d */
  scale: f32,
};

/** The operands of a product; see `productParams`. */
type Operands = Readonly<Record<Exclude<keyof typeof productParams, 'addend' | 'bias' | 'buffer'>, Int>>;

const attention = kernel('attention', { qkv: i32, y: i32, ...sizeParams }, (f, a) => {
  const { i, q, y, s, row, rows, qs, ys, d } = f.ints('i q y s row rows qs ys d');
  const product = (operands: Operands) =>
    f.call(gemm.row, { ...operands, addend: ADDEND.nothing, bias: 0, buffer: a.scratch });
  ys.set(bytes(a.D));
  qs.set(mul(ys, 3));
  d.set(i32.divu(a.D, a.heads));
  s.set(add(a.scratch, a.scores));
  f.for(i, a.begin, a.end, 1, () => {
    q.set(add(a.qkv, headOffset(i, a.heads, a.T, qs, d)));
    y.set(add(a.y, headOffset(i, a.heads, a.T, ys, d)));
    f.for(row, 0, a.T, a.block, () => {
      rows.set(i32.min(a.block, sub(a.T, row)));
      const query = add(q, mul(row, qs));
      const key = add(q, ys);
      const value = add(q, i32.shl(ys, 1));
      product({ m: rows, n: a.T, depth: d, A: query, lda: qs, B: key, rs: 4, cs: qs, C: s, ldc: a.ld });
      f.call(softmaxRows, { src: s, dst: s, rows, n: a.T, srcStride: a.ld, dstStride: a.ld, scale: a.scale });
      const C = add(y, mul(row, ys));
      product({ m: rows, n: d, depth: a.T, A: s, lda: a.ld, B: value, rs: qs, cs: 4, C, ldc: ys });
    });
  });
});

const attentionGrad = kernel('attentionGrad', { qkv: i32, g: i32, y: i32, ...sizeParams }, (f, a) => {
  const { i, q, g, dq, p, ds, row, rows, qs, gs, d, addend } = f.ints('i q g dq p ds row rows qs gs d addend');
  const product = (by: ProductFunction, addend: Int, operands: Operands) =>
    f.call(by, { ...operands, addend, bias: 0, buffer: a.scratch });
  gs.set(bytes(a.D));
  qs.set(mul(gs, 3));
  d.set(i32.divu(a.D, a.heads));
  p.set(add(a.scratch, a.scores));
  ds.set(add(p, mul(a.block, a.ld)));
  f.for(i, a.begin, a.end, 1, () => {
    q.set(add(a.qkv, headOffset(i, a.heads, a.T, qs, d)));
    dq.set(add(a.y, headOffset(i, a.heads, a.T, qs, d)));
    g.set(add(a.g, headOffset(i, a.heads, a.T, gs, d)));
    addend.set(ADDEND.nothing);
    f.for(row, 0, a.T, a.block, () => {
      rows.set(i32.min(a.block, sub(a.T, row)));
      const query = add(q, mul(row, qs));
      const key = add(q, gs);
      const value = add(q, i32.shl(gs, 1));
      const grad = add(g, mul(row, gs));
      const queryGrad = add(dq, mul(row, qs));
      const keyGrad = add(dq, gs);
      const valueGrad = add(dq, i32.shl(gs, 1));
      const { ld, scale, T } = a;
      const set = ADDEND.nothing;
      product(gemm.row, set, { m: rows, n: T, depth: d, A: query, lda: qs, B: key, rs: 4, cs: qs, C: p, ldc: ld });
      f.call(softmaxRows, { src: p, dst: p, rows, n: T, srcStride: ld, dstStride: ld, scale });
      product(gemm.col, addend, {
        m: T,
        n: d,
        depth: rows,
        A: p,
        lda: ld,
        B: grad,
        rs: gs,
        cs: 4,
        C: valueGrad,
        ldc: qs,
      });
      product(gemm.row, set, { m: rows, n: T, depth: d, A: grad, lda: gs, B: value, rs: 4, cs: qs, C: ds, ldc: ld });
      f.call(softmaxGradRows, { y: p, g: ds, dst: ds, rows, n: T, stride: ld, scale });
      product(gemm.row, set, { m: rows, n: d, depth: T, A: ds, lda: ld, B: key, rs: qs, cs: 4, C: queryGrad, ldc: qs });
      product(gemm.col, addend, {
        m: T,
        n: d,
        depth: rows,
        A: ds,
        lda: ld,
        B: query,
        rs: qs,
        cs: 4,
        C: keyGrad,
        ldc: qs,
      });
      addend.set(ADDEND.c); // later blocks of rows add to what the first one wrote
    });
  });
});

export const kernels = [attention, attentionGrad];

/** Bytes from the first value to that of item i = batch · heads + head, where rows are `stride` bytes apart. */
const headOffset = (i: I32, heads: I32, T: I32, stride: I32, d: I32): I32 =>
  floatAt(mul(mul(i32.divu(i, heads), T), stride), mul(i32.remu(i, heads), d));

/** The block of query rows that fits scratch, with `matrices` of scores, beside the products' own part. */
function blocking(T: number, D: number, heads: number, matrices: number) {
  const d = D / heads;
  const ld = (T + 3) & ~3;
  const used = Math.max(gemmScratch(T, d), gemmScratch(d, T));
  const fit = Math.floor((SCRATCH_FLOATS - used) / (ld * matrices));
  if (fit < 1) throw new RangeError(`attention: expected tokens and head width that fit a block, got ${T} and ${d}.`);
  const blocks = Math.ceil(T / Math.min(T, fit));
  const block = Math.min(fit, (Math.ceil(T / blocks) + 3) & ~3); // equal blocks of full tiles
  return { block, ld: 4 * ld, scores: 4 * used, scale: 1 / Math.sqrt(d) };
}

export const routines: Readonly<Record<string, Routine>> = {
  /** qkv [B, T, 3D], { heads } → [B, T, D] */
  selfAttention(cpu, y, ...args) {
    const qkv = ref(args[0]);
    const { heads } = options<{ heads: number }>(args[1]);
    const [B, T, D] = y.shape as [number, number, number];
    if (B * T * D === 0) return;
    const { block, ld, scores, scale } = blocking(T, D, heads, 1);
    const launch = { items: B * heads, work: 2 * B * T * T * D };
    cpu.parallel(attention, launch, { qkv: qkv.at, y: y.at, T, D, heads, block, ld, scores, scale });
  },
  /** qkv [B, T, 3D], g [B, T, D], { heads } → dqkv [B, T, 3D] */
  selfAttentionGrad(cpu, y, ...args) {
    const [qkv, g] = [ref(args[0]), ref(args[1])];
    const { heads } = options<{ heads: number }>(args[2]);
    const [B, T, D] = g.shape as [number, number, number];
    if (B * T * D === 0) return;
    const { block, ld, scores, scale } = blocking(T, D, heads, 2);
    const launch = { items: B * heads, work: 5 * B * T * T * D };
    cpu.parallel(attentionGrad, launch, { qkv: qkv.at, g: g.at, y: y.at, T, D, heads, block, ld, scores, scale });
  },
};
