/** A cache of compiled kernels by source and size, which drops the least recently used. */
import type { BuiltKernel } from './gpujs.ts';

export class KernelCache {
  readonly #kernels = new Map<string, BuiltKernel>(); // in order of use
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }
  get size(): number {
    return this.#kernels.size;
  }
  get(key: string): BuiltKernel | undefined {
    const found = this.#kernels.get(key);
    if (found) {
      this.#kernels.delete(key);
      this.#kernels.set(key, found);
    }
    return found;
  }
  add(key: string, kernel: BuiltKernel): void {
    this.#kernels.set(key, kernel);
    this.trim(this.#limit);
  }
  /** Destroys kernels until at most `keep` are left. Their results stay readable. */
  trim(keep: number): void {
    for (const [key, kernel] of this.#kernels) {
      if (this.#kernels.size <= keep) return;
      this.#kernels.delete(key);
      kernel.destroy();
    }
  }
}
