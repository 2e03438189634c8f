/** Looking at activations while a model runs, and freeing them when nobody looks. */
import { isRecording, type Tensor, tidy } from '../core/index.ts';
import { type TokenRange, tokens } from './attention.ts';
import type { TransformerBlock } from './transformer.ts';

/** Sees named activations in the order in which they are made: `model.encode(images, (name, x) => …)`. */
export type Tap = (name: string, value: Tensor) => void;

/** Puts a prefix before every name that a part of the model reports. */
export const tapUnder = (prefix: string, tap: Tap | undefined): Tap | undefined =>
  tap && ((name, value) => tap(prefix + name, value));

/**
 * Runs modules one after another. In evaluation (no gradients recorded, nobody looking) each module's intermediates,
 * and each activation that the next module has consumed, are freed at once: the peak is that of one module.
 *
 * @param name  of the tapped activation behind the i-th module
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
    if (free && input !== x) input.dispose();
    tap?.(name(i), current);
  }
  return current;
}

/**
 * A transformer of which only some tokens are wanted in the end: its last block does no work for the others. Somebody
 * who looks sees every token all the same.
 */
export function runBlocks(blocks: readonly TransformerBlock[], x: Tensor, wanted: TokenRange, tap?: Tap): Tensor {
  const last = blocks.at(-1);
  if (tap || !last) {
    return tokens(
      runInTurn(blocks, x, tap, (i) => `block.${i}`),
      wanted,
    );
  }
  return runInTurn([...blocks.slice(0, -1), { forward: (y) => last.forward(y, wanted) }], x);
}
