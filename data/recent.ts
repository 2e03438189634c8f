/** What was used last, up to a size. */
export class Recent<T> {
  readonly #most: number;
  readonly #kept = new Map<string, { readonly value: T; readonly size: number }>(); // the latest is the last
  #total = 0;

  /** @param most  the total size to keep; a value that is larger is kept alone */
  constructor(most: number) {
    this.#most = most;
  }

  /** The value of a key, made when it is not there. */
  get(key: string, size: number, make: () => T): T {
    const kept = this.#kept.get(key);
    return this.set(key, kept?.size ?? size, kept ? kept.value : make());
  }

  /** Keeps a value, and lets those go that were not used for longest. */
  set(key: string, size: number, value: T): T {
    this.#forget(key);
    this.#kept.set(key, { value, size });
    this.#total += size;
    for (const [other] of this.#kept) {
      if (this.#total <= this.#most || other === key) break;
      this.#forget(other);
    }
    return value;
  }

  #forget(key: string): void {
    this.#total -= this.#kept.get(key)?.size ?? 0;
    this.#kept.delete(key);
  }
}
