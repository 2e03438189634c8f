/** Starting values of parameters. */
import {
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
import type { StateDict } from './module.ts';

/** Makes a parameter or another tensor that outlives the scope it was made in: `parameter(() => ones([dim]))`. */
export const parameter: (make: () => Tensor) => Tensor = outsideScopes;

/** N(0, std²), drawn again where it falls outside ±2 (an absolute cut, as PyTorch's `trunc_normal_`). */
export const truncatedNormal = (shape: Shape, std: number, rng: Rng): Tensor =>
  tensor(truncatedNormals(numel(shape), std, rng), shape);

/** U(−a, a) with a = √(6 / (fanIn + fanOut)) for a matrix [fanOut, fanIn] (Glorot and Bengio 2010). */
export function xavierUniform(shape: Shape, rng: Rng): Tensor {
  if (shape.length !== 2) throw new ShapeError(`xavierUniform: expected a shape [fanOut, fanIn], got ${show(shape)}.`);
  const bound = Math.sqrt(6 / (shape[0] + shape[1]));
  return uniform(shape, -bound, bound, rng);
}

/** U(−b, b) with b = 1 / √fanIn: PyTorch's default for linear and convolution layers and their biases. */
export function fanInUniform(shape: Shape, fanIn: number, rng: Rng): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  return uniform(shape, -bound, bound, rng);
}

/**
 * Overwrites the weights of linear, convolution and embedding layers with N(0, std²), norms with 1 and biases with 0,
 * as TiTok and MaskGIT publish it. Attention's packed `in_proj_weight` and parameters that are no layer's `weight` or
 * `bias` (position embeddings, latent and mask tokens) keep their values.
 */
export function initializeWeights(params: StateDict, rng: Rng, std = 0.02): void {
  for (const [key, p] of Object.entries(params)) {
    const field = key.slice(key.lastIndexOf('.') + 1);
    if (field === 'weight')
      p.assign(() => (p.rank > 1 ? truncatedNormals(p.size, std, rng) : new Float32Array(p.size).fill(1)));
    else if (field === 'bias' || field === 'in_proj_bias') p.assign(new Float32Array(p.size));
  }
}

function truncatedNormals(count: number, std: number, rng: Rng): Float32Array {
  const draw = (): number => {
    const x = std * rng.normal();
    return Math.abs(x) <= 2 ? x : draw();
  };
  return Float32Array.from({ length: count }, draw);
}
