/** Which codes of a codebook are used, and how evenly. */

/** Counts code ids over any number of batches. */
export class CodebookUsage {
  readonly counts: Float64Array;
  #total = 0;

  constructor(codebookSize: number) {
    this.counts = new Float64Array(codebookSize);
  }

  /** @throws RangeError for an id outside the codebook; nothing is counted then */
  add(ids: ArrayLike<number>): this {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i];
      if (!(id in this.counts))
        throw new RangeError(
          `CodebookUsage: expected ids in 0..${this.counts.length - 1}, got ${id} at position ${i}.`,
        );
    }
    for (let i = 0; i < ids.length; i++) this.counts[ids[i]]++;
    this.#total += ids.length;
    return this;
  }

  /** Codes seen at least once. */
  get used(): number {
    return this.counts.reduce((n, count) => n + (count > 0 ? 1 : 0), 0);
  }
  /** The used share of the codebook, 0..1. */
  get fraction(): number {
    return this.used / this.counts.length;
  }
  /** −Σ p log₂(p + 1e-8), bits. */
  get entropy(): number {
    return this.counts.reduce((sum, count) => {
      const p = count / Math.max(1, this.#total);
      return sum - p * Math.log2(p + 1e-8);
    }, 0);
  }
  /** 2^entropy: how many codes, used equally often, would carry as much. */
  get perplexity(): number {
    return 2 ** this.entropy;
  }
}
