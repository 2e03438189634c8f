/** What einsum costs and refuses; its values stand in the table of composites. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { einsum, observeOps, ones, tensorScope } from '../../../core/index.ts';

/** The ops that a product of two tensors of ones runs. */
function opsOf(notation: string, ...shapes: number[][]): string[] {
  using _ = tensorScope();
  const seen: string[] = [];
  const operands = shapes.map((shape) => ones(shape));
  observeOps(
    ({ op }) => seen.push(op),
    () => einsum(notation, ...operands),
  );
  return seen;
}

test('products of matrices are one matmul, without copies, whichever lies transposed', () => {
  for (const [notation, ...shapes] of [
    ['ij,jk->ik', [2, 3], [3, 4]],
    ['ij,kj->ik', [2, 3], [4, 3]],
    ['ji,jk->ik', [3, 2], [3, 4]],
    ['ji,kj->ik', [3, 2], [4, 3]],
    ['bhqd,bhkd->bhqk', [2, 2, 3, 5], [2, 2, 4, 5]],
    ['...c,cd->...d', [2, 5, 3], [3, 4]],
  ] as const)
    assert.deepEqual(opsOf(notation, ...shapes.map((shape) => [...shape])), ['matmul'], notation);
});

test('axes that no one shares are summed before the product', () => {
  assert.deepEqual(opsOf('ij,kl->il', [2, 3], [4, 5]), ['sum', 'sum', 'matmul']);
});

test('a shape without values gives zeros', async () => {
  using _ = tensorScope();
  assert.deepEqual(await einsum('ij,jk->ik', ones([2, 0]), ones([0, 3])).tolist(), [
    [0, 0, 0],
    [0, 0, 0],
  ]);
});

const mistakes: [notation: string, shapes: number[][], name: string, message: string][] = [
  ['ij,jk', [[2, 3], [3, 4]], 'SyntaxError', "einsum: expected axes and a result, such as 'ij,jk->ik', got 'ij,jk'."],
  ['ij,jk->ik', [[2, 3]], 'SyntaxError', "einsum: expected 2 operands for 'ij,jk->ik', got 1."],
  ['i1->i', [[2, 3]], 'SyntaxError', "einsum: expected letters and at most one '...' per operand, got 'i1'."],
  ['ij->ik', [[2, 3]], 'SyntaxError', "einsum: expected each axis of the result once, and from 'ij', got 'k' in 'ik'."],
  ['ij->ii', [[2, 3]], 'SyntaxError', "einsum: expected each axis of the result once, and from 'ij', got 'i' in 'ii'."],
  ['ij->i', [[2, 3, 4]], 'ShapeError', "einsum: expected operand 0 of 'ij->i' to have the axes ij, got [2, 3, 4]. Give further axes letters, or '...'."],
  ['ijk->i', [[2, 3]], 'ShapeError', "einsum: expected operand 0 of 'ijk->i' to have the axes ijk, got [2, 3]."],
  ['ij,jk->ik', [[2, 3], [4, 5]], 'ShapeError', "einsum: expected the same length wherever 'ij,jk->ik' has 'j', got 3 and 4 in [2, 3], [4, 5]."],
]; // biome-ignore format: a table
for (const [notation, shapes, name, message] of mistakes)
  test(`${notation} of ${shapes.map((shape) => `[${shape}]`).join(', ')}`, () => {
    using _ = tensorScope();
    assert.throws(() => einsum(notation, ...shapes.map((shape) => ones(shape))), { name, message });
  });
