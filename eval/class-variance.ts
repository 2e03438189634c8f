/** How much the pictures of a class differ from each other. */

/** Mean over pixels of the variance within classes, over pictures that come in parts; tells when samples are all alike. */
export class ClassVariance {
  readonly #classes = new Map<number, { count: number; readonly sum: Float64Array; squares: number }>();

  /**
   * Adds pictures.
   *
   * @param images  values of pictures, one after the other
   * @param labels  a class for each
   */
  add(images: ArrayLike<number>, labels: ArrayLike<number>): void {
    const each = images.length / labels.length;
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

  /** Variance around the mean picture of each class, averaged over pixels and pictures; NaN without pictures. */
  get value(): number {
    let [total, values] = [0, 0];
    for (const { count, sum, squares } of this.#classes.values()) {
      total += squares - sum.reduce((s, x) => s + (x * x) / count, 0);
      values += count * sum.length;
    }
    return total / values;
  }
}
