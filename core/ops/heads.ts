/** Attention heads: on an axis of their own, or side by side in the last axis. */
import { ShapeError } from '../errors.ts';
import { loopSum, quotient, remainder } from '../kernel-source.ts';
import { divides, type Shape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { permute, reshape } from './movement.ts';

/**
 * Puts heads on an axis of their own, as `attention` wants them.
 *
 * @param x [batch, tokens, heads·d]    @returns [batch, heads, tokens, d]
 * @throws ShapeError when x has another rank or the heads do not divide its last axis
 */
export function splitHeads(x: Tensor, heads: number): Tensor {
  if (x.rank !== 3 || !divides(heads, x.shape[2])) {
    throw new ShapeError(
      `splitHeads: expected x [batch, tokens, dim] with dim divisible by ${heads} heads, got ${show(x.shape)}.`,
    );
  }
  const [batch, tokens, dim] = x.shape as [number, number, number];
  return permute(reshape(x, [batch, tokens, heads, dim / heads]), [0, 2, 1, 3]);
}

/**
 * Puts heads side by side again: the inverse of splitHeads.
 *
 * @param x [batch, heads, tokens, d]    @returns [batch, tokens, heads·d]
 * @throws ShapeError when x has another rank
 */
export function mergeHeads(x: Tensor): Tensor {
  if (x.rank !== 4) throw new ShapeError(`mergeHeads: expected x [batch, heads, tokens, d], got ${show(x.shape)}.`);
  const [batch, heads, tokens, d] = x.shape as [number, number, number, number];
  return reshape(permute(x, [0, 2, 1, 3]), [batch, tokens, heads * d]);
}

/** Sizes of a packed [B, T, 3D], in which q, k and v stand side by side, each with its H heads of width d side by side. */
export interface PackedSizes {
  readonly B: number;
  readonly T: number;
  readonly D: number;
  readonly H: number;
  readonly d: number;
}
export function packedSizes(qkv: Shape, heads: number): PackedSizes {
  const D = qkv[2] / 3;
  return { B: qkv[0], T: qkv[1], D, H: heads, d: D / heads };
}

/** Source that reads q, k or v at a token and a channel of a head, where `bh` counts batch · heads + head. */
export function readPacked(part: 'q' | 'k' | 'v', { T, D, H, d }: PackedSizes, bh: string, token: string, c: string) {
  const first = { q: 0, k: D, v: 2 * D }[part];
  return `qkv[(${quotient(bh, H)} * ${T} + ${token}) * ${3 * D} + ${first} + ${remainder(bh, H)} * ${d} + ${c}]`;
}

/** Statements that leave the score q·k / √d of query this.thread.y and key this.thread.x of head this.thread.z in `s`. */
export function findScore(n: PackedSizes): string {
  const q = (i: string) => readPacked('q', n, 'this.thread.z', 'this.thread.y', i);
  const k = (i: string) => readPacked('k', n, 'this.thread.z', 'this.thread.x', i);
  return `${loopSum(n.d, (i) => `${q(i)} * ${k(i)}`)} s = s * ${1 / Math.sqrt(n.d)};`;
}
