/** Names, shapes and number of a model's parameters. */
import { metaDevice, type Shape, withDevice } from '../core/index.ts';
import { stateDict } from './module.ts';

/**
 * Shape of every parameter of a model, by checkpoint key, without memory for its values: the model is made on the `meta`
 * device.
 *
 *   parameterShapes(() => new TiTok(presets.l32, new Rng(0)))    // { latent_tokens: [32, 1024], … }, 641 million values
 */
export function parameterShapes(make: () => object): Record<string, Shape> {
  const params = Object.entries(stateDict(withDevice(metaDevice, make)));
  for (const [, p] of params) p.dispose();
  return Object.fromEntries(params.map(([name, p]) => [name, p.shape]));
}

/** Number of values in all parameters of a model. */
export const countParameters = (model: object): number =>
  Object.values(stateDict(model)).reduce((total, p) => total + p.size, 0);
