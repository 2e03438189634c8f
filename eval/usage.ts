/** How much of a codebook is used, and how evenly. */
import { expectCount } from './expect.ts';

/** Counts code ids over any number of batches. */
export class CodebookUsage {
  /** How often each code was seen, [codebookSize]. */
  readonly counts: Float64Array;
  #total = 0;

  constructor(codebookSize: number) {
    expectCount('CodebookUsage', 'codes', codebookSize);
    this.counts = new Float64Array(codebookSize);
  }

  /** Counts ids. @throws RangeError for an id outside of the codebook; nothing is counted then */
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
  /** Share of the codes seen at least once, 0..1. */
  get fraction(): number {
    return this.used / this.counts.length;
  }
  /** Entropy of the code frequencies p in bits, −Σ p log₂(p + 1e-8). */
  get entropy(): number {
    return this.counts.reduce((sum, count) => {
      const p = count / Math.max(1, this.#total);
      return sum - p * Math.log2(p + 1e-8);
    }, 0);
  }
  /** 2^entropy: the number of equally frequent codes with the same entropy; 0 before any was seen. */
  get perplexity(): number {
    return this.#total === 0 ? 0 : 2 ** this.entropy;
  }
}
