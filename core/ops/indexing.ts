/** Reading and adding values by index: rows of a table, entries along an axis. */

import { arange } from '../create.ts';
import { ShapeError } from '../errors.ts';
import { loopSum, when, wholeIndex } from '../kernel-source.ts';
import { defineOp, expectTensors, type Op } from '../op.ts';
import { normalizeAxis, numel, type Shape, sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, equal } from './elementwise.ts';
import { checkIds, expectIds } from './ids.ts';
import { pad, slice, transpose, unsqueeze } from './movement.ts';

// ---- rows of a table -----------------------------------------------------------------------------------------------

/** Body that returns array[address(id)], or 0 for an id outside of 0..count−1. The array has `size` values. */
function readAt(array: string, id: string, count: number, address: (id: string) => string, size: number): string {
  return `
    let v = 0.0;
    ${when([`${id} >= 0`, `${id} < ${count}`], `v = ${array}[${address(wholeIndex(id, size))}];`)}
    return v;`;
}

/** Primitive behind `embedding`. */
const takeRows: Op<[table: Tensor, ids: Tensor]> = defineOp({
  name: 'embedding',
  dtype: 'kept',
  shape: (table, ids) => [...ids, table[1]],
  vjp: ({ g }, table, ids) => [() => embeddingGrad(g, ids, { rows: table.shape[0] })],
  kernel: (_, [V, D], ids) => {
    const body = readAt('table', 'ids[this.thread.y]', V, (id) => `${id} * ${D} + this.thread.x`, V * D);
    return [{ out: [D, numel(ids)], inputs: { table: 0, ids: 1 }, body }];
  },
});

/** y[v] = Σ_{r : ids[r] = v} g[r]: rows added up by id, the gradient of `embedding`. */
export const embeddingGrad: Op<[g: Tensor, ids: Tensor, options: { rows: number }]> = defineOp({
  name: 'embeddingGrad',
  shape: (g, _, { rows }) => [rows, g.at(-1)!],
  vjp: ({ g: u }, _, ids) => [() => takeRows(u, ids)],
  kernel: ([rows, D], _, ids) => {
    const body = `
      let s = 0.0;
      ${loopSum(numel(ids), (i) => `g[${i} * ${D} + this.thread.x]`, { only: (i) => `ids[${i}] == this.thread.y` })}
      return s;`;
    return [{ out: [D, rows], inputs: { g: 0, ids: 1 }, body }];
  },
});

/**
 * Rows of a table by id: y[…] = table[ids[…]]. PyTorch's `embedding`, and `index_select` along the first axis.
 *
 * @param table [V, D]    @param ids int32 [...], in 0..V−1    @returns [..., D]
 * @throws TypeError when ids are not int32
 * @throws ShapeError when the table is no matrix, and on `cpu` and `reference` when an id is out of range (other devices
 *   give a row of zeros for it)
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  expectTensors('embedding', table);
  if (table.rank !== 2) throw new ShapeError(`embedding: expected table [V, D], got ${show(table.shape)}.`);
  checkIds('embedding', ids, table.shape[0], `table ${show(table.shape)}`);
  return takeRows(table, ids);
}

/** ids against 0..depth−1 on a new last axis: 1 where they are equal, 0 elsewhere. */
export const equalIds = (ids: Tensor, depth: number): Tensor =>
  equal(unsqueeze(ids, -1), arange(depth, { device: ids.device }));

/**
 * Ids as rows of a unit matrix: 1 at position id of a new last axis, 0 elsewhere (float32).
 *
 * @param ids int32 [...], in 0..depth−1    @returns [..., depth]
 * @throws TypeError when ids are not int32
 * @throws ShapeError on `cpu` and `reference` when an id is out of range (other devices give a row of zeros for it)
 */
export function oneHot(ids: Tensor, depth: number): Tensor {
  checkIds('oneHot', ids, depth, `depth ${depth}`);
  return equalIds(ids, depth);
}

// ---- entries along an axis -----------------------------------------------------------------------------------------

/** Primitive behind `takeAlong` and `gather`: last axis only. */
const takeLast: Op<[x: Tensor, ids: Tensor]> = defineOp({
  name: 'takeAlong',
  dtype: 'kept',
  shape: (_, ids) => ids,
  vjp: ({ g }, x, ids) => [() => takeAlongGrad(g, ids, { size: x.shape.at(-1)! })],
  kernel: (_, x, ids) => {
    const [V, K] = [x.at(-1)!, ids.at(-1)!];
    const own = `ids[this.thread.y * ${K} + this.thread.x]`;
    const body = readAt('x', own, V, (id) => `this.thread.y * ${V} + ${id}`, numel(x));
    return [{ out: [K, numel(ids) / K], inputs: { x: 0, ids: 1 }, body }];
  },
});

