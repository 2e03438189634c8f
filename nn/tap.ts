/** Running modules one after another: activations are reported to a tap, or freed as soon as the next module has read them. */
import { isRecording, type Tensor, tidy } from '../core/index.ts';
import { type TokenRange, tokens } from './attention.ts';
import type { TransformerBlock } from './transformer.ts';

/** Receives named activations in the order in which they are computed: `model.encode(images, (name, x) => …)`. */
export type Tap = (name: string, value: Tensor) => void;

/** A tap that puts a prefix before every name, for a part of a model. */
export const tapUnder = (prefix: string, tap: Tap | undefined): Tap | undefined =>
  tap && ((name, value) => tap(prefix + name, value));

/**
 * Runs modules one after another. In evaluation (under `noGrad`, without a tap) it frees each module's intermediates and
 * each activation that the next module has read, so that peak memory is that of one module.
 *
 * @param name  name under which the tap sees the output of module i
 */
export function runInTurn(
  modules: readonly { forward(x: Tensor): Tensor }[],
  x: Tensor,
  tap?: Tap,
  name: (index: number) => string = String,
): Tensor {
  const free = !isRecording() && !tap;
  let current = x;
  for (const [i, module] of modules.entries()) {
    const input = current;
    current = free ? tidy(() => module.forward(input)) : module.forward(input);
    if (free && input !== x && input !== current) input.dispose();
    tap?.(name(i), current);
  }
  return current;
}

/**
 * Runs transformer blocks whose result is needed for some tokens only: the last block computes no others. With a tap,
 * every block computes all tokens.
 *
 * @param x  [batch, tokens, dim]
 * @returns  [batch, wanted.count, dim]
 */
export function runBlocks(blocks: readonly TransformerBlock[], x: Tensor, wanted: TokenRange, tap?: Tap): Tensor {
  const last = blocks.at(-1);
  if (tap || !last) {
    const all = runInTurn(blocks, x, tap, (i) => `block.${i}`);
    return tokens(all, wanted);
  }
  return runInTurn([...blocks.slice(0, -1), { forward: (y) => last.forward(y, { rows: wanted }) }], x);
}
