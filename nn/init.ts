/** Starting values of parameters. */
import {
  expectNumber,
  expectRng,
  numel,
  outsideScopes,
  type Rng,
  type Shape,
  ShapeError,
  show,
  type Tensor,
  tensor,
  uniform,
} from '../core/index.ts';

/** Makes a tensor that outlives the current scope, such as a parameter: `parameter(() => ones([dim]))`. */
export const parameter: (make: () => Tensor) => Tensor = outsideScopes;

/**
 * N(0, std²), drawn again outside ±2 (an absolute limit, as in PyTorch's `trunc_normal_`).
 * @throws OptionError unless std is a number from 0 to 1000, beyond which nearly all draws lie outside
 */
export function truncatedNormal(shape: Shape, std: number, rng: Rng): Tensor {
  expectRng('truncatedNormal', rng);
  expectNumber('truncatedNormal, std', std, 0, 1000);
  const draw = (): number => {
    let x = std * rng.normal();
    while (Math.abs(x) > 2) x = std * rng.normal();
    return x;
  };
  return tensor(Float32Array.from({ length: numel(shape) }, draw), shape);
}

/**
 * U(−a, a) with a = √(6 / (fanIn + fanOut)) for a matrix [fanOut, fanIn].
 *
 * @throws ShapeError for another rank
 * @see Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"
 */
export function xavierUniform(shape: Shape, rng: Rng): Tensor {
  expectRng('xavierUniform', rng);
  if (shape.length !== 2) throw new ShapeError(`xavierUniform: expected a shape [fanOut, fanIn], got ${show(shape)}.`);
  const bound = Math.sqrt(6 / (shape[0] + shape[1]));
  return uniform(shape, -bound, bound, rng);
}

/** U(−b, b) with b = 1 / √fanIn, which PyTorch uses for linear and convolution layers and their biases. */
export function fanInUniform(shape: Shape, fanIn: number, rng: Rng): Tensor {
  const bound = fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0;
  return uniform(shape, -bound, bound, rng);
}
