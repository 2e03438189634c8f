/** Computing activations twice instead of keeping them: less memory for more time. */
import { isRecording } from './op.ts';
import type { Rng } from './random.ts';
import { nextId, Tensor, tensorScope, tidy } from './tensor.ts';

/** Only the gradient walk sees it, and that computes the result again instead. */
const op = { name: 'recompute', vjp: () => null };

/**
 * The result of f, without the tensors that f made on the way: the backward pass runs f a second time and goes through these.
 * Gradients are the same to the bit; f costs its time once more. PyTorch calls this `checkpoint`.
 *
 *   for (const block of blocks) x = recompute(() => block.forward(x));
 *
 * @param f    must give the same values each time, from tensors that live until the backward pass
 * @param rng  generator that f draws from (dropout); the second run draws the same numbers
 * @see Chen et al. 2016, arXiv:1604.06174
 */
export function recompute(f: () => Tensor, rng?: Rng): Tensor {
  if (!isRecording()) return tidy(f);
  const start = nextId();
  const before = rng?.state;
  using scope = tensorScope();
  const y = f();
  if (y.id < start) return y;
  const again = () => {
    if (!rng || !before) return f();
    const now = rng.state;
    rng.state = before;
    try {
      return f();
    } finally {
      rng.state = now;
    }
  };
  return scope.keep(y.alias(y.shape, { op, args: inputsOf(y, start), again }));
}

/** The tensors that a result was computed from and that are older than `start`. */
function inputsOf(y: Tensor, start: number): Tensor[] {
  const seen = new Set<Tensor>();
  const stack = [y];
  for (let t = stack.pop(); t; t = stack.pop()) {
    if (seen.has(t)) continue;
    seen.add(t);
    if (t.id < start) continue;
    for (const a of t.node?.args ?? []) if (a instanceof Tensor) stack.push(a);
  }
  return [...seen].filter((t) => t.id < start);
}