/** y[…, v] = Σ_{k : ids[…, k] = v} g[…, k], where the last axis of y has length `size`: the gradient of takeAlong. */
export const takeAlongGrad: Op<[g: Tensor, ids: Tensor, options: { size: number }]> = defineOp({
  name: 'takeAlongGrad',
  shape: (g, _, { size }) => [...g.slice(0, -1), size],
  vjp: ({ g: u }, _, ids) => [() => takeLast(u, ids)],
  kernel: (_, g, _ids, { size }) => {
    const K = g.at(-1)!;
    const entry = (array: string, i: string) => `${array}[this.thread.y * ${K} + ${i}]`;
    const body = `
      let s = 0.0;
      ${loopSum(K, (i) => entry('g', i), { only: (i) => `${entry('ids', i)} == this.thread.x` })}
      return s;`;
    return [{ out: [size, numel(g.slice(0, -1))], inputs: { g: 0, ids: 1 }, body }];
  },
});

/**
 * Entries of the last axis by index: y[…, k] = x[…, ids[…, k]]. As `gather` along the last axis, where all other axes are
 * equal.
 *
 * @param x [..., V]    @param ids int32 [..., K], in 0..V−1    @returns [..., K]
 * @throws TypeError when ids are not int32
 * @throws ShapeError when one has no axis or leading axes differ, and on `cpu` and `reference` when an id is out of range (other devices
 *   read 0 for it)
 */
export function takeAlong(x: Tensor, ids: Tensor): Tensor {
  expectIds('takeAlong', ids);
  if (x.rank === 0 || ids.rank === 0 || !sameShape(x.shape.slice(0, -1), ids.shape.slice(0, -1))) {
    throw new ShapeError(
      `takeAlong: expected x [..., V] and ids [..., K], got x ${show(x.shape)} and ids ${show(ids.shape)}.`,
    );
  }
  checkIds('takeAlong', ids, x.shape.at(-1)!, `the last axis of x ${show(x.shape)}`);
  return takeLast(x, ids);
}

/**
 * Entries of x along an axis by index, as torch.gather. For three axes and axis 1:
 *
 *   y[i, j, k] = x[i, indices[i, j, k], k]
 *
 * @param indices  int32, of x's rank; along other axes it may be shorter than x, whose first entries are then used
 * @returns the shape of indices
 * @throws TypeError when indices are not int32
 * @throws ShapeError when the shapes do not fit, and on `cpu` and `reference` when an index is out of range (other devices
 *   read 0 for it)
 */
export function gather(x: Tensor, axis: number, indices: Tensor): Tensor {
  const a = normalizeAxis('gather', axis, x.rank);
  expectIds('gather', indices);
  const block = x.shape.map((d, i) => (i === a ? d : indices.shape[i]));
  if (!isInside(indices.shape, x.shape, a)) {
    throw new ShapeError(
      `gather: expected indices of rank ${x.rank}, up to as long as x ${show(x.shape)} outside axis ${axis}, got ${show(indices.shape)}.`,
    );
  }
  checkIds('gather', indices, x.shape[a], `axis ${axis} of x ${show(x.shape)}`);
  const lead = slice(x, block.map(() => 0), block); // biome-ignore format: one thought
  return transpose(takeLast(transpose(lead, a, -1), transpose(indices, a, -1)), a, -1);
}

/**
 * x with the values of `source` added at indices along an axis, as torch.scatter_add: the gradient of `gather`. Values
 * with the same index add up. For three axes and axis 1, for all i, j, k of indices:
 *
 *   y[i, indices[i, j, k], k] += source[i, j, k]        where y starts as x
 *
 * @param indices  int32, of x's rank; along no axis longer than source, and outside `axis` not longer than x
 * @param source   of x's rank; only the block of indices' shape is used
 * @returns the shape of x
 * @throws TypeError when indices are not int32
 * @throws ShapeError when the shapes do not fit, and on `cpu` and `reference` when an index is out of range (other devices
 *   add nothing for it)
 */
export function scatterAdd(x: Tensor, axis: number, indices: Tensor, source: Tensor): Tensor {
  const a = normalizeAxis('scatterAdd', axis, x.rank);
  expectIds('scatterAdd', indices);
  if (!isInside(indices.shape, x.shape, a) || !isInside(indices.shape, source.shape)) {
    throw new ShapeError(
      `scatterAdd: expected indices of rank ${x.rank}, up to as long as source everywhere and as x outside axis ${axis}, got x ${show(x.shape)}, indices ${show(indices.shape)} and source ${show(source.shape)}.`,
    );
  }
  checkIds('scatterAdd', indices, x.shape[a], `axis ${axis} of x ${show(x.shape)}`);
  const none = x.shape.map(() => 0);
  const added = spread(slice(source, none, indices.shape), a, indices, x.shape[a]);
  return add(x, pad(added, none, x.shape.map((d, i) => d - added.shape[i]))); // biome-ignore format: one thought
}

/** True when `inner` has the rank of `outer` and along no axis, other than the free one, a greater length. */
const isInside = (inner: Shape, outer: Shape, free?: number): boolean =>
  inner.length === outer.length && inner.every((d, i) => i === free || d <= outer[i]);

/** g added into zeros at `ids` of an axis of length `size`; ids has the shape of g. */
export const spread = (g: Tensor, axis: number, ids: Tensor, size: number): Tensor =>
  transpose(takeAlongGrad(transpose(g, axis, -1), transpose(ids, axis, -1), { size }), axis, -1);
