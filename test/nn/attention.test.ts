/** Self-attention, cross-attention and masks, against PyTorch. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grad, noGrad, ones, Rng, randn, ShapeError, tensor, tensorScope, tril } from '../../core/index.ts';
import { loadStateDict, MultiheadAttention, type StateDict, stateDict, TransformerBlock } from '../../nn/index.ts';
import { close } from './golden.ts';
import { pytorch, tensorOf } from './pytorch.ts';

const { state, x: savedX, keyValue: others, pull, masks } = pytorch.attention;
const loaded = () => {
  const layer = new MultiheadAttention(4, 2, new Rng(0));
  loadStateDict(layer, state);
  return layer;
};
const cases = {
  self: {},
  'self, mask': { mask: masks.self },
  cross: { keyValue: others },
  'cross, mask': { keyValue: others, mask: masks.cross },
} as const satisfies Record<string, { keyValue?: unknown; mask?: unknown }>;

for (const [name, { keyValue, mask }] of Object.entries<{ keyValue?: typeof others; mask?: typeof others }>(cases)) {
  test(`PyTorch: ${name}`, async () => {
    using _ = tensorScope();
    const layer = loaded();
    const x = tensorOf(savedX);
    const source = keyValue && tensorOf(keyValue);
    const allowed = mask && tensorOf(mask);
    const want = pytorch.attention[name as keyof typeof cases];
    const y = layer.forward(x, { keyValue: source, mask: allowed });
    assert.deepEqual(y.shape, want.y.shape);
    close(await y.data(), want.y.data, 1e-6, 'y');
    const wrt: StateDict = { x, ...(source && { keyValue: source }), ...stateDict(layer) };
    const gradients = grad(y.mul(tensorOf(pull)).sum(), wrt);
    assert.deepEqual(Object.keys(gradients).sort(), Object.keys(want.gradients).sort());
    for (const [key, g] of Object.entries(gradients)) close(await g.data(), want.gradients[key].data, 3e-6, key);
    const rows = layer.forward(x, { keyValue: source, mask: allowed, rows: { start: 1, count: 2 } });
    close(await rows.data(), await y.narrow(1, 1, 2).data(), 1e-6, 'rows');
  });
}

test('a mask of ones changes nothing; masks broadcast over batch and heads', async () => {
  using _ = tensorScope();
  const layer = loaded();
  const x = tensorOf(savedX);
  const y = await layer.forward(x).data();
  close(await layer.forward(x, { mask: tensor([[1, 1, 1]]) }).data(), y, 1e-6);
  close(await layer.forward(x, { keyValue: x }).data(), y, 1e-6);
  const padding = layer.forward(x, { mask: tensor([1, 1, 0, 1, 1, 1], [2, 1, 1, 3]) }); // the first sequence has 2 tokens
  const short = x.narrow(1, 0, 2);
  close(await padding.narrow(0, 0, 1).narrow(1, 0, 2).data(), await layer.forward(short.narrow(0, 0, 1)).data(), 1e-6);
  close((await padding.data()).slice(12), y.slice(12), 1e-6);
});

test('a causal block: a token does not see those behind it', async () => {
  using _ = tensorScope();
  const rng = new Rng(3);
  const block = new TransformerBlock(8, 2, rng);
  const mask = tril(ones([4, 4]));
  const x = randn([1, 4, 8], rng);
  const changed = x.add(tensor([0, 0, 0, 1], [1, 4, 1])); // the last token only
  const [a, b] = [x, changed].map((x) => noGrad(() => block.forward(x, { mask })));
  close(await b.narrow(1, 0, 3).data(), await a.narrow(1, 0, 3).data(), 1e-6);
  const row = noGrad(() => block.forward(x, { mask, rows: { start: 1, count: 1 } }));
  close(await row.data(), await a.narrow(1, 1, 1).data(), 1e-6);
});

test('shapes that do not fit are errors', () => {
  using _ = tensorScope();
  const layer = loaded();
  assert.throws(() => new MultiheadAttention(6, 4, new Rng(0)), /a width that 4 heads divide, got 6/);
  assert.throws(() => layer.forward(tensorOf(savedX), { mask: tensor([1, 1]) }), ShapeError);
  assert.throws(() => layer.forward(tensorOf(savedX), { keyValue: randn([2, 5, 3], new Rng(0)) }), ShapeError);
});
