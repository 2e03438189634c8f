/** Arrays with a shape in plain JavaScript and float64: for references that share no code with the library. */

export class Plain {
  readonly shape: readonly number[];
  readonly data: Float64Array;

  constructor(shape: readonly number[], data: ArrayLike<number>) {
    this.shape = shape;
    this.data = Float64Array.from(data);
  }
  /** An array whose value at each index is f(index). */
  static of(shape: readonly number[], f: (index: readonly number[]) => number): Plain {
    return new Plain(shape, indicesOf(shape).map(f));
  }
  at(index: readonly number[]): number {
    return this.data[index.reduce((offset, i, axis) => offset * this.shape[axis] + i, 0)];
  }
}

/** Every index of an array, in row-major order: [2, 2] → [0, 0], [0, 1], [1, 0], [1, 1]. */
export const indicesOf = (shape: readonly number[]): number[][] =>
  shape.reduce<number[][]>(
    (found, length) => found.flatMap((index) => Array.from({ length }, (_, i) => [...index, i])),
    [[]],
  );

export const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
/** 0, 1, …, n − 1 */
export const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** f over the values of x along some axes, which are removed. */
export function reduced(x: Plain, axes: readonly number[], f: (values: number[]) => number): Plain {
  const kept = x.shape.flatMap((_, a) => (axes.includes(a) ? [] : [a]));
  return Plain.of(
    kept.map((a) => x.shape[a]),
    (index) =>
      f(
        indicesOf(x.shape)
          .filter((i) => kept.every((a, k) => i[a] === index[k]))
          .map((i) => x.at(i)),
      ),
  );
}

/** The value of an Einstein sum: all letters through all their values. `...` is not known here. */
export function summed(notation: string, ...operands: Plain[]): Plain {
  const [left, output] = notation.split('->') as [string, string];
  const inputs = left.split(',');
  const letters = [...new Set(inputs.join(''))];
  const lengthOf = (letter: string) => {
    const i = inputs.findIndex((input) => input.includes(letter));
    return operands[i].shape[inputs[i].indexOf(letter)];
  };
  return Plain.of([...output].map(lengthOf), (index) => {
    const fixed = new Map([...output].map((letter, i) => [letter, index[i]]));
    const free = letters.filter((letter) => !fixed.has(letter));
    return total(
      indicesOf(free.map(lengthOf)).map((values) => {
        const value = (letter: string) => fixed.get(letter) ?? values[free.indexOf(letter)];
        return operands.reduce((product, x, i) => product * x.at([...inputs[i]].map(value)), 1);
      }),
    );
  });
}

/** softmax(q kᵀ / √d) v over the keys that `allows` allows; zeros where there are none. All are [batch, heads, tokens, d]. */
export function attended(q: Plain, k: Plain, v: Plain, allows: (query: number, key: number) => boolean): Plain {
  const [batch, heads, queries, d] = q.shape;
  const [keys, width] = v.shape.slice(2);
  return Plain.of([batch, heads, queries, width], ([b, h, i, c]) => {
    const seen = count(keys).filter((j) => allows(i, j));
    const weights = seen.map((j) => {
      const score = total(count(d).map((e) => q.at([b, h, i, e]) * k.at([b, h, j, e])));
      return Math.exp(score / Math.sqrt(d));
    });
    return seen.length === 0 ? 0 : total(seen.map((j, n) => weights[n] * v.at([b, h, j, c]))) / total(weights);
  });
}
