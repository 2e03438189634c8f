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

  /**
   * Variance around the mean picture of each class, averaged over pixels and pictures, whatever the number of pictures of a
   * class; NaN where no class has two.
   */
  get value(): number {
    let [total, free] = [0, 0];
    for (const { count, sum, squares } of this.#classes.values()) {
      if (count < 2) continue;
      total += squares - sum.reduce((s, x) => s + (x * x) / count, 0);
      free += (count - 1) * sum.length;
    }
    return total / free;
  }
}
