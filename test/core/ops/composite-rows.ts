/** Ops made of other ops: how to call each, on what shapes, and the same in plain float64. */
import * as T from '../../../core/index.ts';
import { numel, type Shape, type Tensor } from '../../../core/index.ts';
import type { Row } from '../../op-rows.ts';
import { attended, count, Plain, reduced, summed, total } from './plain.ts';

export interface CompositeRow extends Row {
  reference(...xs: Plain[]): Plain;
}

const cube = (m: number, k: number, n: number): Shape[] => [[m, k, n]];
const product = (values: readonly number[]) => values.reduce((a, b) => a * b, 1);
const squaresAround = (values: readonly number[]) => {
  const mean = total(values) / values.length;
  return total(values.map((x) => (x - mean) ** 2));
};
const descending = (a: number, b: number) => b - a;
/** Ids of a shape below a bound, some of them twice. */
const id = (i: number, below: number) => (i * 7 + 3) % below;
const ids = (like: Tensor, shape: Shape, below: number): Tensor =>
  T.tensor(Int32Array.from({ length: numel(shape) }, (_, i) => id(i, below)), shape, { device: like.device }); // biome-ignore format: one thought
const flatIndex = (shape: Shape, index: readonly number[]) => index.reduce((at, i, axis) => at * shape[axis] + i, 0);

const einsum = (notation: string, shapes: Row['shapes'], spelled = notation): CompositeRow => ({
  call: (...xs) => T.einsum(notation, ...xs),
  shapes,
  reference: (...xs) => summed(spelled, ...xs),
});

const causal = (q: Tensor, k: Tensor): Tensor =>
  T.tril(T.ones([q.shape.at(-2)!, k.shape.at(-2)!], { device: q.device }), -1); // the first query sees nothing

