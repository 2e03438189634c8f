/**
 * Multi-head attention, read from the packed projections qkv [B, T, 3D] through strides:
 *
 *       qkv row:  │ q: head 0 … H−1 │ k: head 0 … H−1 │ v: head 0 … H−1 │        each head d = D / H columns
 *
 * An item is one head of one batch entry; its scores stay in the thread's scratch, a block of query rows at a time:
 *
 *       s = q kᵀ      p = softmax(s / √d)      y = p v
 *
 * and backward, with p worked out again:
 *
 *       dp = g vᵀ     ds = p ∘ (dp − Σ p ∘ dp) / √d     dq = ds k     dk = dsᵀ q     dv = pᵀ g
 */
import { type I32, i32 } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { options, type Routine, ref, SCRATCH_FLOATS } from '../routine.ts';
import { ADD, gemmScratch } from './gemm.ts';
import { ints } from './locals.ts';

const at = i32.add;
const c = i32.const;

export function define(k: KernelBuilder): void {
  // `block` query rows at a time; scores stand `ld` bytes apart at scratch + `scores`
  const params = 'T D heads block ld scores scale:f32';

  k.def('attention', `begin end scratch qkv y ${params}`, (f, a, L) => {
    const { i, q, y, s, row, rows, qs, ys, d } = ints(L, 'i q y s row rows qs ys d');
    ys.set(i32.shl(a.D, c(2)));
    qs.set(i32.mul(ys, c(3)));
    d.set(i32.divu(a.D, a.heads));
    s.set(at(a.scratch, a.scores));
    f.for(i, a.begin, a.end, c(1), () => {
      q.set(at(a.qkv, headOffset(i, a.heads, a.T, qs, d)));
      y.set(at(a.y, headOffset(i, a.heads, a.T, ys, d)));
      f.for(row, c(0), a.T, a.block, () => {
        rows.set(i32.min(a.block, i32.sub(a.T, row)));
        const key = at(q, ys);
        const value = at(q, i32.shl(ys, c(1)));
        const to = at(y, i32.mul(row, ys));
        const gemm = (...args: I32[]) => k.call('gemm_row', ...args, c(ADD.nothing), c(0), a.scratch);
        f.do(
          gemm(rows, a.T, d, at(q, i32.mul(row, qs)), qs, key, c(4), qs, s, a.ld),
          k.call('softmax_rows', s, s, rows, a.T, a.ld, a.ld, a.scale),
          gemm(rows, d, a.T, s, a.ld, value, qs, c(4), to, ys),
        );
      });
    });
  });

  k.def('attentionGrad', `begin end scratch qkv g y ${params}`, (f, a, L) => {
    const { i, q, g, dq, p, ds, row, rows, qs, gs, d, add } = ints(L, 'i q g dq p ds row rows qs gs d add');
    gs.set(i32.shl(a.D, c(2)));
    qs.set(i32.mul(gs, c(3)));
    d.set(i32.divu(a.D, a.heads));
    p.set(at(a.scratch, a.scores));
    ds.set(at(p, i32.mul(a.block, a.ld)));
    f.for(i, a.begin, a.end, c(1), () => {
      q.set(at(a.qkv, headOffset(i, a.heads, a.T, qs, d)));
      dq.set(at(a.y, headOffset(i, a.heads, a.T, qs, d)));
      g.set(at(a.g, headOffset(i, a.heads, a.T, gs, d)));
      add.set(c(ADD.nothing));
      f.for(row, c(0), a.T, a.block, () => {
        rows.set(i32.min(a.block, i32.sub(a.T, row)));
        const query = at(q, i32.mul(row, qs));
        const key = at(q, gs);
        const value = at(q, i32.shl(gs, c(1)));
        const grad = at(g, i32.mul(row, gs));
        const gemm = (kind: 'row' | 'col', start: I32, ...args: I32[]) =>
          k.call(`gemm_${kind}`, ...args, start, c(0), a.scratch);
        f.do(
          gemm('row', c(0), rows, a.T, d, query, qs, key, c(4), qs, p, a.ld),
          k.call('softmax_rows', p, p, rows, a.T, a.ld, a.ld, a.scale),
          gemm('col', add, a.T, d, rows, p, a.ld, grad, gs, c(4), at(dq, i32.shl(gs, c(1))), qs), // dv
          gemm('row', c(0), rows, a.T, d, grad, gs, value, c(4), qs, ds, a.ld),
          k.call('softmax_grad_rows', p, ds, ds, rows, a.T, a.ld, a.scale),
          gemm('row', c(0), rows, d, a.T, ds, a.ld, key, qs, c(4), at(dq, i32.mul(row, qs)), qs),
          gemm('col', add, a.T, d, rows, ds, a.ld, query, qs, c(4), at(dq, gs), qs), // dk
        );
        add.set(c(ADD.c));
      });
    });
  });
}

/** Bytes from the first value to that of item i = batch · heads + head, where rows are `step` bytes apart. */
const headOffset = (i: I32, heads: I32, T: I32, step: I32, d: I32): I32 =>
  at(i32.mul(i32.mul(i32.divu(i, heads), T), step), i32.shl(i32.mul(i32.remu(i, heads), d), c(2)));

/** How many query rows fit the scratch beside the products' own, with `matrices` of scores. */
function blocking(T: number, D: number, heads: number, matrices: number): number[] {
  const d = D / heads;
  const ld = (T + 3) & ~3;
  const used = Math.max(gemmScratch(T, d), gemmScratch(d, T));
  const fit = Math.floor((SCRATCH_FLOATS - used) / (ld * matrices));
  if (fit < 1) throw new RangeError(`attention: expected tokens and head width that fit a block, got ${T} and ${d}.`);
  const blocks = Math.ceil(T / Math.min(T, fit));
  const block = Math.min(fit, (Math.ceil(T / blocks) + 3) & ~3); // equal blocks of whole tiles
  return [T, D, heads, block, 4 * ld, 4 * used, 1 / Math.sqrt(d)];
}

export const routines: Readonly<Record<string, Routine>> = {
  /** qkv [B, T, 3D], { heads } → [B, T, D] */
  selfAttention(cpu, y, ...args) {
    const { heads } = options<{ heads: number }>(args[1]);
    const [B, T, D] = y.shape as [number, number, number];
    if (B * T * D === 0) return;
    cpu.parallel('attention', B * heads, 2 * B * T * T * D, [ref(args[0]).at, y.at, ...blocking(T, D, heads, 1)]);
  },
  /** qkv [B, T, 3D], g [B, T, D], { heads } → dqkv [B, T, 3D] */
  selfAttentionGrad(cpu, y, ...args) {
    const [qkv, g] = [ref(args[0]), ref(args[1])];
    const { heads } = options<{ heads: number }>(args[2]);
    const [B, T, D] = g.shape as [number, number, number];
    if (B * T * D === 0) return;
    cpu.parallel('attentionGrad', B * heads, 5 * B * T * T * D, [qkv.at, g.at, y.at, ...blocking(T, D, heads, 2)]);
  },
};
