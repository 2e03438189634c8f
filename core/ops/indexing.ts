/** Reading and adding by ids. */

import { arange } from '../create.ts';
import { ShapeError } from '../errors.ts';
import { loopSum } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { numel, sameShape, show, strides } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { equal } from './elementwise.ts';
import { unsqueeze } from './movement.ts';

function checkIds(op: string, ids: Tensor): void {
  if (ids.dtype !== 'int32')
    throw new TypeError(`${op}: expected int32 ids, got ${ids.dtype}. Make them with { dtype: 'int32' }.`);
}

/** Where the host can look at ids without waiting; elsewhere one outside of 0..count−1 reads unspecified values. */
function checkRange(op: string, ids: Tensor, count: number, from: string): void {
  const { device, storage, size, shape } = ids;
  if (!device.synchronous || ids.disposed) return;
  const values = device.read(storage.handle, size) as Float32Array;
  for (let i = 0; i < size; i++) {
    if (values[i] >= 0 && values[i] < count) continue;
    const place = strides(shape).map((step, axis) => Math.floor(i / step) % shape[axis]);
    throw new ShapeError(
      `${op}: expected ids in 0..${count - 1} of ${from}, got ${values[i]} at ${show(place)} of ids ${show(shape)}.`,
    );
  }
}

/** Rows of a table by id. Users call `embedding`. */
const takeRows: Op<[table: Tensor, ids: Tensor]> = defineOp({
  name: 'embedding',
  shape: (table, ids) => [...ids, table[1]],
  vjp: ({ g }, table, ids) => [() => embeddingGrad(g, ids, { rows: table.shape[0] })],
  kernel: (_, [, D], ids) => [
    {
      out: [D, numel(ids)],
      inputs: { table: 0, ids: 1 },
      body: `return table[ids[this.thread.y] * ${D} + this.thread.x];`,
    },
  ],
});

/** y[v] = Σ_{r : ids[r] = v} g[r]: rows added up by id, the gradient of `embedding`. */
export const embeddingGrad: Op<[g: Tensor, ids: Tensor, options: { rows: number }]> = defineOp({
  name: 'embeddingGrad',
  shape: (g, _, { rows }) => [rows, g.at(-1)!],
  vjp: ({ g: u }, _, ids) => [() => takeRows(u, ids)],
  kernel: ([rows, D], _, ids) => [
    {
      out: [D, rows],
      inputs: { g: 0, ids: 1 },
      body: `let s = 0.0; for (let i = 0; i < ${numel(ids)}; i++) { if (ids[i] == this.thread.y) { s += g[i * ${D} + this.thread.x]; } } return s;`,
    },
  ],
});

/**
 * Rows of a table. table [V, D], ids int32 [...] → [..., D]
 *
 * @throws ShapeError naming an id outside 0..V−1, on the devices that the host reads without waiting (cpu, reference).
 *   The others do not stop for it: webasm and the GPUs read some other value of the table's array instead.
 */
export function embedding(table: Tensor, ids: Tensor): Tensor {
  if (table.rank !== 2) throw new ShapeError(`embedding: expected table [V, D], got ${show(table.shape)}.`);
  checkIds('embedding', ids);
  checkRange('embedding', ids, table.shape[0], `table ${show(table.shape)}`);
  return takeRows(table, ids);
}

/** Users call `takeAlong`. */
const takeLast: Op<[x: Tensor, ids: Tensor]> = defineOp({
  name: 'takeAlong',
  shape: (_, ids) => ids,
  vjp: ({ g }, x, ids) => [() => takeAlongGrad(g, ids, { size: x.shape.at(-1)! })],
  kernel: (_, x, ids) => {
    const [V, K] = [x.at(-1)!, ids.at(-1)!];
    return [
      {
        out: [K, numel(ids) / K],
        inputs: { x: 0, ids: 1 },
        body: `return x[this.thread.y * ${V} + ids[this.thread.y * ${K} + this.thread.x]];`,
      },
    ];
  },
});

/** y[…, v] = Σ_{k : ids[…, k] = v} g[…, k]: the gradient of takeAlong. */
export const takeAlongGrad: Op<[g: Tensor, ids: Tensor, options: { size: number }]> = defineOp({
  name: 'takeAlongGrad',
  shape: (g, _, { size }) => [...g.slice(0, -1), size],
  vjp: ({ g: u }, _, ids) => [() => takeLast(u, ids)],
  kernel: (_, g, _ids, { size }) => {
    const K = g.at(-1)!;
    return [
      {
        out: [size, numel(g) / K],
        inputs: { g: 0, ids: 1 },
        body: `let s = 0.0; for (let i = 0; i < ${K}; i++) { if (ids[this.thread.y * ${K} + i] == this.thread.x) { s += g[this.thread.y * ${K} + i]; } } return s;`,
      },
    ];
  },
});

/** y[…, k] = x[…, ids[…, k]]: torch.gather along the last axis. Ids outside of it are treated as by `embedding`. */
export function takeAlong(x: Tensor, ids: Tensor): Tensor {
  checkIds('takeAlong', ids);
  if (!sameShape(x.shape.slice(0, -1), ids.shape.slice(0, -1))) {
    throw new ShapeError(
      `takeAlong: expected x [..., V] and ids [..., K], got x ${show(x.shape)} and ids ${show(ids.shape)}.`,
    );
  }
  checkRange('takeAlong', ids, x.shape.at(-1)!, `the last axis of x ${show(x.shape)}`);
  return takeLast(x, ids);
}

/** 1 where an id equals the position on a new last axis of length `depth`. */
export const equalIds = (ids: Tensor, depth: number): Tensor =>
  equal(unsqueeze(ids, -1), arange(depth, { device: ids.device }));
/** One row of a unit matrix per id. ids int32 [...] → [..., depth] */
export function oneHot(ids: Tensor, depth: number): Tensor {
  checkIds('oneHot', ids);
  return equalIds(ids, depth);
}

/** Positions of the values of each row from small to large; equal values keep their order. */
export const argsort: Op<[x: Tensor]> = defineOp<[x: Tensor]>({
  name: 'argsort',
  dtype: 'int32',
  shape: (x) => x,
  vjp: () => null,
  kernel: (_, x) => {
    const n = x.at(-1)!;
    const at = (i: string) => `x[this.thread.y * ${n} + ${i}]`;
    const before = `(${at('i')} < ${at('this.thread.x')} ? 1.0 : (${at('i')} == ${at('this.thread.x')} ? (i < this.thread.x ? 1.0 : 0.0) : 0.0))`;
    return [
      { name: 'rank', out: [n, numel(x) / n], inputs: { x: 0 }, body: `let s = 0.0; ${loopSum(n, before)} return s;` },
      {
        out: [n, numel(x) / n],
        inputs: { rank: 'rank' },
        body: `let p = 0.0; for (let i = 0; i < ${n}; i++) { if (rank[this.thread.y * ${n} + i] == this.thread.x) { p = i; } } return p;`,
      },
    ];
  },
});

/** Values of each row from small to large. */
export const sort = (x: Tensor): Tensor => takeAlong(x, argsort(x));