export const composites: Record<string, CompositeRow> = {
  'max of all': {
    call: (x) => T.max(x),
    shapes: cube,
    apart: true,
    reference: (x) => new Plain([], [Math.max(...x.data)]),
  },
  'max over two axes': {
    call: (x) => T.max(x, [0, 2]),
    shapes: cube,
    apart: true,
    reference: (x) => reduced(x, [0, 2], (values) => Math.max(...values)),
  },
  'max over neighboring axes': {
    call: (x) => T.max(x, [1, -1]),
    shapes: cube,
    apart: true,
    reference: (x) => reduced(x, [1, 2], (values) => Math.max(...values)),
  },
  'max over many': {
    call: (x) => T.max(T.concat([x, T.expand(x, [1100, x.shape[1]])])),
    shapes: (_, k) => [[1, k]],
    apart: true,
    reference: (x) => new Plain([], [Math.max(...x.data)]),
  },
  'min of all': {
    call: (x) => T.min(x),
    shapes: cube,
    apart: true,
    reference: (x) => new Plain([], [Math.min(...x.data)]),
  },
  min: {
    call: (x) => T.min(x, 1),
    shapes: cube,
    apart: true,
    reference: (x) => reduced(x, [1], (values) => Math.min(...values)),
  },
  'argmax of all': {
    call: (x) => T.argmax(x),
    shapes: cube,
    apart: true,
    constant: true,
    reference: (x) => new Plain([], [x.data.indexOf(Math.max(...x.data))]),
  },
  argmin: {
    call: (x) => T.argmin(x, 1),
    shapes: cube,
    apart: true,
    constant: true,
    reference: (x) => reduced(x, [1], (values) => values.indexOf(Math.min(...values))),
  },
  mean: {
    call: (x) => T.mean(x, [0, 2]),
    shapes: cube,
    reference: (x) => reduced(x, [0, 2], (values) => total(values) / values.length),
  },
  std: {
    call: (x) => T.std(x, 0),
    shapes: (m, k) => [[m + 1, k]],
    apart: true,
    reference: (x) => reduced(x, [0], (values) => Math.sqrt(squaresAround(values) / (values.length - 1))),
  },
  'std, uncorrected': {
    call: (x) => T.std(x, [0, 1], false, 0),
    shapes: (m, k) => [[m + 1, k]],
    apart: true,
    reference: (x) => reduced(x, [0, 1], (values) => Math.sqrt(squaresAround(values) / values.length)),
  },
  prod: {
    call: (x) => T.prod(x, 1),
    shapes: cube,
    reference: (x) => reduced(x, [1], product),
  },
  'prod of all': { call: (x) => T.prod(x), shapes: cube, reference: (x) => reduced(x, [0, 1, 2], product) },
  'cumsum of the first axis': {
    call: (x) => T.cumsum(x, 0),
    shapes: (m, k) => [[m, k]],
    reference: (x) => Plain.of(x.shape, ([i, j]) => total(count(i + 1).map((p) => x.at([p, j])))),
  },
  tril: {
    call: (x) => T.tril(x, 1),
    shapes: cube,
    reference: (x) => Plain.of(x.shape, (at) => (at[2] <= at[1] + 1 ? x.at(at) : 0)),
  },
  triu: {
    call: (x) => T.triu(x),
    shapes: cube,
    reference: (x) => Plain.of(x.shape, (at) => (at[2] >= at[1] ? x.at(at) : 0)),
  },
  'sort of the first axis': {
    call: (x) => T.sort(x, 0),
    shapes: (m, k) => [[m, k]],
    apart: true,
    reference: (x) => Plain.of(x.shape, ([i, j]) => count(x.shape[0]).map((p) => x.at([p, j])).sort((a, b) => a - b)[i]), // biome-ignore format: one thought
  },
  'topk values': {
    call: (x) => T.topk(x, 2).values,
    shapes: (m, k) => [[m, k + 1]],
    apart: true,
    reference: (x) => Plain.of([x.shape[0], 2], ([i, j]) => count(x.shape[1]).map((p) => x.at([i, p])).sort(descending)[j]), // biome-ignore format: one thought
  },
  'topk indices of the middle axis': {
    call: (x) => T.topk(x, 1, 1).indices,
    shapes: cube,
    apart: true,
    constant: true,
    reference: (x) => {
      const best = reduced(x, [1], (values) => values.indexOf(Math.max(...values)));
      return new Plain([x.shape[0], 1, x.shape[2]], best.data);
    },
  },
  gather: {
    call: (x) => T.gather(x, 1, ids(x, [x.shape[0], 4, x.shape[2] - 1], x.shape[1])),
    shapes: (m, k, n) => [[m, k, n + 1]],
    reference: (x) => {
      const shape = [x.shape[0], 4, x.shape[2] - 1];
      return Plain.of(shape, (at) => x.at([at[0], id(flatIndex(shape, at), x.shape[1]), at[2]]));
    },
  },
  scatterAdd: {
    call: (x, s) => T.scatterAdd(x, 0, ids(x, [3, x.shape[1] - 1], x.shape[0]), s),
    shapes: (m, k) => [
      [m, k + 1],
      [4, k + 1],
    ],
    reference: (x, s) => {
      const shape = [3, x.shape[1] - 1];
      return Plain.of(x.shape, ([i, j]) => {
        const hits = count(3).filter((r) => j < shape[1] && id(flatIndex(shape, [r, j]), x.shape[0]) === i);
        return x.at([i, j]) + total(hits.map((r) => s.at([r, j])));
      });
    },
  },
  attention: {
    call: (q, k, v) => T.attention(q, k, v),
    shapes: (m, k, n) => [
      [2, 2, m, k],
      [2, 2, n, k],
      [2, 2, n, 3],
    ],
    reference: (q, k, v) => attended(q, k, v, () => true),
  },
  'attention with a mask': {
    call: (q, k, v) => T.attention(q, k, v, { mask: causal(q, k) }),
    shapes: (m, k, n) => [
      [2, 1, m, k],
      [2, 1, n, k],
      [2, 1, n, 3],
    ],
    reference: (q, k, v) => attended(q, k, v, (query, key) => key < query),
  },
  'selfAttention with a mask': {
    call: (qkv) => T.selfAttention(qkv, 2, { mask: causal(qkv, qkv) }),
    shapes: (m, k) => [[2, m, 6 * k]],
    reference: (qkv) => {
      const [batch, tokens, d] = [qkv.shape[0], qkv.shape[1], qkv.shape[2] / 6];
      const part = (p: number) =>
        Plain.of([batch, 2, tokens, d], ([b, h, t, c]) => qkv.at([b, t, p * 2 * d + h * d + c]));
      const y = attended(part(0), part(1), part(2), (query, key) => key < query);
      return Plain.of([batch, tokens, 2 * d], ([b, t, c]) => y.at([b, Math.floor(c / d), t, c % d]));
    },
  },
  'einsum ij,jk->ik': einsum('ij,jk->ik', (m, k, n) => [
    [m, k],
    [k, n],
  ]),
  'einsum ji,kj->ki': einsum('ji,kj->ki', (m, k, n) => [
    [k, m],
    [n, k],
  ]),
  'einsum bhqd,bhkd->bhqk': einsum('bhqd,bhkd->bhqk', (m, k, n) => [
    [2, 2, m, k],
    [2, 2, n, k],
  ]),
  'einsum bij,kb->jkb': einsum('bij,kb->jkb', (m, k, n) => [
    [2, m, k],
    [n, 2],
  ]),
  'einsum i,j->ji': einsum('i,j->ji', (m, k) => [[m], [k]]),
  'einsum ij,ij->': einsum('ij,ij->', (m, k) => [
    [m, k],
    [m, k],
  ]),
  'einsum ij,ij->ij': einsum('ij,ij->ij', (m, k) => [
    [m, k],
    [m, k],
  ]),
  'einsum bi,jb->bij': einsum('bi,jb->bij', (m, k, n) => [
    [n, m],
    [k, n],
  ]),
  'einsum ij,i->ji': einsum('ij,i->ji', (m, k) => [[m, k], [m]]),
  'einsum i,j,ij->': einsum('i,j,ij->', (m, k) => [[m], [k], [m, k]]),
  'einsum ij,jk,kl->il': einsum('ij,jk,kl->il', (m, k, n) => [
    [2, m],
    [m, k],
    [k, n],
  ]),
  'einsum ij,k->k': einsum('ij,k->k', (m, k, n) => [[m, k], [n]]),
  'einsum iij->j': einsum('iij->j', (m, k) => [[m, m, k]]),
  'einsum jii->ij': einsum('jii->ij', (m, k) => [[k, m, m]]),
  'einsum iii->': einsum('iii->', (m) => [[m, m, m]]),
  'einsum b...c,cd->...bd': einsum(
    'b...c,cd->...bd',
    (m, k, n) => [
      [2, m, 3, k],
      [k, n],
    ],
    'bxyc,cd->xybd',
  ),
  'einsum ...ij,...jk->...ik': {
    call: (a, b) => T.einsum('...ij,...jk->...ik', a, b),
    shapes: (m, k, n) => [
      [3, 1, m, k],
      [2, k, n],
    ],
    reference: (a, b) =>
      Plain.of([3, 2, a.shape[2], b.shape[2]], ([x, y, i, j]) =>
        total(count(a.shape[3]).map((c) => a.at([x, 0, i, c]) * b.at([y, c, j]))),
      ),
  },
};
