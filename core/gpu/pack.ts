/** Passes that copy many arrays into one, in few launches: how parameters, gradients and moments are packed. */
import type { Pass } from '../device.ts';

/** A piece of an array: `of` is the index of an argument of the op, or the name of an earlier pass. */
export interface Piece {
  readonly of: number | string;
  readonly from: number;
  readonly length: number;
}

/**
 * Passes that write the pieces one after another. A launch reads at most `maxArrays` arrays: n arrays take about
 * n / (maxArrays − 1) launches, pieces of few arrays, in any order, take one.
 */
export function packPasses(pieces: readonly Piece[], maxArrays: number, level = 0): Pass[] {
  const groups = groupByArrays(mergeNeighbors(pieces), maxArrays);
  if (groups.length === 1) return [packPass(groups[0])];
  const parts = groups.map((group, i) => ({ ...packPass(group), name: `pack${level}_${i}` }));
  const packed = parts.map(({ name, out }): Piece => ({ of: name, from: 0, length: out[0] }));
  return [...parts, ...packPasses(packed, maxArrays, level + 1)];
}

/** True when each piece begins where the one before it ends. */
export const areContiguous = (pieces: readonly Piece[]): boolean => {
  let end = 0;
  return pieces.every(({ from, length }) => {
    const begins = from === end;
    end += length;
    return begins;
  });
};

function packPass(pieces: readonly Piece[]): Pass & { out: readonly number[] } {
  const arrays = [...new Set(pieces.map((p) => p.of))];
  const names = new Map(arrays.map((of, i) => [of, `a${i}`]));
  let start = 0;
  const reads = pieces.map(({ of, from, length }) => {
    const shift = from - start;
    start += length;
    return { end: start, read: `v = ${names.get(of)}[this.thread.x ${shift < 0 ? '-' : '+'} ${Math.abs(shift)}];` };
  });
  /** Nested ifs that halve the pieces until one is left: n pieces cost log n comparisons. */
  const choose = (low: number, high: number): string => {
    if (high - low === 1) return reads[low].read;
    const middle = (low + high) >> 1;
    return `if (this.thread.x < ${reads[middle - 1].end}) { ${choose(low, middle)} } else { ${choose(middle, high)} }`;
  };
  return {
    out: [start],
    inputs: Object.fromEntries(arrays.map((of) => [names.get(of)!, of])),
    body: `let v = 0.0; ${choose(0, reads.length)} return v;`,
  };
}

/** Merges pieces that follow each other in the same array. */
function mergeNeighbors(pieces: readonly Piece[]): Piece[] {
  const merged: Piece[] = [];
  for (const piece of pieces) {
    const last = merged.at(-1);
    if (last && last.of === piece.of && last.from + last.length === piece.from) {
      merged[merged.length - 1] = { ...last, length: last.length + piece.length };
    } else if (piece.length > 0) merged.push(piece);
  }
  return merged;
}

/** Runs of consecutive pieces that come from at most `max` arrays. */
function groupByArrays(pieces: readonly Piece[], max: number): Piece[][] {
  const groups: Piece[][] = [];
  let arrays = new Set<Piece['of']>();
  for (const piece of pieces) {
    if (groups.length === 0 || (!arrays.has(piece.of) && arrays.size === max)) {
      groups.push([]);
      arrays = new Set();
    }
    groups.at(-1)!.push(piece);
    arrays.add(piece.of);
  }
  return groups;
}
