/** How much the pictures of a class differ from each other. */
import { expectCount } from './expect.ts';

/** Mean over pixels of the variance within classes, over pictures that come in parts; tells when samples are all alike. */
export class ClassVariance {
  readonly #classes = new Map<number, { count: number; readonly sum: Float64Array; squares: number }>();
  #each: number | undefined; // values of a picture

  /**
   * Adds pictures.
   *
   * @param images  values of pictures, one after the other
   * @param labels  a class for each
   * @throws RangeError unless all pictures, of all parts, have equally many values
   */
  add(images: ArrayLike<number>, labels: ArrayLike<number>): void {
    if (labels.length === 0 && images.length === 0) return;
    const each = images.length / labels.length;
    expectCount('ClassVariance', `values in each of ${labels.length} pictures`, each);
    this.#each ??= each;
    if (each !== this.#each) {
      throw new RangeError(`ClassVariance: expected pictures of ${this.#each} values, as before, got ${each}.`);
    }
    for (let i = 0; i < labels.length; i++) {
      const known = this.#classes.get(labels[i]) ?? { count: 0, sum: new Float64Array(each), squares: 0 };
      known.count++;
      for (let at = 0; at < each; at++) {
        const x = images[i * each + at];
        known.sum[at] += x;
        known.squares += x * x;
      }
      this.#classes.set(labels[i], known);
    }
  }

  /**
   * Variance around the mean picture of each class, averaged over pixels and pictures, whatever the number of pictures of a
   * class; NaN where no class has two.
   */
  get value(): number {
    let [total, free] = [0, 0];
    for (const { count, sum, squares } of this.#classes.values()) {
      if (count < 2) continue;
      total += Math.max(0, squares - sum.reduce((s, x) => s + (x * x) / count, 0)); // equal pictures: rounding only
      free += (count - 1) * sum.length;
    }
    return total / free;
  }
}
