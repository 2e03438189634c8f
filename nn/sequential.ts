/** Layers in a row. */
import type { Tensor } from '../core/index.ts';
import { type Layer, runInTurn, type Tap } from './tap.ts';

/**
 * Runs layers one after another. Checkpoint keys start with the layer's position, as in PyTorch: '0.weight'.
 *
 *   const net = new Sequential(new Linear(2, 8, rng), relu, new Linear(8, 1, rng));
 *   stateDict(net); // '0.weight', '0.bias', '2.weight', '2.bias'
 */
export class Sequential {
  readonly [position: number]: Layer;
  readonly #layers: readonly Layer[];

  /** @throws TypeError for a value that is neither a layer nor a function */
  constructor(...layers: Layer[]) {
    for (const [i, layer] of layers.entries())
      if (typeof layer !== 'function' && typeof layer?.forward !== 'function')
        throw new TypeError(
          `Sequential: expected layers or functions, got ${Array.isArray(layer) ? 'an array' : typeof layer} at position ${i}. Pass them one by one: new Sequential(a, b).`,
        );
    this.#layers = layers;
    Object.assign(this, layers);
  }

  /** Applies the layers in order. @param tap  sees the output of each layer under its position */
  forward(x: Tensor, tap?: Tap): Tensor {
    return runInTurn(this.#layers, x, tap);
  }
}
