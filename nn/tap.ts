/** Running layers one after another: activations are reported to a tap, or freed as soon as the next layer has read them. */
import { isRecording, type Tensor, tensorScope } from '../core/index.ts';
import { type TokenRange, tokens } from './attention.ts';
import type { TransformerBlock } from './transformer.ts';

/** A layer with parameters, or a function such as `relu`. */
export type Layer =
  | {
      /** Tensor to tensor. */
      forward(x: Tensor): Tensor;
      /** The layers that `forward` runs one after another, if that is all that it does: its input is then freed after the first. */
      readonly inTurn?: readonly Layer[] | undefined;
    }
  | ((x: Tensor) => Tensor);

/** Receives named activations in the order in which they are computed: `model.encode(images, (name, x) => …)`. */
export type Tap = (name: string, value: Tensor) => void;

/** A tap that puts a prefix before every name, for a part of a model. */
export const tapUnder = (prefix: string, tap: Tap | undefined): Tap | undefined =>
  tap && ((name, value) => tap(prefix + name, value));

/**
 * Runs layers one after another. In evaluation (under `noGrad`, without a tap) it frees each layer's intermediates and
 * each activation that the next layer has read, so that peak memory is that of one layer.
 *
 * @param name  name under which the tap sees the output of layer i
 */
export function runInTurn(
  layers: readonly Layer[],
  x: Tensor,
  tap?: Tap,
  name: (index: number) => string = String,
): Tensor {
  const free = !isRecording() && !tap;
  let current = x;
  let isOurs = false; // not x, nor a parameter that a layer returned
  for (const [i, layer] of (free ? layers.flatMap(partsOf) : layers).entries()) {
    const input = current;
    using scope = free ? tensorScope() : undefined;
    current = typeof layer === 'function' ? layer(input) : layer.forward(input);
    if (scope) {
      if (isOurs && input !== current) input.dispose();
      isOurs = scope.owns(current) || (isOurs && input === current);
      scope.keep(current);
    }
    tap?.(name(i), current);
  }
  return current;
}

const partsOf = (layer: Layer): readonly Layer[] =>
  (typeof layer === 'object' && layer.inTurn?.flatMap(partsOf)) || [layer];

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
