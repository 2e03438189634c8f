/** Saves work in a sampling step: only masked tokens reach the head, and equal rows and tokens are computed once. */
import { embedding, reshape, type Tensor, tensor } from '../core/index.ts';
import { maskId } from './config.ts';
import { type Generator, inputSequence, sequenceIds } from './generator.ts';

/**
 * Which tokens a step predicts: the masked ones, padded to equal length per row by repeating the row's last masked
 * token (or its first token). On gpu.js devices all tokens: there every shape is another kernel to compile.
 *
 * @param ids  batch·K ids, the mask id where masked
 * @returns    [batch, count] flat indices b·K + i, row by row
 */
export function predictedPositions({ config, device }: Generator, ids: Int32Array): Int32Array {
  if (!device.synchronous) return ids.map((_, i) => i);
  const { latentTokens: K } = config;
  const mask = maskId(config);
  const rows = Array.from({ length: ids.length / K }, (): number[] => []);
  ids.forEach((id, i) => {
    if (id === mask) rows[Math.floor(i / K)].push(i);
  });
  const count = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const padded = (row: number[], r: number) => Array.from({ length: count }, (_, j) => row[j] ?? row.at(-1) ?? r * K);
  return Int32Array.from(rows.flatMap(padded));
}

/**
 * Hidden states of the tokens at `positions`, equal to `generator.hiddenStates` up to rounding, with less work:
 *
 *   first step    rows of one class are equal, and all unconditional rows
 *   first layer   projects each kind of token once: most are the mask at one of K positions
 *   last layer    works for the predicted tokens only
 *
 * @param ids        batch·K ids
 * @param labels     classes of rows 0..batch−1, and, for guidance, of the same rows again
 * @param positions  `predictedPositions(generator, ids)`
 * @returns          [labels, count, width]
 */
export function predictedStates(
  generator: Generator,
  ids: Int32Array,
  labels: readonly number[],
  positions: Int32Array,
): Tensor {
  const { config, device } = generator;
  const { latentTokens: K } = config;
  const tokens = new Int32Array(labels.length * K); // ids, as often as labels go through them
  for (let at = 0; at < tokens.length; at += ids.length) tokens.set(ids, at);
  if (!device.synchronous) return generator.hiddenStates(inputSequence(config, tokens, labels, device));
  const int32 = (values: Int32Array | number[], shape: number[]) =>
    tensor(Int32Array.from(values), shape, { dtype: 'int32', device });

  const length = 1 + K;
  const all = sequenceIds(config, tokens, labels); // [labels, length]
  const row = distinctRows(all, length);
  const different = row.first.length;
  const batch = ids.length / K;
  const count = positions.length / batch;
  const sequence = new Int32Array(different * length);
  const places = new Int32Array(different * count);
  for (const [i, r] of row.first.entries()) {
    sequence.set(all.subarray(r * length, (r + 1) * length), i * length);
    const first = (r % batch) * count;
    for (let j = 0; j < count; j++) places[i * count + j] = i * length + 1 + (positions[first + j] % K);
  }
  const token = distinct(Array.from(sequence, (id, i) => id * length + (i % length)));
  const hidden = generator.hiddenStates(int32(sequence, [different, length]), {
    positions: int32(places, [different, count]),
    kinds: { first: int32(token.first, [token.first.length]), of: int32(token.of, [different, length]) },
  }); // [different, count, width]
  if (different === labels.length) return hidden;
  const again = embedding(reshape(hidden, [different, -1]), int32(row.of, [labels.length]));
  return reshape(again, [labels.length, count, -1]);
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
