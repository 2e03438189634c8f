/** Linear probe: how well a linear map of features tells the classes apart. */
import { choleskyFactor, choleskySolve } from './cholesky.ts';
import { expectCount, expectFinite, expectLabels } from './expect.ts';

/** Options of the linear probe. */
export interface LinearProbeOptions {
  /** Class of each row, 0..classes−1. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
  /** Features of a row. */
  readonly dim: number;
  /** λ, the weight of the penalty on the coefficients. Default 1e-3. */
  readonly ridge?: number;
}

/**
 * Ridge regression from standardized features X [N, dim] to one-hot labels Y, solved exactly in float64. It predicts the
 * class of the largest output.
 *
 *   W = (XᵀX + λ N I)⁻¹ Xᵀ Y
 *
 * @see Alain and Bengio 2016, arXiv:1610.01644
 */
export class LinearProbe {
  readonly #dim: number;
  readonly #classes: number;
  readonly #mean: Float64Array;
  readonly #scale: Float64Array;
  readonly #weights: Float64Array; // [dim + 1, classes]; the last row is the bias

  /**
   * @param features  of the training rows, [rows, dim], row-major
   * @throws RangeError unless there are `dim` finite features for each label, labels are classes, and the ridge suffices
   */
  constructor(features: ArrayLike<number>, { labels, classes, dim, ridge = 1e-3 }: LinearProbeOptions) {
    const rows = labels.length;
    if (features.length !== rows * dim || rows === 0) {
      throw new RangeError(`LinearProbe: expected ${rows} rows of ${dim} features, got ${features.length} values.`);
    }
    expectCount('LinearProbe', 'classes', classes);
    expectFinite('LinearProbe', 'features', features);
    expectLabels('LinearProbe', labels, classes);
    if (!(ridge >= 0 && ridge < Infinity)) throw new RangeError(`LinearProbe: expected ridge ≥ 0, got ${ridge}.`);
    this.#dim = dim;
    this.#classes = classes;
    this.#mean = new Float64Array(dim);
    this.#scale = new Float64Array(dim);
    for (let i = 0; i < features.length; i++) this.#mean[i % dim] += features[i] / rows;
    for (let i = 0; i < features.length; i++) this.#scale[i % dim] += (features[i] - this.#mean[i % dim]) ** 2 / rows;
    for (let d = 0; d < dim; d++) this.#scale[d] = 1 / Math.sqrt(this.#scale[d] + 1e-12);

    const n = dim + 1;
    const gram = new Float64Array(n * n);
    const target = new Float64Array(n * classes);
    for (let row = 0; row < rows; row++) {
      const x = this.#row(features, row);
      const label = labels[row];
      for (let i = 0; i < n; i++) {
        target[i * classes + label] += x[i];
        for (let j = 0; j <= i; j++) gram[i * n + j] += x[i] * x[j];
      }
    }
    for (let i = 0; i < n; i++) gram[i * n + i] += ridge * rows;
    const factor = choleskyFactor(gram, n);
    if (factor.some((x, at) => at % (n + 1) === 0 && x === 0)) {
      throw new RangeError(
        `LinearProbe: expected more independent rows than ${dim} features, or a larger ridge, got ${rows} rows and ridge ${ridge}.`,
      );
    }
    this.#weights = choleskySolve(factor, target, n, classes);
  }

  /**
   * What the map gives for each class: about 1 for the right one and 0 for the others. features [rows, dim] → [rows, classes]
   *
   * @throws RangeError unless whole rows of finite features are given
   */
  scores(features: ArrayLike<number>): Float64Array {
    const classes = this.#classes;
    const rows = features.length / this.#dim;
    if (!Number.isInteger(rows)) {
      throw new RangeError(`LinearProbe: expected rows of ${this.#dim} features, got ${features.length} values.`);
    }
    expectFinite('LinearProbe', 'features', features);
    const scores = new Float64Array(rows * classes);
    for (let row = 0; row < rows; row++) {
      const x = this.#row(features, row);
      for (let i = 0; i < x.length; i++) {
        for (let k = 0; k < classes; k++) scores[row * classes + k] += x[i] * this.#weights[i * classes + k];
      }
    }
    return scores;
  }

  /** Predicted class of each row. features [rows, dim] → [rows] */
  predict(features: ArrayLike<number>): Int32Array {
    const classes = this.#classes;
    const scores = this.scores(features);
    return Int32Array.from({ length: scores.length / classes }, (_, row) => {
      let best = 0;
      for (let k = 1; k < classes; k++) if (scores[row * classes + k] > scores[row * classes + best]) best = k;
      return best;
    });
  }

  /** Share of rows whose prediction is their label, 0..1. @throws RangeError unless there is a row for each label */
  accuracy(features: ArrayLike<number>, labels: ArrayLike<number>): number {
    const guesses = this.predict(features);
    if (guesses.length !== labels.length) {
      throw new RangeError(`LinearProbe: expected ${guesses.length} labels, one for each row, got ${labels.length}.`);
    }
    return guesses.reduce((hits, k, row) => hits + (k === labels[row] ? 1 : 0), 0) / labels.length;
  }

  /** A standardized row, and a 1 for the bias. */
  #row(features: ArrayLike<number>, row: number): Float64Array {
    const x = new Float64Array(this.#dim + 1).fill(1);
    for (let d = 0; d < this.#dim; d++) x[d] = (features[row * this.#dim + d] - this.#mean[d]) * this.#scale[d];
    return x;
  }
}
