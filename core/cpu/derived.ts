/**
 * What is worked out from the values of tensors and kept while they stay the same: moments of rows for gradients, sums that
 * come along with another gradient, and weights packed for products. Weights that are trained change before they are used
 * again, and nothing of them is kept; of frozen ones it is, from their second use on.
 */
import { DeviceError } from '../errors.ts';
import type { CpuMemory } from './memory.ts';
import type { Cpu } from './routine.ts';

/** All that is kept takes at most so much. */
const MOST_BYTES = 64 * 2 ** 20;

interface Piece {
  readonly sources: readonly number[];
  /** Absent after a first use that is not kept. */
  readonly at?: number;
  readonly floats: number;
}

export class DerivedMemory {
  readonly #memory: CpuMemory;
  /** By the address of each tensor that it comes from, then by all of them and its name. */
  readonly #pieces = new Map<number, Map<string, Piece>>();
  #bytes = 0;

  constructor(memory: CpuMemory) {
    this.#memory = memory;
  }

  /** See Cpu.derived. */
  get(...[sources, name, floats, make, fromUse]: Parameters<Cpu['derived']>): number | undefined {
    const key = `${sources} ${name}`;
    const found = this.#pieces.get(sources[0])?.get(key);
    if (found?.at !== undefined) return found.at;
    if (!found && fromUse > 1) {
      this.#add(key, { sources, floats });
      return undefined;
    }
    if (this.#bytes + 4 * floats > MOST_BYTES) return undefined;
    const at = this.#alloc(floats);
    if (at === undefined) return undefined;
    try {
      make(at);
    } catch (error) {
      this.#memory.free(at, floats);
      throw error;
    }
    this.#bytes += 4 * floats;
    this.#add(key, { sources, floats, at });
    return at;
  }

  #add(key: string, piece: Piece): void {
    for (const source of piece.sources) {
      let own = this.#pieces.get(source);
      if (!own) {
        own = new Map();
        this.#pieces.set(source, own);
      }
      own.set(key, piece);
    }
  }

  #alloc(floats: number): number | undefined {
    try {
      return this.#memory.alloc(floats);
    } catch (error) {
      if (error instanceof DeviceError) return undefined; // no memory left: work it out each time
      throw error;
    }
  }

  /** The values at `source` change, or are freed. */
  drop(source: number): void {
    const own = this.#pieces.get(source);
    if (!own) return;
    for (const [key, { sources, at, floats }] of own) {
      for (const other of sources) if (other !== source) this.#pieces.get(other)?.delete(key);
      if (at === undefined) continue;
      this.#memory.free(at, floats);
      this.#bytes -= 4 * floats;
    }
    this.#pieces.delete(source);
  }
}
