/**
 * The cpu device's memory: one WebAssembly.Memory, and a pool of blocks in it.
 *
 * A training step allocates the same sizes again and again, so a freed block waits in a list of its size and is reused
 * as it is. Before unused memory is touched, waiting blocks are merged with their neighbors into regions, from which any
 * size is cut, if they are a quarter of what was used so far.
 */
import { OutOfMemoryError } from '../errors.ts';

const PAGE = 65536;
const MiB = 2 ** 20;
/** Fixed addresses below the heap. */
export const LAYOUT = {
  /** Words through which threads meet. */
  control: 1024,
  /** Vector constants of kernels, 16 bytes each. */
  constants: 4096,
  constantCapacity: 3840,
  heap: PAGE,
} as const;

/** A free block outside the lists by size. */
interface Region {
  at: number;
  bytes: number;
}

export interface MemoryOptions {
  /** Shared between threads. */
  shared: boolean;
  initialMiB?: number;
  maximumMiB?: number;
}

export class CpuMemory {
  readonly memory: WebAssembly.Memory;
  readonly maximum: number;
  #capacity: number;
  #floats: Float32Array<ArrayBufferLike>;
  /** Everything from here to the capacity has never been used. */
  #top: number = LAYOUT.heap;
  readonly #waiting = new Map<number, number[]>();
  #waitingBytes = 0;
  /** Sorted by size. */
  #regions: Region[] = [];
  #inUse = 0;
  #peak = 0;

  constructor({ shared, initialMiB = 64, maximumMiB = 4096 }: MemoryOptions) {
    const pages = (mib: number) => Math.floor((mib * MiB) / PAGE);
    this.maximum = pages(maximumMiB) * PAGE;
    this.#capacity = pages(Math.min(initialMiB, maximumMiB)) * PAGE;
    this.memory = new WebAssembly.Memory({ initial: this.#capacity / PAGE, maximum: this.maximum / PAGE, shared });
    this.#floats = new Float32Array(this.memory.buffer);
  }

  /**
   * All of memory as floats: value i of the tensor at byte address p is floats[p / 4 + i]. Do not keep it: memory
   * grows.
   */
  get floats(): Float32Array<ArrayBufferLike> {
    return this.#floats;
  }
  /** Bytes in use, and their peak. */
  get bytesInUse(): number {
    return this.#inUse;
  }
  get peak(): number {
    return this.#peak;
  }
  /** Current size of the memory. */
  get capacity(): number {
    return this.#capacity;
  }

  /**
   * Memory for a number of floats, aligned to 64 bytes, with 16 bytes or more after it.
   *
   * @returns byte address
   * @throws OutOfMemoryError
   */
  alloc(floats: number): number {
    const bytes = blockBytes(floats);
    this.#inUse += bytes;
    if (this.#inUse > this.#peak) this.#peak = this.#inUse;
    const at = this.#waiting.get(bytes)?.pop();
    if (at !== undefined) {
      this.#waitingBytes -= bytes;
      return at;
    }
    return this.#cut(bytes) ?? this.#afterJoining(bytes) ?? this.#unused(bytes) ?? this.#afterGrowing(bytes);
  }

  /** Frees what `alloc` returned for the same number of floats. */
  free(at: number, floats: number): void {
    const bytes = blockBytes(floats);
    this.#inUse -= bytes;
    this.#waitingBytes += bytes;
    const list = this.#waiting.get(bytes);
    if (list) list.push(at);
    else this.#waiting.set(bytes, [at]);
  }

  /** From the smallest region that is large enough. */
  #cut(bytes: number): number | undefined {
    const i = this.#firstRegion(bytes);
    const region = this.#regions[i];
    if (!region) return undefined;
    this.#regions.splice(i, 1);
    this.#addRegion({ at: region.at + bytes, bytes: region.bytes - bytes });
    return region.at;
  }
  #unused(bytes: number): number | undefined {
    if (this.#top + bytes > this.#capacity) return undefined;
    const at = this.#top;
    this.#top += bytes;
    return at;
  }
  #afterJoining(bytes: number): number | undefined {
    if (this.#waitingBytes < this.#top / 4) return undefined;
    this.#join();
    return this.#cut(bytes);
  }
  #afterGrowing(bytes: number): number {
    const missing = this.#top + bytes - this.#capacity;
    const step = Math.max(missing, Math.min(this.#capacity / 2, 256 * MiB));
    const at = this.#grow(step) || this.#grow(missing) ? this.#unused(bytes) : undefined;
    if (at !== undefined) return at;
    this.#join();
    const last = this.#cut(bytes);
    if (last !== undefined) return last;
    this.#inUse -= bytes;
    throw new OutOfMemoryError(
      `cpu: expected room for ${mebibytes(bytes)}, ` +
        `got ${mebibytes(this.#inUse)} in use of at most ${mebibytes(this.maximum)}. ` +
        'Free tensors with tensorScope(), or make the batch smaller.',
    );
  }

  #grow(bytes: number): boolean {
    const pages = Math.ceil(bytes / PAGE);
    if (this.#capacity + pages * PAGE > this.maximum) return false;
    try {
      this.memory.grow(pages);
    } catch {
      return false; // the machine has no more
    }
    this.#capacity += pages * PAGE;
    this.#floats = new Float32Array(this.memory.buffer);
    return true;
  }

  /** Merges neighboring free blocks, and returns those at the top to the unused part. */
  #join(): void {
    const free = [...this.#regions];
    for (const [bytes, list] of this.#waiting) for (const at of list) free.push({ at, bytes });
    this.#waiting.clear();
    this.#waitingBytes = 0;
    free.sort((a, b) => a.at - b.at);
    const joined: Region[] = [];
    for (const { at, bytes } of free) {
      const last = joined.at(-1);
      if (last && last.at + last.bytes === at) last.bytes += bytes;
      else joined.push({ at, bytes });
    }
    const last = joined.at(-1);
    if (last && last.at + last.bytes === this.#top) {
      this.#top = last.at;
      joined.pop();
    }
    this.#regions = joined.sort((a, b) => a.bytes - b.bytes);
  }
  #firstRegion(bytes: number): number {
    let [low, high] = [0, this.#regions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#regions[middle].bytes < bytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  #addRegion(region: Region): void {
    if (region.bytes > 0) this.#regions.splice(this.#firstRegion(region.bytes), 0, region);
  }
}

/**
 * Eight sizes per power of two (at most an eighth is wasted), in multiples of 64 bytes, and 64 bytes behind them: 2 ** k values,
 * as weights often have, waste no more than that.
 */
function blockBytes(floats: number): number {
  const bytes = 4 * floats;
  const step = Math.max(64, 2 ** (28 - Math.clz32(bytes)));
  return Math.ceil(bytes / step) * step + 64;
}

const mebibytes = (bytes: number): string => `${(bytes / MiB).toFixed(bytes < 10 * MiB ? 2 : 0)} MiB`;
