/** Weights and inputs that all sides of a benchmark start from. They depend on a name and an index only. */
import { numel, type Shape, type Tensor, tensor } from '../core/index.ts';
import { stateDict } from '../nn/index.ts';

/**
 * Pseudo-random numbers from a hash of name and index (FNV-1a, then murmur3's finalizer); the same in every language.
 *
 * Matrices have a variance of 1 / fan-in, gains lie in 1 ± 0.1, all else in ±0.1.
 */
export function values(name: string, shape: Shape): Float32Array {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  const gain = shape.length > 1 ? Math.sqrt(12 / numel(shape.slice(1))) : 0.2;
  const center = shape.length <= 1 && name.endsWith('weight') ? 1 : 0;
  const result = new Float32Array(numel(shape));
  for (let i = 0; i < result.length; i++) {
    let x = (Math.imul(i, 0x9e3779b9) + seed) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    result[i] = (((x ^ (x >>> 16)) >>> 0) / 2 ** 32 - 0.5) * gain + center;
  }
  return result;
}

/** Uniform in ±1. */
export const signals = (name: string, shape: Shape): Float32Array => values(name, [numel(shape)]).map((x) => 10 * x);

/** Sets all weights of a model to `values` of their names, and returns the model. */
export function filled<T extends object>(model: T, prefix = ''): T {
  for (const [name, p] of Object.entries(stateDict(model))) p.assign(values(prefix + name, p.shape));
  return model;
}

/** [batch, 3, size, size] in 0..1 */
export const images = (batch: number, size: number): Tensor =>
  tensor(
    values('images', [batch * 3 * size * size]).map((x) => 5 * x + 0.5),
    [batch, 3, size, size],
  );
