/** Saves work in a sampling step: only masked tokens reach the head, and equal rows and tokens are computed once. */
import { embedding, reshape, type Tensor, tensor } from '../core/index.ts';
import { maskId } from './config.ts';
import { type Generator, inputSequence, sequenceIds } from './generator.ts';

/**
 * Which tokens a step predicts: the masked ones, padded to equal length per row by repeating the row's last masked token
 * (or its first token). On gpu.js devices all tokens: there every shape is another kernel to compile.
 *
 * @param ids  batch·K ids, the mask id where masked
 * @returns    [batch, count] flat indices b·K + i, row by row
 */
export function predictedPositions({ config, device }: Generator, ids: Int32Array): Int32Array {
  if (!device.synchronous) return ids.map((_, i) => i);
  const { latentTokens: K } = config;
  const mask = maskId(config);
  const rows = Array.from({ length: ids.length / K }, (_, row) => {
    const all = Array.from({ length: K }, (_, i) => row * K + i);
    return all.filter((i) => ids[i] === mask);
  });
  const count = Math.max(0, ...rows.map((row) => row.length));
  return Int32Array.from(
    rows.flatMap((row, r) => Array.from({ length: count }, (_, j) => row[j] ?? row.at(-1) ?? r * K)),
  );
}

/**
 * Hidden states of the tokens at `predictedPositions`: as `generator.hiddenStates` gives them, up to rounding, with less work.
 *
 *   first step    rows of one class are equal, and all unconditional rows
 *   last layer    works for the predicted tokens only
 *   first layer   projects each kind of token once: most are the mask at one of K positions
 *
 * @param ids     batch·K ids
 * @param labels  batch classes
 * @returns       [batch, count, width]
 */
export function predictedStates(generator: Generator, ids: Int32Array, labels: readonly number[]): Tensor {
  const { config, device } = generator;
  if (!device.synchronous) return generator.hiddenStates(inputSequence(config, ids, labels, device));
  const int32 = (values: ArrayLike<number>, shape: number[]) =>
    tensor(Int32Array.from(values), shape, { dtype: 'int32', device });
  const batch = labels.length;
  const length = 1 + config.latentTokens;
  const sequences = sequenceIds(config, ids, labels); // [batch, length]
  const row = distinctRows(sequences, length);
  const different = row.first.length;
  const sequence = row.first.flatMap((r) => Array.from(sequences.subarray(r * length, (r + 1) * length)));
  const token = distinct(sequence.map((id, i) => id * length + (i % length)));

  const predicted = predictedPositions(generator, ids);
  const count = predicted.length / batch;
  const positions = row.first.flatMap((r, i) =>
    Array.from(predicted.subarray(r * count, (r + 1) * count), (p) => i * length + 1 + (p % config.latentTokens)),
  );
  const hidden = generator.hiddenStates(int32(sequence, [different, length]), {
    positions: int32(positions, [different, count]),
    kinds: { first: int32(token.first, [token.first.length]), of: int32(token.of, [different, length]) },
  }); // [different, count, width]
  if (different === batch) return hidden;
  return reshape(embedding(reshape(hidden, [different, -1]), int32(row.of, [batch])), [batch, count, -1]);
}

/** Groups of equal items: the index of each group's first item, and the group of every item. */
interface Groups {
  readonly first: number[];
  readonly of: number[];
}

function distinct(keys: readonly number[]): Groups {
  const seen = new Map<number, number>();
  const first: number[] = [];
  const of = keys.map((key, i) => {
    const known = seen.get(key);
    if (known !== undefined) return known;
    seen.set(key, first.length);
    return first.push(i) - 1;
  });
  return { first, of };
}

/** Groups equal rows by one column after another, until no two rows are equal or no column is left. */
function distinctRows(values: Int32Array, length: number): Groups {
  const rows = Array.from({ length: values.length / length }, (_, r) => r);
  const base = 1 + values.reduce((most, v) => Math.max(most, v), 0);
  let groups = distinct(rows.map(() => 0));
  for (let i = 0; i < length && groups.first.length < rows.length; i++) {
    const { of } = groups; // by the columns so far
    groups = distinct(rows.map((r) => of[r] * base + values[r * length + i]));
  }
  return groups;
}
