/**
 * Weights for files that are passed on, in 32, 16 or 8 bits. Tensors are named `group/name`, as in checkpoints.
 *
 *   float32   F32
 *   float16   F16
 *   int8      matrices and convolutions I8, with a scale per row (of the first dimension, usually an output):
 *
 *               w_rj ≈ scale_r q_rj,   scale_r = max_j |w_rj| / 127,   q_rj = round(w_rj / scale_r)
 *
 *             The scales are F32 [rows], under the same name in the group `group.scales`. All else, such as biases, norms,
 *             embeddings and codebooks, is F16.
 *
 * A reader needs to know none of this in advance: I8 has scales.
 */
import { CheckpointError, firstNonFiniteIndex } from '../core/index.ts';
import type { RawTensor, WritableTensor } from './safetensors.ts';

/** How many bits a weight takes: 'float32', 'float16' or 'int8'. */
export const precisions = ['float32', 'float16', 'int8'] as const;
/** 'float32', 'float16' or 'int8'. */
export type Precision = (typeof precisions)[number];

/** Values with their shape. */
export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Group → name → weight. */
export type WeightGroups = Readonly<Record<string, Readonly<Record<string, Weight>>>>;

const scalesOf = (group: string): string => `${group}.scales`;

/**
 * Weights as tensors to write.
 * @throws CheckpointError for NaN or infinity, or for values that are too large for float16
 */
export function packWeights(groups: WeightGroups, precision: Precision): Record<string, WritableTensor> {
  const tensors: Record<string, WritableTensor> = {};
  for (const [group, members] of Object.entries(groups)) {
    for (const [name, weight] of Object.entries(members)) {
      const at = firstNonFiniteIndex(weight.data);
      if (at >= 0)
        throw new CheckpointError(
          `'${group}/${name}': expected finite weights, got ${weight.data[at]}. Train it again.`,
        );
      if (precision === 'int8' && isMatrix(name, weight)) {
        const { values, scales } = quantized(weight);
        tensors[`${group}/${name}`] = { ...values, dtype: 'I8' };
        tensors[`${scalesOf(group)}/${name}`] = scales;
      } else {
        tensors[`${group}/${name}`] = precision === 'float32' ? weight : { ...weight, dtype: 'F16' };
      }
    }
  }
  return tensors;
}

/** Matrices and convolutions; embeddings and codebooks are tables, whose rows are values and not factors. */
const isMatrix = (name: string, { shape }: Weight): boolean =>
  name.endsWith('weight') && !name.includes('embedding') && shape.length >= 2;

function quantized({ shape, data }: Weight): { values: WritableTensor; scales: WritableTensor } {
  const [rows] = shape;
  const each = data.length / rows;
  const scales = new Float32Array(rows);
  const values = new Int32Array(data.length);
  for (let row = 0; row < rows; row++) {
    let largest = 0;
    for (let i = row * each; i < (row + 1) * each; i++) largest = Math.max(largest, Math.abs(data[i]));
    scales[row] = largest / 127;
    if (scales[row] === 0) continue;
    for (let i = row * each; i < (row + 1) * each; i++)
      values[i] = Math.max(-127, Math.min(127, Math.round(data[i] / scales[row])));
  }
  return { values: { shape, data: values }, scales: { shape: [rows], data: scales } };
}

/**
 * Weights from the tensors of a file, as float32.
 * @throws CheckpointError when names have no group, when a tensor is of another kind, or when scales are missing
 */
export function unpackWeights(tensors: Readonly<Record<string, RawTensor>>, where: string): WeightGroups {
  const fail = (name: string, expected: string, got: string): never => {
    throw new CheckpointError(`${where}: expected ${expected}, got ${got} for '${name}'. Is the file damaged?`);
  };
  const groups = new Map<string, [string, Weight][]>(); // not an object: a file may name a group __proto__
  for (const [full, { shape, data, dtype }] of Object.entries(tensors)) {
    const slash = full.indexOf('/');
    if (slash < 1) fail(full, "names like 'tokenizer/…'", 'none');
    const [group, name] = [full.slice(0, slash), full.slice(slash + 1)];
    if (group.endsWith('.scales')) continue;
    if (!groups.has(group)) groups.set(group, []);
    const add = (values: Float32Array) => groups.get(group)!.push([name, { shape, data: values }]);
    if (data instanceof Float32Array) add(data);
    else if (dtype === 'I8') {
      const scales = Object.hasOwn(tensors, `${scalesOf(group)}/${name}`)
        ? tensors[`${scalesOf(group)}/${name}`].data
        : undefined;
      if (!(scales instanceof Float32Array) || scales.length !== shape[0])
        return fail(full, `${shape[0]} scales`, `${scales ? scales.length : 'none'}`);
      add(scaled(data, scales));
    } else fail(full, 'weights in F32, F16 or I8', dtype);
  }
  return Object.fromEntries([...groups].map(([group, members]) => [group, Object.fromEntries(members)]));
}

function scaled(data: ArrayLike<number>, scales: Float32Array): Float32Array {
  const values = new Float32Array(data.length);
  const each = data.length / scales.length;
  for (const [row, scale] of scales.entries())
    for (let i = row * each; i < (row + 1) * each; i++) values[i] = data[i] * scale;
  return values;
}
