/** Whether a training's model fits into memory, before any of it is made. */
import { defaultDevice, numel, OptionError, Rng } from '../core/index.ts';
import { parameterShapes } from '../nn/index.ts';

const copies = 4; // weights, gradients and two moments of Adam; activations come on top

/**
 * Makes a model to train.
 *
 * @param where  names the stage in errors: 'warmup'
 * @throws OptionError when weights, gradients and moments alone take more than the default device has
 */
export function modelThatFits<M extends object>(where: string, make: (rng: Rng) => M, rng: Rng): M {
  const { capacity = Number.POSITIVE_INFINITY, name } = defaultDevice();
  const shapes = Object.values(parameterShapes(() => make(new Rng(0))));
  const values = shapes.reduce((sum, shape) => sum + numel(shape), 0);
  const bytes = copies * 4 * values;
  if (bytes <= capacity) return make(rng);
  const gigabytes = (n: number) => `${(n / 2 ** 30).toFixed(1)} GiB`;
  throw new OptionError(
    `${where}: expected a model that can be trained in the ${gigabytes(capacity)} of the ${name} device, got one of ` +
      `${values.toLocaleString('en')} parameters, which takes ${gigabytes(bytes)} and more. Choose smaller sizes.`,
  );
}
