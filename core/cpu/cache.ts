/**
 * Caches values computed from tensors: packed or rounded weights, row statistics that a gradient needs again.
 *
 * An entry lives until one of its tensors changes or is freed. Packing pays only for weights that are used again
 * unchanged; weights in training change after each use. With `keepFrom: 2` the first use therefore leaves a note only,
 * and the second, if the tensors are still the same, fills and keeps.
 */
import { DeviceError } from '../errors.ts';
import type { CpuMemory } from './memory.ts';

export interface CacheKey {
  /** Addresses of the tensors that the values come from. */
  readonly tensors: readonly number[];
  /** Tells entries of the same tensors apart. */
  readonly name: string;
  /** Size of the values. */
  readonly floats: number;
  /** The use that keeps the values: the first, or the second. */
  readonly keepFrom: 1 | 2;
}

interface Entry {
  readonly tensors: readonly number[];
  readonly floats: number;
  /** Address of the values; absent in the note of a first use. */
  readonly at?: number;
}

/** Cache limit. */
const MOST_BYTES = 64 * 2 ** 20;

export class TensorCache {
  readonly #memory: CpuMemory;
  /** By the address of each of the tensors, then by all addresses and the name. */
  readonly #entries = new Map<number, Map<string, Entry>>();
  #bytes = 0;

  constructor(memory: CpuMemory) {
    this.#memory = memory;
  }

  /** See Cpu.cached. */
  get({ tensors, name, floats, keepFrom }: CacheKey, fill: (at: number) => void): number | undefined {
    const key = `${tensors} ${name}`;
    const found = this.#entries.get(tensors[0])?.get(key);
    if (found?.at !== undefined) return found.at;
    if (!found && keepFrom === 2) {
      this.#add(key, { tensors, floats });
      return undefined;
    }
    if (this.#bytes + 4 * floats > MOST_BYTES) return undefined;
    const at = this.#alloc(floats);
    if (at === undefined) return undefined;
    try {
      fill(at);
    } catch (error) {
      this.#memory.free(at, floats);
      throw error;
    }
    this.#bytes += 4 * floats;
    this.#add(key, { tensors, floats, at });
    return at;
  }

  /** Drops all entries that come from the tensor at this address, because its values change or are freed. */
  drop(tensor: number): void {
    const entries = this.#entries.get(tensor);
    if (!entries) return;
    for (const [key, { tensors, at, floats }] of entries) {
      for (const other of tensors) if (other !== tensor) this.#entries.get(other)?.delete(key);
      if (at === undefined) continue;
      this.#memory.free(at, floats);
      this.#bytes -= 4 * floats;
    }
    this.#entries.delete(tensor);
  }

  #add(key: string, entry: Entry): void {
    for (const tensor of entry.tensors) {
      let entries = this.#entries.get(tensor);
      if (!entries) {
        entries = new Map();
        this.#entries.set(tensor, entries);
      }
      entries.set(key, entry);
    }
  }

  /** Undefined when memory is full: the values are then computed each time. */
  #alloc(floats: number): number | undefined {
    try {
      return this.#memory.alloc(floats);
    } catch (error) {
      if (error instanceof DeviceError) return undefined;
      throw error;
    }
  }
}
