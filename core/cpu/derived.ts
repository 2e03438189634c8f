/**
 * What is worked out from the values of a tensor and kept while they stay the same: moments of rows for gradients, and
 * weights packed for products. Weights that are trained change before they are used again, and nothing of them is kept; of
 * frozen ones it is, from their second use on.
 */
import { DeviceError } from '../device.ts';
import type { CpuMemory } from './memory.ts';

/** All that is kept takes at most so much. */
const MOST_BYTES = 64 * 2 ** 20;

interface Piece {
  readonly at: number;
  readonly floats: number;
}

export class DerivedMemory {
  readonly #memory: CpuMemory;
  /** By the address of the tensor, then by name; null after a first use that is not kept. */
  readonly #pieces = new Map<number, Map<string, Piece | null>>();
  #bytes = 0;

  constructor(memory: CpuMemory) {
    this.#memory = memory;
  }

  /** See Cpu.derived. */
  get(source: number, name: string, floats: number, make: (at: number) => void, fromUse: 1 | 2): number | undefined {
    let own = this.#pieces.get(source);
    if (!own) {
      own = new Map();
      this.#pieces.set(source, own);
    }
    const found = own.get(name);
    if (found) return found.at;
    if (found === undefined && fromUse > 1) {
      own.set(name, null);
      return undefined;
    }
    if (this.#bytes + 4 * floats > MOST_BYTES) return undefined;
    const at = this.#alloc(floats);
    if (at === undefined) return undefined;
    make(at);
    own.set(name, { at, floats });
    this.#bytes += 4 * floats;
    return at;
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
    this.#pieces.delete(source);
    for (const piece of own.values()) {
      if (!piece) continue;
      this.#memory.free(piece.at, piece.floats);
      this.#bytes -= 4 * piece.floats;
    }
  }
}
